"""Agents, and what concerns an agent as a whole: history, undo, forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from memgpt.models import Action, AgentRow, Change, Stats
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Administering, AgentId, AnyCaller, Reading, TheService, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import Moment, Name, described
from memgpt.server.api.patterns import VISIBLE

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=IdempotentRoute)


@router.get("")
def list_agents(
    request: Request,
    response: Response,
    service: TheService,
    caller: AnyCaller,
    limit: pages.Limit = 50,
    after: pages.After = None,
    prefix: Annotated[
        str | None,
        described(pattern=VISIBLE),
        Query(description="What the ids begin with.", min_length=1, max_length=255),
    ] = None,
) -> Sequence[AgentRow]:
    """List the agents this key may touch, by id."""
    last = pages.after(after, pages.Position)
    rows = service.agents(caller, after=last.name if last else None, limit=limit + 1, prefix=prefix)
    return pages.page(request, response, rows, limit, lambda row: pages.written(name=row.agent_id))


@router.get("/{agent_id}")
def get_agent(agent_id: AgentId, service: TheService, caller: AnyCaller) -> AgentRow:
    """One agent."""
    return service.agent(caller, agent_id)


@router.put("/{agent_id}")
def describe_agent(agent_id: AgentId, body: bodies.AgentBody, service: TheService, caller: AnyCaller) -> AgentRow:
    """Describe an agent, which the first write creates too. What is absent stays; a null ``time_zone`` is UTC again."""
    fields = body.sent()
    clear = "time_zone" in fields and fields["time_zone"] is None
    return service.describe_agent(caller, agent_id, **fields, clear_time_zone=clear)


@router.delete("/{agent_id}")
def forget_agent(memory: Administering, preview: bool = False) -> dict[str, int]:
    """Remove all of an agent for good, or count it (`preview`); answers the rows of each table. Admin keys only."""
    return memory.forget_agent(preview=preview)


@router.post("/{agent_id}/forget")
def forget(memory: Administering, body: bodies.ForgetRequest) -> dict[str, int]:
    """Remove one row or a whole session, what is derived from it and its history for good. Needs an admin key."""
    return memory.forget(**body.sent())


@router.get("/{agent_id}/history")
def history(
    request: Request,
    response: Response,
    memory: Reading,
    kind: bodies.HistoryKind | None = None,
    id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    label: Name | None = None,
    actor: Name | None = None,
    action: Action | None = None,
    change_id: UUID | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Change]:
    """List changes, newest first: of one kind, row or block, by one actor, of one action or change, in a time."""
    last = pages.after(after, pages.Position)
    what: dict[str, Any] = {"label": label, "actor": actor, "action": action, "change_id": change_id}
    before = last.id if last else None
    rows = memory.history(kind, id, **what, since=since, until=until, limit=limit + 1, before=before)
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))


@router.get("/{agent_id}/stats")
def stats(memory: Reading) -> Stats:
    """Count each kind, how much of it has a vector, and since when."""
    return memory.stats()


@router.post("/{agent_id}/undo")
def undo(memory: Writing, body: bodies.UndoRequest) -> Sequence[Change]:
    """Take back the last change, or the one named, as a whole; answers what the undo did."""
    return memory.undo(body.change_id)


@router.get("/{agent_id}/as-of")
def as_of(
    request: Request,
    response: Response,
    memory: Reading,
    time: Moment,
    kind: bodies.HistoryKind,
    parent: Annotated[Name | None, Query(description="Of messages the session, of chunks the document's id.")] = None,
    limit: pages.Limit = 1000,
    after: pages.After = None,
) -> Sequence[dict[str, Any]]:
    """List the rows of a kind as they were at a time, in the order of their ids."""
    last = pages.after(after, pages.Position)
    rows = memory.as_of(time).rows(kind, after=last.id if last else None, limit=limit + 1, parent=parent)
    return [asdict(row) for row in pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))]
