"""The knowledge graph: entities, and dated facts about two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from memgpt.graph import Direction
from memgpt.graph.traversal import FAN_OUT, MOST_HOPS, Cost
from memgpt.models import Entity, Fact, GraphOverview, Neighbourhood, Path
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import MOST, EntityName, Moment

MOST_DRAWN: Final = 5000
"""Entities of one answer."""

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["graph"], route_class=IdempotentRoute)

ValidAt = Annotated[Moment | None, Query(description="Only what was true then.")]
KnownAt = Annotated[Moment | None, Query(description="As it was known then.")]
Ended = Annotated[bool, Query(description="Also what had ended by `valid_at`.")]
Types = Annotated[list[EntityName] | None, Query(description="Only facts of these types.", max_length=100)]
Weight = Annotated[float | None, Query(description="Only facts of at least this weight.", ge=-MOST, le=MOST)]
End = Annotated[int, Query(description="The id of one end.", ge=1, le=2**63 - 1)]


@router.get("/entities")
def list_entities(
    request: Request,
    response: Response,
    memory: Reading,
    name: EntityName | None = None,
    type: EntityName | None = None,
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


@router.get("/entities/{id:int}")
def get_entity(memory: Reading, id: RowId) -> Entity:
    """One entity."""
    return memory.graph.get(id)


@router.patch("/entities/{id:int}")
def update_entity(memory: Writing, id: RowId, body: bodies.EntityUpdate) -> Entity:
    """Change what is given and keep the rest."""
    return memory.graph.update(id, **body.sent())


@router.delete("/entities/{id:int}", status_code=204)
def delete_entity(memory: Writing, id: RowId) -> None:
    """Remove an entity and every fact about it; undo brings them back."""
    memory.graph.delete(id)


@router.get("/facts")
def list_facts(
    request: Request,
    response: Response,
    memory: Reading,
    entity: End | None = None,
    direction: Direction = "both",
    type: EntityName | None = None,
    superseded: bool = False,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
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


@router.get("/facts/{id:int}")
def get_fact(memory: Reading, id: RowId) -> Fact:
    """Return one fact."""
    return memory.graph.fact(id)


@router.post("/facts/{id:int}/retract")
def retract_fact(memory: Writing, id: RowId) -> Fact:
    """Retract a fact from now on; it stays, and no search finds it any more."""
    return memory.graph.retract_fact(id)


@router.delete("/facts/{id:int}", status_code=204)
def delete_fact(memory: Writing, id: RowId) -> None:
    """Remove a fact; undo brings it back."""
    memory.graph.delete_fact(id)


@router.get("/graph/around")
def graph_around(
    memory: Reading,
    entity: Annotated[list[End], Query(description="Ids of the entities it begins at.", min_length=1, max_length=1000)],
    hops: Annotated[int, Query(description="Most facts on the way.", ge=0, le=MOST_HOPS)] = 1,
    limit: Annotated[int, Query(description="Most entities beside those.", ge=1, le=MOST_DRAWN)] = 100,
    fan_out: Annotated[
        int, Query(description="Most facts of one entity in each direction, the strongest.", ge=1, le=MOST_DRAWN)
    ] = FAN_OUT,
    direction: Direction = "both",
    types: Types = None,
    min_weight: Weight = None,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    ended: Ended = False,
) -> Neighbourhood:
    """Return the subgraph within some hops. What is left out is counted: `more` of each entity."""
    return memory.graph.around(
        entity,
        hops=hops,
        limit=limit,
        fan_out=fan_out,
        direction=direction,
        types=types,
        min_weight=min_weight,
        valid_at=valid_at,
        known_at=known_at,
        ended=ended,
    )


@router.get("/graph/path")
def graph_path(
    memory: Reading,
    source: End,
    target: End,
    by: Annotated[Cost, Query(description="What is least: facts, or the sum of weight or of 1 / weight.")] = "hops",
    max_hops: Annotated[int, Query(description="Most facts on the way.", ge=1, le=MOST_HOPS)] = 6,
    direction: Direction = "both",
    types: Types = None,
    min_weight: Weight = None,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
    ended: Ended = False,
) -> Path | None:
    """Return the shortest or cheapest way between two entities; null when there is none."""
    return memory.graph.path(
        source,
        target,
        by=by,
        max_hops=max_hops,
        direction=direction,
        types=types,
        min_weight=min_weight,
        valid_at=valid_at,
        known_at=known_at,
        ended=ended,
    )


@router.get("/graph/overview")
def graph_overview(
    memory: Reading,
    limit: Annotated[int, Query(description="Most of the best connected entities.", ge=1, le=1000)] = 20,
    valid_at: ValidAt = None,
    known_at: KnownAt = None,
) -> GraphOverview:
    """Return the size of the graph, its types, its best connected entities, and the times over which it reaches."""
    return memory.graph.overview(limit=limit, valid_at=valid_at, known_at=known_at)
