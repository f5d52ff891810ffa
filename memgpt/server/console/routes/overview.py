"""The first page of an agent, its numbers, and taking a change back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import Form, Query
from starlette.responses import RedirectResponse, Response

from memgpt.errors import ConflictError
from memgpt.server.api.callers import TheService
from memgpt.server.console import addresses, visits
from memgpt.server.console.changes import row_address
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Writing

router: Final = visits.router("/agents/{agent}")
MOST_IN_THE_WAY: Final = 20
"""Rows of a change that cannot be undone, whose histories are offered."""
IN_SECTION: Final = 4
"""Parts of the address of a section's list."""


@router.get("")
def overview(visit: Reading, service: TheService) -> Response:
    """Show what the agent holds at a glance."""
    if visit.at is not None:
        return past.show(visit)
    agent_id = visit.agent.agent_id
    values = {
        "section": "overview",
        "blocks": visit.memory.core.list(),
        "memories": visit.memory.archival.list(limit=5, superseded=True),
        "sessions": visit.memory.messages.sessions(limit=5),
        "size": service.described(visit.caller, [agent_id])[agent_id],
    }
    return visit.page("overview.html", values)


@router.get("/numbers")
def numbers(visit: Reading, service: TheService) -> Response:
    """Count everything of the agent, which takes a moment for a large one: the overview asks for it after its paint."""
    stats = visit.memory.stats()
    growth = service.growth(visit.caller, visit.agent.agent_id)
    values = {"section": "overview", "stats": stats, "growth": growth, "most": max([1, *(day.rows for day in growth)])}
    return visit.page("numbers.html", values, part="numbers")


@router.get("/moment")
def step_in_time(
    visit: Reading,
    service: TheService,
    to: Literal["earlier", "later"],
    back: Annotated[str | None, Query(max_length=4000)] = None,
) -> Response:
    """Lead to a page as it was before the last change by then, or after the next one; after the last, as it is now."""
    at = visit.at
    earlier, later = service.changes_beside(visit.caller, visit.agent.agent_id, at or datetime.now(UTC))
    moment = later if to == "later" else earlier - timedelta(microseconds=1) if earlier else at
    page = addresses.own_page(back).partition("?")[0]
    return RedirectResponse(page + addresses.address(at=moment).lstrip("/"), 303)


@router.post("/undo")
def undo(visit: Writing, change: Annotated[UUID, Form()], back: Annotated[str | None, Form()] = None) -> Response:
    """Take one change back, and lead to where it was made; where that cannot be, to what is in the way."""
    try:
        undone = visit.memory.undo(change)
    except ConflictError as error:
        rows = {(row.kind, row.row_id) for row in visit.memory.history(change_id=change, limit=MOST_IN_THE_WAY)}
        values = {"section": "history", "problem": str(error), "change": change, "rows": sorted(rows)}
        return visit.page("undo_conflict.html", values, status=409)
    page = addresses.own_page(back)
    path = _path(page)
    gone = [
        _path(row_address(step.kind, step.old, step.row_id, visit.url) or "") for step in undone if step.new is None
    ]
    if any(
        len(row) > IN_SECTION and path[: len(row)] == row for row in gone
    ):  # the page is of a row that is gone again
        page = "/".join(path[:IN_SECTION])
    return visit.back_to(page, say("done.undone"), undone[0].change_id)


def _path(address: str) -> list[str]:
    return address.partition("?")[0].split("/")
