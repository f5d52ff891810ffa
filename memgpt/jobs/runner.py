"""Doing one job: in the agent's isolated memory, with progress, to an end that is written down once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

from pydantic_core import to_jsonable_python

from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.database.driver import translated
from memgpt.database.isolation import Tenancy
from memgpt.embeddings import EmbeddingModel
from memgpt.errors import DatabaseError, EmbeddingError, MemgptError, ModelMismatchError
from memgpt.jobs.kinds import KINDS, JobContext, JobKind
from memgpt.jobs.store import JobStore
from memgpt.memory import Memory, scope_of
from memgpt.models import Job, JobStatus, Json

log = logging.getLogger("memgpt.jobs")

MOST_ATTEMPTS: Final = 3
_EVERY: Final = 0.25
"""Seconds between two notes of progress; each is a transaction."""


class Again(Exception):
    """The job is to be done again, after some seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class _Cancelled(Exception):
    """Somebody asked for it."""


class _Stopped(Exception):
    """The worker ends before the job does."""


class _Lost(Exception):
    """The job is another runner's by now, or gone."""


class Runner:
    """Does jobs, one at a time in each thread.

    Args:
        database: the owner's, whose connections the isolated memories share.
    """

    def __init__(self, database: Database, embedder: EmbeddingModel, options: Settings) -> None:
        self._database = database
        self._embedder = embedder
        self._options = options

    def run(self, agent_id: str, job_id: int, stopping: Callable[[], bool]) -> None:
        """Do a job that was fetched from the queue, unless it was cancelled or forgotten meanwhile.

        Raises:
            Again: it is to be fetched again: the worker is stopping, or what failed may pass.
        """
        database = self._database.isolated(Tenancy((agent_id,), agent_id))
        attempt = _JobAttempt(database, agent_id, job_id, stopping)
        job = attempt.start()
        if job is None:
            return
        try:
            with translated():  # a kind of work may ask the driver itself
                self._do(job, attempt, database)
            log.info("job %s (%s) of agent %r succeeded", job_id, job.kind, agent_id)
        except _Lost:
            log.warning("job %s of agent %r is somebody else's by now, or gone", job_id, agent_id)
        except _Cancelled:
            attempt.end("cancelled")
        except _Stopped:
            attempt.again(None)
            raise Again(0) from None
        except (DatabaseError, EmbeddingError) as error:
            if isinstance(error, ModelMismatchError) or job.attempts >= MOST_ATTEMPTS:
                attempt.end("failed", _told(error))
                return
            attempt.again(_told(error))
            raise Again(5 * 3**job.attempts) from error
        except MemgptError as error:
            attempt.end("failed", _told(error))
        except Exception:  # a mistake of ours: written down, and raised for the log
            attempt.end("failed", "an unexpected error; the worker's log has it")
            raise

    def _do(self, job: Job, attempt: _JobAttempt, database: Database) -> None:
        kind = KINDS.get(job.kind)
        if kind is None:
            raise MemgptError(f"this worker does not know work of kind {job.kind!r}: is it older than the service?")
        memory = Memory(
            job.agent_id, actor=job.requested_by, options=self._options, database=database, embedder=self._embedder
        )
        files = scope_of(memory).read(lambda connection: JobStore(connection, job.agent_id).files(job.id))
        work = JobContext(memory, files, attempt.progress)
        if not kind.atomic:
            attempt.end("succeeded", result=_run(kind, work, job))
            return
        with scope_of(memory).transaction() as connection:
            attempt.write_end(JobStore(connection, job.agent_id), "succeeded", result=_run(kind, work, job))


class _JobAttempt:
    """One runner's right to report on a job; another attempt takes it away."""

    def __init__(self, database: Database, agent_id: str, job_id: int, stopping: Callable[[], bool]) -> None:
        self._database = database
        self._agent_id = agent_id
        self._id = job_id
        self._stopping = stopping
        self._runner: UUID = uuid4()
        self._noted = 0.0

    def start(self) -> Job | None:
        """None when there is nothing to do."""
        with self._database.transaction() as connection:
            store = JobStore(connection, self._agent_id)
            job = store.start(self._id, self._runner, most=MOST_ATTEMPTS)
            if job is not None and job.finished:
                store.remove_files(self._id)
        return None if job is None or job.finished else job

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Note how far it is, a few times a second at most; raises when the work is to stop."""
        if self._stopping():
            raise _Stopped
        now = time.monotonic()
        if now - self._noted < _EVERY and done != total:
            return
        self._noted = now
        shown = message[:500].replace("\0", "")
        with self._database.transaction() as connection:
            store = JobStore(connection, self._agent_id)
            cancelled = store.progress(self._id, self._runner, done=done, total=total, message=shown)
        if cancelled is None:
            raise _Lost
        if cancelled:
            raise _Cancelled

    def end(self, status: JobStatus, error: str | None = None, result: Json | None = None) -> None:
        with self._database.transaction() as connection:
            self.write_end(JobStore(connection, self._agent_id), status, error, result)

    def write_end(
        self, store: JobStore, status: JobStatus, error: str | None = None, result: Json | None = None
    ) -> None:
        """Record the end of the attempt in the caller's transaction."""
        if not store.finish(self._id, self._runner, status, error=error, result=result):
            raise _Lost
        store.remove_files(self._id)

    def again(self, error: str | None) -> None:
        with self._database.transaction() as connection:
            JobStore(connection, self._agent_id).requeue(self._id, self._runner, error=error)


def _run(kind: JobKind, work: JobContext, job: Job) -> Json:
    result: Json = to_jsonable_python(kind.run(work, job.arguments))
    return result


def _told(error: Exception) -> str:
    """Return the error as the owner of the job reads it."""
    return str(error)[:1000].replace("\0", "")
