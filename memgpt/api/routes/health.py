"""Is the process alive, can it serve, what has it done."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from memgpt.api import problems
from memgpt.api.access import AnyCaller, TheService
from memgpt.errors import MemgptError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """``ok``, or the request fails."""

    status: str = "ok"


@router.get("/health/live")
async def live() -> Health:
    """The process answers. No database is asked: restarting this process would not mend one."""
    return Health()


@router.get("/health/ready", response_model=Health)
def ready(request: Request, service: TheService) -> Health | Response:
    """Requests can be served: the database answers, is migrated, and requests can take their role."""
    try:
        service.check()
    except MemgptError as error:
        return problems.response(503, str(error).split(":")[0], request_id=problems.request_id(request))
    return Health()


@router.get("/metrics", response_class=Response)
def metrics(request: Request, caller: AnyCaller) -> Response:  # noqa: ARG001 - the key is checked
    """For Prometheus, which sends a key as its bearer token."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
