"""Health of the process: is it alive, can it serve, what has it done."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from memgpt.server.api import problems
from memgpt.server.api.callers import AnyCaller

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """``ok``, or the request fails."""

    status: str = "ok"


@router.get("/health/live")
async def live() -> Health:
    """Answer that the process is alive. No database is asked: restarting this process would not mend one."""
    return Health()


@router.get("/health/ready", response_model=Health)
async def ready(request: Request) -> Health | Response:
    """Answer whether requests can be served: the database answers, is migrated, and requests can take their role."""
    problem = await request.app.state.readiness.problem()
    if problem is not None:
        return problems.response(503, problem, request_id=problems.request_id(request))
    return Health()


@router.get("/metrics", response_class=Response)
def metrics(request: Request, caller: AnyCaller) -> Response:
    """For Prometheus, which sends a key as its bearer token: one with `metrics`, or with `admin` for every agent, since
    the numbers are of all."""
    if not caller.may("admin", "*"):
        caller.require("metrics")
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
