"""The knowledge graph: entities, and dated facts about two of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from memgpt.models import Entity, Fact
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["graph"], route_class=IdempotentRoute)

Name = Annotated[str | None, Query(min_length=1, max_length=1000)]


@router.get("/entities")
def list_entities(
    request: Request,
    response: Response,
    memory: Reading,
    name: Name = None,
    type: Name = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Entity]:
    """Entities by name; with ``name``, those that go by it."""
    if name is not None:
        return memory.graph.find(name)
    rows = memory.graph.list(type=type, limit=limit + 1, after=pages.after(after, Entity))
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id, name=row.name))


@router.post("/entities", status_code=201)
def add_entity(memory: Writing, body: bodies.EntityCreate) -> Entity:
    """Create the entity of that name and type if the agent has none; else add what is new to it."""
    fields = body.sent()
    return memory.graph.add_entity(fields.pop("name"), fields.pop("type", "thing"), **fields)


@router.get("/entities/{id}")
def get_entity(memory: Reading, id: RowId) -> Entity:
    """One entity."""
    return memory.graph.get(id)


@router.patch("/entities/{id}")
def update_entity(memory: Writing, id: RowId, body: bodies.EntityUpdate) -> Entity:
    """Change what is given and keep the rest."""
    return memory.graph.update(id, **body.sent())


@router.delete("/entities/{id}", status_code=204)
def delete_entity(memory: Writing, id: RowId) -> None:
    """Remove an entity and every fact about it; undo brings them back."""
    memory.graph.delete(id)


@router.get("/facts")
def list_facts(
    request: Request,
    response: Response,
    memory: Reading,
    entity: Annotated[int | None, Query(description="The id of one end.", ge=1, le=2**63 - 1)] = None,
    direction: Literal["both", "out", "in"] = "both",
    type: Name = None,
    superseded: bool = False,
    valid_at: Annotated[datetime | None, Query(description="Only what was true then.")] = None,
    known_at: Annotated[datetime | None, Query(description="As it was known then.")] = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Fact]:
    """List facts, newest first: all, or those from or about one entity."""
    rows = memory.graph.facts(
        entity,
        direction=direction,
        type=type,
        superseded=superseded,
        valid_at=valid_at,
        known_at=known_at,
        limit=limit + 1,
        after=pages.after(after, Fact),
    )
    cursor = lambda row: pages.written(id=row.id, recorded_at=row.recorded_at)  # noqa: E731
    return pages.page(request, response, rows, limit, cursor)


@router.post("/facts", status_code=201)
def add_fact(memory: Writing, body: bodies.FactCreate) -> Fact:
    """Add a fact; a name without an entity becomes one."""
    fields = body.sent()
    return memory.graph.add_fact(fields.pop("source"), fields.pop("type"), fields.pop("target"), **fields)


@router.get("/facts/{id}")
def get_fact(memory: Reading, id: RowId) -> Fact:
    """Return one fact."""
    return memory.graph.fact(id)


@router.post("/facts/{id}/retract")
def retract_fact(memory: Writing, id: RowId) -> Fact:
    """Retract a fact from now on; it stays, and no search finds it any more."""
    return memory.graph.retract_fact(id)


@router.delete("/facts/{id}", status_code=204)
def delete_fact(memory: Writing, id: RowId) -> None:
    """Remove a fact; undo brings it back."""
    memory.graph.delete_fact(id)
