"""Changes of the history as people read them: what was done to which row, and how it differs from before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final, TypeAlias

from memgpt.models import Change
from memgpt.server.console.diff import DiffLine, difference
from memgpt.server.console.texts import say, word

Url: TypeAlias = Callable[..., str]
"""Writes the address of a page of the agent."""

TEXT: Final[Mapping[str, str]] = {
    "block": "value",
    "archival": "text",
    "message": "content",
    "document": "title",
    "chunk": "chunk_text",
    "entity": "description",
    "fact": "fact",
    "item": "value",
    "file": "content",
    "file_chunk": "chunk_text",
}
"""The column in which a row of each kind says what it says."""
_NAME: Final[Mapping[str, str]] = {
    "block": "label",
    "document": "title",
    "entity": "name",
    "item": "key",
    "file": "path",
}
_BY_ID: Final = {"archival": "memories", "document": "documents", "entity": "entities", "file": "files"}
"""Sections in which a row has a page by its id."""
_SILENT: Final = frozenset(
    {"agent_id", "id", "version", "updated_at", "accessed_at", "access_count", "embedding_model", "language"}
    | {"tokens", "content_hash"}
)
"""Columns that differ after every change, or say nothing to people."""
FEW_LINES: Final = 8
COMPARED: Final = 2000
COMPARED_ALONE: Final = 100_000
"""Characters of a text that are compared in a list, and where one change is looked at."""
MOST_VALUE: Final = 300


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column other than the text, before and after."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RowDifference:
    """Effect of a change on one row, as it is shown."""

    change: Change
    what: str
    href: str | None
    """Where the row is now, if it has a page."""
    lines: Sequence[DiffLine]
    columns: Sequence[ColumnChange]
    cut: bool
    """There is more than is shown."""


@dataclass(frozen=True, slots=True)
class ShownChange:
    """Everything one call changed, as far as the page has it."""

    rows: Sequence[RowDifference]
    may_have_more: bool
    """The page, or its filters, may have left rows out."""

    @property
    def first(self) -> Change:
        """Its newest row, which has what all have: the change, the actor, the time."""
        return self.rows[0].change

    @property
    def before(self) -> str:
        """Return the moment just before it, as an address has it."""
        return (min(row.change.changed_at for row in self.rows) - timedelta(microseconds=1)).isoformat()


def by_day(
    changes: Sequence[Change], url: Url, *, alone: bool, cut: bool, by_row: bool
) -> Sequence[tuple[date, Sequence[ShownChange]]]:
    """Return a page of the history by days of UTC, newest first.

    Args:
        alone: one change is looked at, so that all of it is shown.
        cut: the last change of the page may go on after it.
        by_row: every change may have rows that the page leaves out.
    """
    last = changes[-1].change_id if cut else None
    shown = [
        ShownChange([row_difference(change, url, alone=alone) for change in group], by_row or change_id == last)
        for change_id, group in groupby(changes, lambda change: change.change_id)
    ]
    return [(day, list(group)) for day, group in groupby(shown, lambda one: one.first.changed_at.date())]


def row_difference(change: Change, url: Url, *, alone: bool = False) -> RowDifference:
    """Return what was done to one row."""
    old, new = (_text(change.kind, row) for row in (change.old, change.new))
    most = COMPARED_ALONE if alone else COMPARED
    lines = [] if old == new else difference(old[:most], new[:most])
    few = lines if alone else lines[:FEW_LINES]
    cut = len(lines) > len(few) or max(len(old), len(new)) > most
    columns = list(_columns(change)) if change.old and change.new else []
    return RowDifference(
        change, _what(change), row_address(change.kind, change.new, change.row_id, url), few, columns, cut
    )


def row_address(kind: str, row: Mapping[str, Any] | None, id: int, url: Url, *, q: str = "") -> str | None:
    """Return the page that shows a row in its place; None where it has none, or is gone, or that place is not known.

    Args:
        q: a query whose words are marked there, where that is a document.
    """
    if row is None:
        return None
    if kind in _BY_ID:
        return url(_BY_ID[kind], id)
    match kind:
        case "block" if row.get("label"):
            return url("blocks", row["label"])
        case "message" if row.get("session"):
            return url("conversations", row["session"], message=id) + f"#m{id}"
        case "chunk" if row.get("document_id"):
            return url("documents", row["document_id"], chunk=id, q=q) + f"#c{id}"
        case "file_chunk":
            return url("files", row["file_id"])
        case "item" if row.get("key"):
            return url("items", "value", label=row["namespace"], key=row["key"])
    return None


def text_of_version(changes: Sequence[Change], version: int) -> str | None:
    """Return what a block or a file said in a version, if changes of it know that."""
    for change in changes:
        for row in (change.new, change.old):
            if row and row.get("version") == version:
                return _text(change.kind, row)
    return None


def _text(kind: str, row: Mapping[str, Any] | None) -> str:
    value = (row or {}).get(TEXT.get(kind, "text")) or ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _what(change: Change) -> str:
    """Say in words what was done."""
    old, new = change.old or {}, change.new or {}
    by = new.get("superseded_by")
    if change.kind == "archival" and by and not old.get("superseded_by"):
        return say("change.superseded", id=change.row_id, by=by)
    name = (new or old).get(_NAME.get(change.kind, "")) or change.row_id
    return say(f"change.{change.action}", row=word("row", change.kind), name=str(name)[:100])


def _columns(change: Change) -> Iterator[ColumnChange]:
    old, new = change.old or {}, change.new or {}
    for name in old:
        if name not in _SILENT and name != TEXT.get(change.kind) and name in new and old[name] != new[name]:
            yield ColumnChange(name, _plain(old[name]), _plain(new[name]))


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}…"
