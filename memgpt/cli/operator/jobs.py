"""``memgpt jobs``: long work in the background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from memgpt import validation
from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, Json, JsonLines, Limit, Schema, chosen, opened, postponed
from memgpt.jobs import Jobs
from memgpt.jobs.store import JobStore
from memgpt.models import JOB_STATUSES, Job, JobStatus

app = typer.Typer(add_completion=False, help="Long work in the background.", no_args_is_help=True)

JobId = Annotated[int, typer.Argument(help="The job's id.", min=1, show_default=False)]


@app.command("list")
def list_command(
    status: Annotated[
        str | None, typer.Option("--status", help="queued, running, succeeded, failed or cancelled.")
    ] = None,
    limit: Limit = 50,
    agent: Agent = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: JsonLines = False,
) -> None:
    """Show jobs, newest first: those of --agent, else of every agent."""
    wanted: JobStatus | None = next((s for s in JOB_STATUSES if s == status), None)
    if status is not None:
        validation.choice(status, JOB_STATUSES, "--status")
    jobs = _every(wanted, limit, dsn, schema) if agent is None else _of(agent, wanted, limit, dsn, schema)
    output.show_list(
        jobs,
        ("agent", "id", "kind", "status", "done", "created", "error"),
        lambda job: (job.agent_id, job.id, job.kind, job.status, _done(job), job.created_at, job.error),
        as_json=as_json,
    )


@app.command()
def show(id: JobId, agent: Agent = None, dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Show one job with its arguments and its result."""
    with opened(agent, dsn, schema) as memory:
        _show(Jobs(memory).get(id), as_json)


@app.command()
def cancel(id: JobId, agent: Agent = None, dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Cancel a job: one that waits now, one that runs at its next step. What it did so far stays."""
    with opened(agent, dsn, schema) as memory:
        job = Jobs(memory).cancel(id)
    if as_json:
        output.show_json(job)
    else:
        output.say(f"✓ job {id} is cancelled" if job.finished else f"job {id} is stopping")


@app.command()
def retry(id: JobId, agent: Agent = None, dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Ask again for work that failed or was cancelled, as a new job."""
    with opened(agent, dsn, schema) as memory:
        job = Jobs(memory).retry(id)
    if as_json:
        output.show_json(job)
    else:
        output.say(f"✓ asked again as job {job.id}")


def _every(status: JobStatus | None, limit: int, dsn: str | None, schema: str | None) -> Sequence[Job]:
    limit = validation.limit(limit)
    with postponed(chosen(dsn, schema)) as database:
        return database.read(lambda connection: JobStore(connection, "").list_all(status=status, limit=limit))


def _of(agent: str, status: JobStatus | None, limit: int, dsn: str | None, schema: str | None) -> Sequence[Job]:
    with opened(agent, dsn, schema) as memory:
        return Jobs(memory).list(status=status, limit=limit)


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        output.show_json(job)
    else:
        output.show_fields(job)


def _done(job: Job) -> str:
    return f"{job.done:,}" if job.total is None else f"{job.done:,} of {job.total:,}"
