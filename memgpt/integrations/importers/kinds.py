"""The other memories there are importers of, and which one a source is from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memgpt import validation
from memgpt.documents.formats import encodings
from memgpt.errors import InputError
from memgpt.integrations.importers import chroma, foreign_tables, letta, markdown, mem0, memory_server
from memgpt.integrations.importers.import_items import ImportItem

TRANSCRIPT: Final = "transcript"

_HEAD: Final = 2**16

_MEM0: Final = re.compile(rb'"memory"\s*:')
_LETTA: Final = re.compile(rb'"(?:agents|agent_type|core_memory)"\s*:')

_MOST: Final = 512 * 2**20
"""Bytes of a JSON file that is read as a whole."""

Items = Callable[[], Iterator[ImportItem]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A source whose kind is known."""

    kind: str
    items: Items
    transcript: Path | None = None
    """The file, where it also has messages."""


@dataclass(frozen=True, slots=True)
class ImportKind:
    """A system whose memory can be taken over from a file or a folder."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Iterator[ImportItem]]


def _json(path: Path, sign: re.Pattern[bytes]) -> Any:
    """Return the JSON value of a file; None if it is not JSON, or lacks the sign at its beginning (no large transcript
    is read as a whole to find out)."""
    if not path.is_file() or path.stat().st_size > _MOST:
        return None
    with path.open("rb") as file:
        if sign.search(file.read(_HEAD)) is None:
            return None
    try:
        return json.loads(encodings.decode(path.read_bytes()).text)
    except (ValueError, RecursionError, InputError):
        return None


def _first_line(path: Path) -> Any:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        line = next((line for line in iter(lambda: file.readline(1_000_000), b"") if line.strip()), b"")
    try:
        return json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _chroma(path: Path) -> Iterator[ImportItem]:
    return chroma.read(chroma.find(path) or path)


KINDS: Final[Sequence[ImportKind]] = (
    ImportKind("chroma", lambda path: chroma.find(path) is not None, _chroma),
    ImportKind("memory-server", lambda path: memory_server.is_line(_first_line(path)), memory_server.read),
    ImportKind("mem0", lambda path: mem0.is_answer(_json(path, _MEM0)), lambda path: mem0.answer(_json(path, _MEM0))),
    ImportKind(
        "letta", lambda path: letta.is_agent_file(_json(path, _LETTA)), lambda path: letta.read(_json(path, _LETTA))
    ),
    ImportKind("markdown", lambda path: bool(markdown.files(path)) and not _is_slack(path), markdown.read),
)
"""In the order in which they are tried."""

NAMES: Final = (*(kind.name for kind in KINDS), "langgraph", TRANSCRIPT)


def _is_slack(path: Path) -> bool:
    return path.is_dir() and (path / "users.json").is_file()


def open_memory(source: str | Path, kind: str | None = None, table: str | None = None) -> Opened:
    """Find out which system a source is from; what is none of the others is a transcript.

    Raises:
        InputError: there is no such file, or it is not of the kind that was named.
    """
    if kind is not None:
        validation.choice(kind, NAMES, "kind")
    if isinstance(source, str) and foreign_tables.is_dsn(source):
        name, foreign = foreign_tables.find(source, table, kind)
        return Opened(name, lambda: foreign_tables.read(source, foreign))
    path = Path(source)
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if table is not None:
        raise InputError("a table is named together with a postgresql:// address, not with a file")
    try:
        wanted = [each for each in KINDS if kind in (None, each.name)]
        one = next((each for each in wanted if each.recognises(path)), None)
        if one is not None:
            messages = one.name == "letta" and letta.has_messages(_json(path, _LETTA))
            return Opened(one.name, lambda: one.read(path), path if messages else None)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if kind not in (None, TRANSCRIPT):
        raise InputError(
            f"{path} is not a memory of {kind}" + (": give its postgresql:// address" * (kind == "langgraph"))
        )
    return Opened(TRANSCRIPT, lambda: iter(()), path)
