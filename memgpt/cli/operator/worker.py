"""``memgpt worker``: a process of its own that does the jobs on the queue."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Dsn, Schema, chosen
from memgpt.jobs.worker import Worker
from memgpt.server.log import log_as_json
from memgpt.server.service import Service
from memgpt.server.waiting import wait_for_database

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option("--concurrency", help="Jobs at a time.", min=1, max=64)] = 2,
    grace: Annotated[
        float, typer.Option("--grace", help="Seconds running jobs have to end when it is stopped.", min=0)
    ] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="End when the queue is empty.")] = False,
    sleep: Annotated[
        str | None,
        typer.Option("--sleep", help="When every memory is put in order, as cron writes it ('0 3 * * *'), in UTC."),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Do the jobs on the queue, several at a time, until Ctrl-C."""
    options = chosen(dsn, schema)
    log_as_json()
    wait_for_database(options)
    service = Service(options)
    try:
        service.check()
        working = Worker(
            service.database, service.embedder, service.options, concurrency=concurrency, grace=grace, sleep=sleep
        )
        if not once:
            output.note("the worker waits for jobs")
        asyncio.run(_until_stopped(working, once))
    finally:
        service.close()


async def _until_stopped(worker: Worker, once: bool) -> None:
    """Run the worker until a signal ends it gracefully."""
    work = asyncio.ensure_future(worker.run(wait=not once))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C cancels anyway
            loop.add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work
