"""Rows of ``jobs`` and ``job_files``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.errors import NotFoundError
from memgpt.models import Job, JobStatus, Json

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that was sent with a job."""

    name: str
    content: bytes


class JobStore:
    """Jobs of one agent on a connection of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def hold(self, requested_by: str) -> None:
        """Until the end of the transaction nobody else counts or adds jobs of the agent, or of who asks."""
        self._run(SQL.hold, {"requested_by": requested_by})

    def under_way(self) -> tuple[int, int]:
        """Jobs of the agent that wait or run, and the bytes of their files."""
        return self._pair(SQL.under_way, {})

    def under_way_of(self, requested_by: str) -> tuple[int, int]:
        """Count what one requester has under way for all agents: for the owner."""
        return self._pair(SQL.under_way_of, {"requested_by": requested_by})

    def insert(self, kind: str, arguments: Json, *, requested_by: str) -> Job:
        [job] = self._jobs(SQL.insert, {"kind": kind, "arguments": Jsonb(arguments), "requested_by": requested_by})
        return job

    def insert_files(self, job_id: int, files: Sequence[JobFile]) -> None:
        for number, file in enumerate(files):
            self._run(SQL.insert_file, {"job_id": job_id, "number": number, "name": file.name, "content": file.content})

    def files(self, job_id: int) -> Sequence[JobFile]:
        with self._connection.cursor(row_factory=class_row(JobFile)) as cursor:
            return cursor.execute(SQL.files, self._parameters(job_id=job_id)).fetchall()

    def get(self, id: int) -> Job:
        """Return a job.

        Raises:
            NotFoundError: the agent has no job of that id.
        """
        job = self._job(SQL.get, {"id": id})
        if job is None:
            raise NotFoundError(f"agent {self._agent_id!r} has no job {id}")
        return job

    def list(self, *, status: JobStatus | None, limit: int, before: int | None) -> Sequence[Job]:
        return self._jobs(SQL.list, {"status": status, "limit": limit, "before": before})

    def list_all(self, *, status: JobStatus | None, limit: int, before: int | None = None) -> Sequence[Job]:
        """Of every agent: for the operator."""
        return self._jobs(SQL.list_all, {"status": status, "limit": limit, "before": before})

    def without(self, kind: str) -> Sequence[str]:
        """Of every agent: those that have no work of a kind under way."""
        return [row[0] for row in self._connection.execute(SQL.without, {"kind": kind})]

    def start(self, id: int, runner: UUID, *, most: int) -> Job | None:
        """Start a job and return it: running, or ended before it began. None if it ended already, or is gone."""
        return self._job(SQL.start, {"id": id, "runner": runner, "most": most})

    def progress(self, id: int, runner: UUID, *, done: int, total: int | None, message: str) -> bool | None:
        """Record progress; return whether the job is to be cancelled, None if it is no longer this runner's."""
        parameters = {"id": id, "runner": runner, "done": done, "total": total, "message": message}
        row = self._run(SQL.progress, parameters)
        return None if row is None else bool(row[0])

    def finish(
        self, id: int, runner: UUID, status: JobStatus, *, result: Json | None = None, error: str | None = None
    ) -> bool:
        """Record a job's end; return False if it is no longer this runner's."""
        parameters = {"id": id, "runner": runner, "status": status, "error": error}
        return self._run(SQL.finish, parameters | {"result": None if result is None else Jsonb(result)}) is not None

    def requeue(self, id: int, runner: UUID, *, error: str | None = None) -> bool:
        """``error`` is why it did not go well this time; without one, the attempt does not count."""
        return self._run(SQL.requeue, {"id": id, "runner": runner, "error": error}) is not None

    def cancel(self, id: int) -> Job | None:
        """None when it has ended, or there is none."""
        return self._job(SQL.cancel, {"id": id})

    def remove_files(self, job_id: int) -> None:
        self._run(SQL.remove_files, {"job_id": job_id})

    def remove_old(self) -> None:
        """Of every agent: what ended long ago."""
        self._connection.execute(SQL.remove_old)

    def _parameters(self, **values: Any) -> Json:
        return {"agent_id": self._agent_id, **values}

    def _run(self, statement: bytes, parameters: Mapping[str, Any]) -> Any:
        cursor = self._connection.execute(statement, self._parameters(**parameters))
        return cursor.fetchone() if cursor.description else None

    def _pair(self, statement: bytes, parameters: Mapping[str, Any]) -> tuple[int, int]:
        jobs, size = self._run(statement, parameters)
        return int(jobs), int(size)

    def _job(self, statement: bytes, parameters: Mapping[str, Any]) -> Job | None:
        return next(iter(self._jobs(statement, parameters)), None)

    def _jobs(self, statement: bytes, parameters: Mapping[str, Any]) -> Sequence[Job]:
        with self._connection.cursor(row_factory=class_row(Job)) as cursor:
            return cursor.execute(statement, self._parameters(**parameters)).fetchall()
