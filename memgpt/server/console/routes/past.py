"""An agent as it was at a time: its rows of each kind, to be read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from starlette.responses import Response

from memgpt.database.tables import Row, RowKind, by_kind
from memgpt.errors import InputError
from memgpt.server.console.changes import TEXT
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Visit

PAGE: Final = 50
SECTION: Final = {
    "block": "blocks",
    "archival": "memories",
    "message": "conversations",
    "document": "documents",
    "file": "files",
    "item": "items",
}
"""Where each kind is shown; the others are beside them on the first page."""


def show(visit: Visit, kind: str | None = None, *, id: int | None = None, parent: str | int | None = None) -> Response:
    """Show rows of a kind as they were then: a page by id, one, or those of a session or document."""
    assert visit.at is not None  # noqa: S101 - asked of visits to the past only
    query = visit.request.query_params
    chosen = _kind(kind or query.get("kind") or "block")
    after = _number(query.get("after"))
    past = visit.memory.as_of(visit.at)
    if id is not None:
        rows: Sequence[Row] = [row for row in past.rows(chosen, after=id - 1 or None, limit=1) if row.id == id]
    else:
        rows = past.rows(chosen, after=after, limit=PAGE + 1, parent=parent)
    shown = rows[:PAGE]
    values = {
        "section": SECTION.get(chosen, "overview"),
        "past": True,
        "kind": chosen,
        "kinds": [(name, SECTION.get(name)) for name in by_kind()],
        "rows": [_shown(chosen, row) for row in shown],
        "parent": parent,
        "alone": id is not None,
        "following": shown[-1].id if len(rows) > PAGE else None,
    }
    return visit.page("past.html", values)


def _shown(kind: RowKind, row: Row) -> dict[str, Any]:
    fields = asdict(row)
    text = fields.get(TEXT.get(kind, "text")) or ""
    name = next((fields[name] for name in ("label", "title", "path", "name", "key", "session") if fields.get(name)), "")
    moment = next(fields[name] for name in ("created_at", "recorded_at") if fields.get(name))
    return {"id": row.id, "name": name, "text": text, "at": moment, "fields": fields}


def _kind(value: str) -> RowKind:
    for kind in by_kind():
        if kind == value:
            return kind
    raise InputError(say("past.no_kind", kind=value))


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 2**63:
        raise InputError(say("past.no_place"))
    return int(text)
