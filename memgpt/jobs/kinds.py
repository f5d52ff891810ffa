"""Kinds of work a worker does. A new one is an entry in ``KINDS``: its name, its arguments, and a function."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path, PurePath
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from memgpt import reembed, sleep
from memgpt.agents import transfer
from memgpt.errors import InputError
from memgpt.graph.extraction.run import Extracted
from memgpt.integrations.transcripts import import_transcript
from memgpt.jobs.store import JobFile
from memgpt.memory import Memory, scope_of
from memgpt.models import SOURCES, Json, Permission, Source
from memgpt.scope.batches import OnError

Name = Annotated[str, Field(min_length=1, max_length=1000)]


def _number(value: object) -> object:
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


_NUMBER: Final = BeforeValidator(_number)


class OnProgress(Protocol):
    """Steps done, of how many, and what is being done. It ends the work by raising when that is to stop."""

    def __call__(self, done: int, total: int | None = None, message: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """Everything that one job works with."""

    memory: Memory
    """The agent's; PostgreSQL itself keeps it to that agent."""
    files: Sequence[JobFile]
    progress: OnProgress


class Arguments(BaseModel):
    """None; kinds that take some say which."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of work."""

    name: str
    about: str
    run: Callable[[JobContext, Json], Json]
    """What it answers is the job's result. Where a worker died, it is called again: what it writes must be once only,
    by its nature or because it is ``atomic``."""
    arguments: type[BaseModel] = Arguments
    permission: Permission = "write"
    files: int = 0
    """How many files may be sent; it needs one then."""
    atomic: bool = False
    """Everything it writes, and that it is done, are one transaction."""
    everywhere: bool = False
    """It concerns every agent: a job of the agent ``*``."""


def _ingest(work: JobContext, arguments: Json) -> Json:
    results = []
    with _on_disk(work.files) as paths:
        work.progress(0, len(paths), work.files[0].name)
        for result in work.memory.ingest_uploads(paths, metadata=arguments["metadata"]):
            results.append(asdict(result))
            work.progress(len(results), len(paths), result.source or "")
    if len(results) == 1 and results[0]["outcome"] == "failed":
        raise InputError(f"{results[0]['source']}: {results[0]['reason']}")
    place = {file.name: n for n, file in enumerate(work.files)}
    return {"documents": sorted(results, key=lambda result: place.get(result["source"], len(place)))}


def _import(work: JobContext, arguments: Json) -> Json:
    with _on_disk(work.files) as paths:
        [path] = paths
        work.progress(0, 1, work.files[0].name)
        done: Json = asdict(
            import_transcript(
                work.memory,
                path,
                session=arguments["session"],
                on_error=arguments["on_error"],
                progress=lambda done: work.progress(done, None, work.files[0].name),
            )
        )
    return done


def _import_agent(work: JobContext, arguments: Json) -> Json:
    scope = scope_of(work.memory)
    work.progress(0, 1, work.files[0].name)
    with TextIOWrapper(BytesIO(work.files[0].content), encoding="utf-8") as lines, scope.transaction() as connection:
        transfer.check(scope, lines, reembed=arguments["reembed"])
        done: Json = asdict(transfer.load(connection, scope, lines, reembed=arguments["reembed"]))
    work.progress(1, 1)
    return done


def _reembed(work: JobContext, arguments: Json) -> Json:
    def told(progress: reembed.ReembedProgress) -> None:
        work.progress(progress.done, progress.total, progress.phase)

    options = scope_of(work.memory).options
    return asdict(reembed.reembed(arguments["to"], options=options, rate=arguments["rate"], on_progress=told))


def _reembed_finish(work: JobContext, arguments: Json) -> Json:  # noqa: ARG001 - as every kind is called
    return asdict(reembed.finish(options=scope_of(work.memory).options))


def _reembed_rollback(work: JobContext, arguments: Json) -> Json:  # noqa: ARG001 - as every kind is called
    def told(progress: reembed.ReembedProgress) -> None:
        work.progress(progress.done, progress.total, progress.phase)

    return asdict(reembed.rollback(options=scope_of(work.memory).options, on_progress=told))


def _sleep(work: JobContext, arguments: Json) -> Json:
    def told(progress: sleep.SleepProgress) -> None:
        work.progress(progress.done, progress.total, progress.task or "")

    return asdict(sleep.run(work.memory, tasks=arguments["tasks"], apply=arguments["apply"], progress=told))


def _extract(work: JobContext, arguments: Json) -> Json:
    def told(done: Extracted) -> None:
        work.progress(done.texts + done.failed, None, f"{done.facts:,} facts")

    limits = {name: arguments[name] for name in ("max_items", "max_cost")}
    kinds = arguments["kinds"] or SOURCES
    model = scope_of(work.memory).options.chat_model
    return asdict(work.memory.graph.extract(model, kinds=kinds, **limits, on_progress=told))


class _Ingest(Arguments):
    metadata: Json = {}


class _ImportArguments(Arguments):
    session: Name | None = None
    """The conversation to add to."""
    on_error: OnError = "replace"
    """What becomes of a message that cannot be kept as it is; the result names each."""


class _ImportAgent(Arguments):
    reembed: StrictBool = False
    """Embed anew what another model embedded."""


class _Extract(Arguments):
    """Whoever asks does not choose the model, which the operator pays for."""

    kinds: Annotated[list[Source] | None, Field(min_length=1, max_length=len(SOURCES))] = None
    max_items: Annotated[int, Field(ge=1, le=10_000), _NUMBER] | None = None
    max_cost: Annotated[float, Field(gt=0), _NUMBER] | None = None
    """US dollars."""


class _Sleep(Arguments):
    tasks: Annotated[list[sleep.Task] | None, Field(min_length=1, max_length=len(sleep.TASKS))] = None
    """Absent, all that can be done."""
    apply: StrictBool = False
    """Also apply what is sure."""


class _Reembed(Arguments):
    to: Name
    rate: Annotated[float, Field(gt=0), _NUMBER] | None = None


_ALL: Final = (
    JobKind("ingest", "Keep the documents in files.", _ingest, _Ingest, files=100),
    JobKind("import", "Keep the messages of a transcript.", _import, _ImportArguments, files=1, atomic=True),
    JobKind(
        "import-agent",
        "Read what was exported of an agent into this one.",
        _import_agent,
        _ImportAgent,
        permission="admin",  # it writes what others said
        files=1,
        atomic=True,
    ),
    JobKind("extract", "Take facts from texts by the configured chat model; without one, names.", _extract, _Extract),
    JobKind("sleep", "Propose what can be put in order, and apply it when told to.", _sleep, _Sleep),
    JobKind(
        "reembed",
        "Switch the whole database to another embedding model.",
        _reembed,
        _Reembed,
        permission="admin",
        everywhere=True,
    ),
    JobKind(
        "reembed-finish",
        "Drop the vectors of the model before a switch.",
        _reembed_finish,
        permission="admin",
        everywhere=True,
    ),
    JobKind(
        "reembed-rollback",
        "Take a switch of the embedding model back.",
        _reembed_rollback,
        permission="admin",
        everywhere=True,
    ),
)
KINDS: Final[Mapping[str, JobKind]] = {kind.name: kind for kind in _ALL}


@contextmanager
def _on_disk(files: Sequence[JobFile]) -> Iterator[Mapping[Path, str]]:
    """Write files to a temporary directory, each alone under its own name, and return their paths with their names."""
    with tempfile.TemporaryDirectory(prefix="memgpt-job-") as directory:
        paths = {}
        for number, file in enumerate(files):
            folder = Path(directory) / str(number)
            folder.mkdir()
            path = folder / _file_name(file.name)
            path.write_bytes(file.content)
            paths[path] = file.name
        yield paths


def _file_name(name: str) -> str:
    """Return the last part of a sent name, as a file system takes it: its suffix tells the format."""
    last = PurePath(name.replace("\\", "/")).name.lstrip(".") or "file"
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last)
    stem, dot, suffix = plain.rpartition(".")
    return f"{stem[:50]}{dot}{suffix[:20]}" if dot else plain[:50]
