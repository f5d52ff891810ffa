"""Jobs of every agent: the list, one of them with its progress, cancel and retry."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from memgpt.models import JOB_STATUSES, Job
from memgpt.server.api.callers import RowId
from memgpt.server.console import visits
from memgpt.server.console.addresses import Name
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Operating

router: Final = visits.router("/operations/jobs")
PAGE: Final = 50


@router.get("")
def list_jobs(
    visit: Operating,
    status: Annotated[str, Query(max_length=20)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show the jobs of every agent, newest first."""
    chosen = next((one for one in JOB_STATUSES if one == status), None)
    rows = visit.operations.jobs(status=chosen, limit=PAGE + 1, before=before)
    values = {
        "section": "jobs",
        "jobs": rows[:PAGE],
        "following": rows[PAGE - 1].id if len(rows) > PAGE else None,
        "status": status,
        "all_statuses": JOB_STATUSES,
    }
    return visit.page("jobs.html", values, part="results")


@router.get("/{owner}/{id}")
def show_job(visit: Operating, owner: Name, id: RowId) -> Response:
    """Show one job: what was asked for, how far it is, and how it ended."""
    job = visit.operations.jobs_of(owner).get(id)
    values = {"section": "jobs", "job": job, "fields": _fields(job)}
    return visit.page("job.html", values, part="progress")


@router.post("/{owner}/{id}/cancel")
def cancel_job(visit: Operating, owner: Name, id: RowId) -> Response:
    """Cancel one that waits now, one that runs at its next step."""
    job = visit.operations.jobs_of(owner).cancel(id)
    said = say("jobs.cancelled", id=id) if job.finished else say("jobs.stopping", id=id)
    return visit.back(said, "jobs", owner, id)


@router.post("/{owner}/{id}/retry")
def retry_job(visit: Operating, owner: Name, id: RowId) -> Response:
    """Ask again for work that failed or was cancelled."""
    job = visit.operations.jobs_of(owner).retry(id)
    return visit.back(say("jobs.again", id=job.id), "jobs", owner, job.id)


def _fields(job: Job) -> dict[str, str]:
    shown: dict[str, Any] = {"arguments": job.arguments, "result": job.result}
    return {name: json.dumps(value, ensure_ascii=False, indent=1) for name, value in shown.items() if value}
