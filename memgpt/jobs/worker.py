"""The worker: takes jobs from the queue and does several at a time, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import procrastinate
from croniter import croniter
from procrastinate import exceptions, jobs
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.database.isolation import Tenancy
from memgpt.embeddings import EmbeddingModel
from memgpt.errors import BusyError, DatabaseError, InputError
from memgpt.jobs import queue
from memgpt.jobs.api import Jobs
from memgpt.jobs.runner import Again, Runner
from memgpt.jobs.store import JobStore
from memgpt.memory import Memory

log = logging.getLogger("memgpt.jobs")

POLL: Final = 1.0
"""Seconds between two looks at an empty queue."""
HEARTBEAT: Final = 10.0
DEAD_AFTER: Final = 30.0
"""Seconds without a heartbeat after which a worker counts as dead, and its jobs are done by others."""
_CARE: Final = 10.0
"""Seconds between two looks for the jobs of dead workers."""
_OLD: Final = 3600.0
_LOST: Final = 5
"""Seconds after which a job is done again whose worker could not even write down that it is to be."""
_RESTART: Final = 2.0
"""Seconds after which a worker whose database was away tries again."""


class Worker:
    """Does the jobs of one database. :meth:`run` is its life; cancelling that stops it gracefully.

    Args:
        concurrency: jobs at a time, of different agents.
        grace: seconds that running jobs have to end when it is stopped; then each stops at its next step, and goes on
            in another worker.
        sleep: when every agent's memory is put in order (a job of kind ``sleep`` each), as cron writes times, in UTC.
            However many workers say so, it is done once.

    Raises:
        InputError: ``sleep`` is no such time.
    """

    def __init__(
        self,
        database: Database,
        embedder: EmbeddingModel,
        options: Settings,
        *,
        concurrency: int = 2,
        grace: float = 10.0,
        sleep: str | None = None,
    ) -> None:
        if sleep is not None and not croniter.is_valid(sleep):
            raise InputError(f"{sleep!r} is not a cron expression, such as '0 3 * * *' for every night at three")
        self._database = database
        self._embedder = embedder
        self._options = options
        self._sleep = sleep
        self._queue = options.db_schema
        self._runner = Runner(database, embedder, options)
        self._concurrency = concurrency
        self._grace = grace

    async def run(self, *, wait: bool = True) -> None:
        """Work until cancelled; with ``wait=False``, until the queue is empty. A lost database is waited for."""
        while True:
            try:
                await asyncio.to_thread(queue.install, self._database)
                await self._work(wait=wait)
                if not wait:
                    return
            except (exceptions.ConnectorException, DatabaseError) as error:
                log.warning("the queue cannot be reached: %s; trying again", error.__cause__ or error)
            await asyncio.sleep(_RESTART)

    async def _work(self, *, wait: bool) -> None:
        app = procrastinate.App(connector=queue.connector(self._database.dsn))
        app.task(name=queue.TASK, queue=self._queue, pass_context=True, retry=_Patience())(self._one)
        if self._sleep is not None:
            task = app.task(name=queue.SLEEP, queue=self._queue, queueing_lock=f"{self._queue}:sleep")(self._all_sleep)
            app.periodic(cron=self._sleep, periodic_id=self._queue)(task)
        async with app.open_async():
            await self._care(app)
            caring = asyncio.create_task(self._keep_caring(app))
            try:
                await self._fetch(app, wait)
                while not wait and await self._due(app):  # what had to wait for another job of its agent
                    await self._fetch(app, wait)
            finally:
                caring.cancel()
                with suppress(asyncio.CancelledError):
                    await caring

    async def _fetch(self, app: procrastinate.App, wait: bool) -> None:
        await app.run_worker_async(
            queues=[self._queue],
            name="memgpt",
            concurrency=self._concurrency,
            wait=wait,
            fetch_job_polling_interval=POLL,
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=DEAD_AFTER,
            shutdown_graceful_timeout=self._grace,
            listen_notify=False,
            delete_jobs=jobs.DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
        )

    async def _due(self, app: procrastinate.App) -> bool:
        waiting = await app.job_manager.list_jobs_async(queue=self._queue, status=jobs.Status.TODO.value)
        now = datetime.now(UTC)
        return any(job.scheduled_at is None or job.scheduled_at <= now for job in waiting)

    def _one(self, context: procrastinate.JobContext, agent_id: str, job_id: int) -> None:
        self._runner.run(agent_id, job_id, context.should_abort)

    def _all_sleep(self, timestamp: int) -> None:
        """Ask for a job for each agent that has none under way."""
        with self._database.connection() as connection:
            agents = JobStore(connection, "").without("sleep")
        for agent_id in agents:
            database = self._database.isolated(Tenancy((agent_id,), agent_id))
            memory = Memory(agent_id, actor="worker", options=self._options, database=database, embedder=self._embedder)
            try:
                Jobs(memory).add("sleep")
            except BusyError as error:  # of one agent: the others are not to wait for it
                log.warning("no sleep: %s", error)
        log.info("sleep of %s: %s agents", timestamp, len(agents))

    async def _keep_caring(self, app: procrastinate.App) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(_CARE)
            waited += _CARE
            try:
                await self._care(app)
                if waited >= _OLD:
                    waited = 0.0
                    await asyncio.to_thread(self._remove_old)
            except exceptions.ConnectorException as error:
                log.warning("cannot look for the jobs of dead workers: %s", error.__cause__ or error)

    async def _care(self, app: procrastinate.App) -> None:
        """Put the jobs of dead workers back on the queue."""
        stalled = await app.job_manager.get_stalled_jobs(queue=self._queue, seconds_since_heartbeat=DEAD_AFTER)
        for job in stalled:
            log.warning("the worker of job %s died: back on the queue", job.task_kwargs.get("job_id"))
            with suppress(exceptions.ConnectorException):  # somebody else was faster
                await app.job_manager.retry_job(job)

    def _remove_old(self) -> None:
        with self._database.transaction() as connection:
            JobStore(connection, "").remove_old()


class _Patience(BaseRetryStrategy):
    """A job is done again when it says so itself, and when the database was away as that was to be written down:
    its place in the queue must outlive it."""

    def get_retry_decision(self, *, exception: BaseException, job: Any) -> RetryDecision | None:  # noqa: ARG002
        if isinstance(exception, Again):
            return RetryDecision(retry_in={"seconds": exception.seconds})
        lost = isinstance(exception, DatabaseError)
        return RetryDecision(retry_in={"seconds": _LOST}) if lost else None
