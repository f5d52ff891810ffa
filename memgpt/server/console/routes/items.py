"""Store items: namespaces, the items of one, and the value of an item."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import Form, Query
from starlette.responses import Response

from memgpt.items.items import MOST_BYTES
from memgpt.models import StoreItem
from memgpt.server.console import visits
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Visit, Writing

router: Final = visits.router("/agents/{agent}/items")
PAGE: Final = 50

Labels = Annotated[list[str], Query(min_length=1, max_length=MOST_BYTES)]
Key = Annotated[str, Query(min_length=1, max_length=MOST_BYTES)]


@router.get("")
def list_items(
    visit: Reading,
    label: Annotated[list[str] | None, Query(max_length=MOST_BYTES)] = None,
    after: Annotated[str, Query(max_length=MOST_BYTES)] = "",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Show the namespaces, or the items of one in the order of their keys."""
    if visit.at is not None:
        return past.show(visit, "item")
    if label:
        items = visit.memory.items.list(label, after=after, limit=PAGE + 1)
        following = items[PAGE - 1].key if len(items) > PAGE else None
        shown = {"section": "items", "namespace": label, "items": items[:PAGE], "following": following}
        return visit.page("items.html", shown)
    namespaces = visit.memory.items.namespaces(limit=PAGE + 1, offset=offset)
    further = offset + PAGE if len(namespaces) > PAGE else None
    values = {"section": "items", "namespaces": namespaces[:PAGE], "following": further, "offset": offset}
    return visit.page("namespaces.html", values)


@router.get("/value")
def show_item(visit: Reading, label: Labels, key: Key) -> Response:
    """Show one item with its value as JSON."""
    if visit.at is not None:
        return past.show(visit, "item")
    item = _item(visit, label, key)
    return visit.page("item.html", {"section": "items", "item": item, "json": _json(item)})


@router.get("/text")
def show_text(visit: Reading, label: Labels, key: Key) -> Response:
    """Show the whole value, however long."""
    up = visit.url("items", "value", label=label, key=key)
    return visit.page("whole_text.html", {"section": "items", "text": _json(_item(visit, label, key)), "up": up})


@router.post("/delete")
def delete_item(
    visit: Writing,
    label: Annotated[list[str], Form(min_length=1, max_length=MOST_BYTES)],
    key: Annotated[str, Form(min_length=1, max_length=MOST_BYTES)],
) -> Response:
    """Remove an item; undo brings it back."""
    item = _item(visit, label, key)
    visit.memory.items.delete(label, key)
    return visit.back(say("items.deleted", key=key), visit.last_change("item", item.id), "items")


def _item(visit: Visit, label: list[str], key: str) -> StoreItem:
    """Return an item; that somebody looks at it does not make it live longer."""
    return visit.memory.items.get(label, key, refresh=False)


def _json(item: StoreItem) -> str:
    return json.dumps(item.value, ensure_ascii=False, indent=2)
