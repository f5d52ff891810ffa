"""The list of agents, and the first page of one."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import Response

from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.console import pages, visits

router: Final = visits.router()
PAGE: Final = 50


@router.get("/")
def list_agents(
    request: Request,
    service: TheService,
    caller: AnyCaller,
    prefix: Annotated[str, Query(max_length=255)] = "",
    after: Annotated[str | None, Query(max_length=255)] = None,
) -> Response:
    """Show the agents of the key, a page by id."""
    rows = service.agents(caller, prefix=prefix or None, after=after, limit=PAGE + 1)
    shown = rows[:PAGE]
    sizes = service.described(caller, [row.agent_id for row in shown])
    following = shown[-1].agent_id if len(rows) > PAGE else None
    values = {"agents": shown, "sizes": sizes, "prefix": prefix, "after": after, "following": following}
    return pages.page(request, "agents.html", values, part="results")
