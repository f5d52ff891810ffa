"""Routes for the operator of a running service."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from memgpt.database.slow_queries import SlowStatement
from memgpt.errors import ForbiddenError, NotFoundError
from memgpt.server.api.callers import AnyCaller, TheService

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.get("/slow-queries")
def slow_queries(service: TheService, caller: AnyCaller) -> Sequence[SlowStatement]:
    """List the latest statements that took longer than `memgpt serve --explain-slower-than`, with their plans, newest
    first.

    They are of all agents, so this is for keys with `admin` for every agent (`*`)."""
    caller.require("admin")
    if "*" not in caller.agents:
        raise ForbiddenError("this needs a key for every agent: it shows what the statements of all of them did")
    if service.slow is None:
        raise NotFoundError("slow statements are not noted: start with `memgpt serve --explain-slower-than MS`")
    return service.slow.latest()
