"""The jobs of one agent: ask for one, see how far it is, cancel it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.errors import BusyError, ConflictError, InputError
from memgpt.jobs import queue
from memgpt.jobs.kinds import KINDS, JobKind
from memgpt.jobs.store import JobFile, JobStore
from memgpt.memory import Memory, scope_of
from memgpt.models import JOB_STATUSES, Job, JobStatus, Json

MOST_UNDER_WAY: Final = 1000
"""Jobs of an agent, or of a key, that wait or run; more are refused until some are done."""
MOST_WAITING_BYTES: Final = 200_000_000
"""Of the files of those jobs."""


class Jobs:
    """The jobs of one agent, as one actor asks for them: ``Jobs(memory)``.

    A job and its place in the queue are written in one transaction, the caller's if there is one.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._scope = scope_of(memory)

    def add(self, kind: str, arguments: Mapping[str, Any] | None = None, files: Sequence[JobFile] = ()) -> Job:
        """Ask for work; a worker begins it when it can.

        Raises:
            InputError: there is no such kind of work, or it cannot use the arguments or the files.
            BusyError: the agent, or the key, has too many jobs or bytes of files under way.
        """
        what = kind_of(kind)
        values = checked(what, arguments or {}, files)
        with self._scope.transaction() as connection:
            store = JobStore(connection, self._scope.agent_id)
            self._find_room(connection, store, sum(len(file.content) for file in files))
            job = store.insert(kind, values, requested_by=self._scope.author.actor)
            store.insert_files(job.id, files)
            queue.defer(connection, self._scope.options.db_schema, job.agent_id, job.id)
        return job

    def _find_room(self, connection: Connection, store: JobStore, size: int) -> None:
        """Both the agent and the key that asks have room: one key may reach any number of agents."""
        actor = self._scope.author.actor
        store.hold(actor)
        counts = {f"agent {self._scope.agent_id!r}": store.under_way()}
        if actor.startswith("key:"):
            with connection.as_owner():
                counts["this key"] = store.under_way_of(actor)
        for who, (jobs, waiting) in counts.items():
            if jobs >= MOST_UNDER_WAY:
                raise BusyError(f"{who} has {MOST_UNDER_WAY:,} jobs under way: wait for some")
            if waiting + size > MOST_WAITING_BYTES:
                raise BusyError(
                    f"{who} has {waiting:,} bytes of files waiting, of {MOST_WAITING_BYTES:,}: wait for some"
                )

    def get(self, id: int) -> Job:
        """One job.

        Raises:
            NotFoundError: the agent has no job of that id.
        """
        validation.row_id(id)
        return self._scope.read(lambda connection: JobStore(connection, self._scope.agent_id).get(id))

    def list(self, *, status: JobStatus | None = None, limit: int = 50, before: int | None = None) -> Sequence[Job]:
        """Jobs, newest first; ``before`` is the id of the last one seen."""
        chosen: Any = None if status is None else validation.choice(status, JOB_STATUSES, "status")
        parameters: Json = {
            "status": chosen,
            "limit": validation.limit(limit),
            "before": validation.optional_id(before, "before"),
        }
        return self._scope.read(lambda connection: JobStore(connection, self._scope.agent_id).list(**parameters))

    def cancel(self, id: int) -> Job:
        """One that waits is cancelled now, one that runs at its next step; what it did so far stays.

        Raises:
            NotFoundError: the agent has no job of that id.
            ConflictError: it has ended.
        """
        validation.row_id(id)
        with self._scope.transaction() as connection:
            store = JobStore(connection, self._scope.agent_id)
            job = store.cancel(id)
            if job is None:
                raise ConflictError(f"job {id} has ended: it {store.get(id).status}")
            if job.finished:
                store.remove_files(id)
        return job

    def retry(self, id: int) -> Job:
        """Ask again for work that failed or was cancelled; the new job.

        Raises:
            NotFoundError: the agent has no job of that id.
            ConflictError: it has not ended, it succeeded, or it read files, which went when it ended.
        """
        job = self.get(id)
        if job.status not in ("failed", "cancelled"):
            raise ConflictError(f"job {id} {'is' if job.finished_at is None else 'has'} {job.status}: nothing to retry")
        if kind_of(job.kind).files:
            raise ConflictError(f"the files of job {id} went when it ended: send them again")
        return self.add(job.kind, job.arguments)


def kind_of(name: str) -> JobKind:
    """Return the kind of work of that name.

    Raises:
        InputError: there is no such kind of work.
    """
    return KINDS[validation.choice(name, sorted(KINDS), "kind")]


def checked(kind: JobKind, arguments: Mapping[str, Any], files: Sequence[JobFile]) -> Json:
    """Check the arguments of a job against its kind.

    Raises:
        InputError: names what is wrong.
    """
    if bool(files) != bool(kind.files):
        raise InputError(f"a job of kind {kind.name!r} {'needs a file' if kind.files else 'takes no files'}")
    if len(files) > kind.files:
        most = "one file" if kind.files == 1 else f"at most {kind.files:,} files"
        raise InputError(f"a job of kind {kind.name!r} takes {most}, not {len(files):,}: ask for several jobs")
    for file in files:
        validation.text(file.name, "the name of a file")
    validation.json_object(dict(arguments), "arguments")
    try:
        return kind.arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors())
        raise InputError(f"arguments of a job of kind {kind.name!r}: {problems}") from None
