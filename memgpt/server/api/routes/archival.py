"""Archival memory: texts kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from memgpt.models import ArchivalMemory, Hit, NearDuplicate, Remembered
from memgpt.scope.batches import Problem
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import Name

router = APIRouter(
    prefix="/v1/agents/{agent_id}/archival-memory", tags=["archival memory"], route_class=IdempotentRoute
)


@dataclass(frozen=True, slots=True)
class RememberedText:
    """Outcome of one text."""

    id: int
    text: str
    duplicate: bool
    """True when the same text was there already."""
    similar: Sequence[int]
    """Memories that say nearly the same."""


@dataclass(frozen=True, slots=True)
class KeptOf:
    """Outcomes of a batch of which bad items are skipped or mended."""

    kept: Sequence[RememberedText]
    problems: Sequence[Problem]


@router.get("")
def list_archival(
    request: Request,
    response: Response,
    memory: Reading,
    tags: Annotated[list[Name] | None, Query(description="Has all of these.", max_length=100)] = None,
    superseded: bool = False,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[ArchivalMemory]:
    """Memories, newest first."""
    last = pages.after(after, ArchivalMemory)
    rows = memory.archival.list(limit=limit + 1, tags=tags, after=last, superseded=superseded)
    cursor = lambda row: pages.written(id=row.id, created_at=row.created_at)  # noqa: E731
    return pages.page(request, response, rows, limit, cursor)


@router.post("", status_code=201)
def remember(memory: Writing, body: bodies.ArchivalCreate) -> Sequence[RememberedText]:
    """Keep one text. A text that is there already is not kept twice."""
    return [_kept(memory.remember(**body.sent()), body)]


@router.post("/batch", status_code=201)
def remember_many(memory: Writing, body: bodies.ArchivalBatch) -> Sequence[RememberedText] | KeptOf:
    """Keep many texts: all or none, one answer per text, in order; with ``on_error`` skip or replace a report."""
    memories, problems = body.kept_by(lambda items, on_error: memory.remember_many(items, on_error=on_error))
    answers = [_kept(remembered, body.memories[n]) for n, remembered in memories]
    return answers if body.on_error == "fail" else KeptOf(answers, problems)


@router.get("/search")
def search_archival(
    memory: Reading,
    query: Annotated[str, Query(max_length=4000, description="A longer one is for `/search`.")],
    tags: Annotated[list[Name] | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> Sequence[Hit]:
    """Search archival memories, best first."""
    return memory.search(query, kinds=["archival"], tags=tags, limit=limit)


@router.get("/{id:int}")
def get_archival(memory: Reading, id: RowId) -> ArchivalMemory:
    """One memory."""
    return memory.archival.get(id)


@router.get("/{id:int}/near-duplicates")
def near_duplicates(
    memory: Reading,
    id: RowId,
    threshold: Annotated[float, Query(ge=0, le=1, description="Least cosine similarity.")] = 0.95,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> Sequence[NearDuplicate]:
    """Other memories that say nearly the same as this one, nearest first, by the vectors they have."""
    return memory.archival.near_duplicates(id, threshold=threshold, limit=limit)


@router.patch("/{id:int}")
def update_archival(memory: Writing, id: RowId, body: bodies.ArchivalUpdate) -> ArchivalMemory:
    """Change what is given and keep the rest; ``"expires_at": null`` keeps it for good."""
    fields = body.sent()
    clear = "expires_at" in fields and fields["expires_at"] is None
    return memory.archival.update(id, **fields, clear_expiry=clear)


@router.put("/{id:int}/superseded-by", status_code=201)
def supersede_archival(memory: Writing, id: RowId, body: bodies.ArchivalCreate) -> Sequence[RememberedText]:
    """Keep a text that replaces this memory, which no search finds any more."""
    fields = body.sent()
    return [_kept(memory.archival.supersede(id, fields.pop("text"), **fields), body)]


@router.delete("/{id:int}", status_code=204)
def delete_archival(memory: Writing, id: RowId) -> None:
    """Remove one memory; undo brings it back."""
    memory.archival.delete(id)


def _kept(remembered: Remembered, body: bodies.ArchivalCreate) -> RememberedText:
    return RememberedText(remembered.id, body.text, remembered.duplicate, list(remembered.similar))
