"""Archival memories: the list, one of them with what says nearly the same, and what can be done to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Form, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from memgpt.errors import ConflictError
from memgpt.models import ArchivalMemory
from memgpt.server.api import pages as cursors
from memgpt.server.api.callers import RowId
from memgpt.server.console import visits
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Writing, aware, plain_lines
from memgpt.validation import MAX_TEXT

router: Final = visits.router("/agents/{agent}/memories")
PAGE: Final = 50
ALIKE: Final = 0.8
"""Cosine similarity from which memories are shown as nearly the same."""
MOST_ALIKE: Final = 10

Text = Annotated[str, Form(max_length=MAX_TEXT)]
Tags = Annotated[str, Form(max_length=100_000)]
Importance = Annotated[float, Form(ge=0, le=1)]
Source = Annotated[str, Form(max_length=10_000)]
Moment = Annotated[datetime | None, BeforeValidator(lambda text: text or None), Form()]


@router.get("")
def list_memories(
    visit: Reading,
    tag: Annotated[str, Query(max_length=1000)] = "",
    superseded: bool = False,
    after: cursors.After = None,
) -> Response:
    """Show memories, newest first."""
    if visit.at is not None:
        return past.show(visit, "archival")
    last = cursors.after(after, ArchivalMemory)
    tags = _tags(tag) or None
    rows = visit.memory.archival.list(limit=PAGE + 1, tags=tags, after=last, superseded=superseded)
    values = {
        "section": "memories",
        "memories": rows[:PAGE],
        "tag": tag,
        "superseded": superseded,
        "filtered": bool(tag or after),
        "following": _following(rows),
        "now": datetime.now(UTC),
    }
    return visit.page("memories.html", values, part="results")


@router.post("")
def remember(
    visit: Writing, text: Text, tags: Tags = "", importance: Importance = 0.5, source: Source = ""
) -> Response:
    """Keep a new memory; a text that is there already is merged."""
    remembered = visit.memory.remember(
        plain_lines(text), tags=_tags(tags), importance=importance, source=source or None
    )
    said = say("memories.merged", id=remembered.id) if remembered.duplicate else say("memories.kept", id=remembered.id)
    return visit.back(said, visit.last_change("archival", remembered.id), "memories", remembered.id)


@router.get("/{id}")
def show_memory(visit: Reading, id: RowId) -> Response:
    """Show one memory and what was done to it."""
    if visit.at is not None:
        return past.show(visit, "archival", id=id)
    memory = visit.memory.archival.get(id)
    changes = visit.memory.history("archival", id, limit=20)
    return visit.page("memory.html", {"section": "memories", "memory": memory, "changes": changes})


@router.get("/{id}/text")
def show_text(visit: Reading, id: RowId) -> Response:
    """Show the whole text, however long."""
    memory = visit.memory.archival.get(id)
    return visit.page("whole_text.html", {"section": "memories", "text": memory.text, "up": visit.url("memories", id)})


@router.get("/{id}/similar")
def show_similar(visit: Reading, id: RowId) -> Response:
    """Show the memories that say nearly the same, and what can be done to them: the page asks after its paint."""
    memory = visit.memory.archival.get(id)
    try:
        near = visit.memory.archival.near_duplicates(id, threshold=ALIKE, limit=MOST_ALIKE)
    except ConflictError:  # it has no vector yet
        near = None
    return visit.page("similar.html", {"section": "memories", "memory": memory, "near": near}, part="similar")


@router.post("/{id}/similar")
def supersede_duplicate(visit: Writing, id: RowId, duplicate: Annotated[int, Form(ge=1, le=2**63 - 1)]) -> Response:
    """Have this memory replace one that says the same: its tags, and what else is known of it, go to this one."""
    with visit.memory.transaction():
        other, kept = visit.memory.archival.get(duplicate), visit.memory.archival.get(id)
        if kept.superseded_at is not None:
            raise ConflictError(say("memories.is_gone", id=id))
        visit.memory.archival.supersede(
            duplicate,
            kept.text,
            tags=other.tags,
            importance=other.importance,
            source=other.source,
            metadata={**other.metadata, **kept.metadata},
            expires_at=other.expires_at,
        )
    said = say("memories.superseded", id=duplicate, by=id)
    return visit.back(said, visit.last_change("archival", duplicate), "memories", id)


@router.get("/{id}/edit")
def edit_memory(visit: Writing, id: RowId) -> Response:
    """Show the form for a new text, or new facts about the text."""
    return visit.page("memory_edit.html", {"section": "memories", "memory": visit.memory.archival.get(id)})


@router.post("/{id}")
def update_memory(
    visit: Writing,
    id: RowId,
    text: Text,
    tags: Tags = "",
    importance: Importance = 0.5,
    source: Source = "",
    expires_at: Moment = None,
) -> Response:
    """Change a memory; what is the same stays."""
    before = visit.memory.archival.get(id)
    changes: dict[str, Any] = {"tags": _tags(tags), "importance": importance}
    if plain_lines(text) != before.text:
        changes["text"] = plain_lines(text)
    if source:
        changes["source"] = source
    if expires_at is None:
        changes["clear_expiry"] = before.expires_at is not None
    else:
        changes["expires_at"] = aware(expires_at)
    visit.memory.archival.update(id, **changes)
    return visit.back(say("memories.saved", id=id), visit.last_change("archival", id), "memories", id)


@router.post("/{id}/supersede")
def supersede_memory(visit: Writing, id: RowId, text: Text) -> Response:
    """Keep a text that replaces this memory."""
    replacement = visit.memory.archival.supersede(id, plain_lines(text))
    said = say("memories.superseded", id=id, by=replacement.id)
    return visit.back(said, visit.last_change("archival", id), "memories", id)


@router.post("/{id}/delete")
def delete_memory(visit: Writing, id: RowId) -> Response:
    """Remove a memory; undo brings it back."""
    visit.memory.archival.delete(id)
    return visit.back(say("memories.deleted", id=id), visit.last_change("archival", id), "memories")


def _tags(text: str) -> list[str]:
    """Read tags that somebody typed with commas between them."""
    return [tag for part in text.split(",") if (tag := part.strip())]


def _following(rows: Sequence[ArchivalMemory]) -> str | None:
    if len(rows) <= PAGE:
        return None
    return cursors.written(id=rows[PAGE - 1].id, created_at=rows[PAGE - 1].created_at)
