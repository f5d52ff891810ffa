"""The history of a memory: what was done, how to take it back, and how things were at some time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from memgpt.database import queries, times
from memgpt.database.tables import Row, RowKind, by_kind, expressions
from memgpt.models import Action, Author, Change

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class RowChange:
    """Effect of a change on one row."""

    id: int
    kind: RowKind
    row_id: int
    undoes: UUID | None
    existed: bool
    """False where the change made the row."""
    has_vector: bool
    """True where the entry keeps the vector the row had."""


@dataclass(frozen=True, slots=True)
class Later:
    """A change of a row after the one that is to be undone."""

    id: int
    kind: RowKind
    row_id: int
    change_id: UUID
    undoes: UUID | None
    actor: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Entries of the history that are wanted; what is None is any."""

    kind: RowKind | None = None
    row_id: int | None = None
    label: str | None = None
    change_id: UUID | None = None
    actor: str | None = None
    action: Action | None = None
    since: datetime | None = None
    until: datetime | None = None


class HistoryStore:
    """The rows of ``memory_history`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def entries(self, wanted: ChangeFilter, *, limit: int | None, before: int | None = None) -> Sequence[Change]:
        """Return changes of rows, newest first, those older than the entry ``before``."""
        parameters = self._parameters(limit=limit, before=before, **asdict(wanted))
        with self._connection.cursor(row_factory=class_row(Change)) as cursor:
            return [_in_utc(change) for change in cursor.execute(_entries(), parameters)]

    def lock_agent(self) -> None:
        """Let nobody else undo until the end of the transaction."""
        self._connection.execute(SQL.lock_agent, self._parameters())

    def undos(self) -> Sequence[tuple[UUID, UUID]]:
        """Each change that took back another, with that other one, oldest first."""
        return self._connection.execute(SQL.undos, self._parameters()).fetchall()

    def last_change(self, undone: Iterable[UUID]) -> UUID | None:
        """Return the newest change that is neither an undo nor one of these."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.last_change, self._parameters(undone=[*undone])).fetchone()

    def steps(self, change_id: UUID) -> Sequence[RowChange]:
        """Return the effects of a change, oldest first."""
        with self._connection.cursor(row_factory=class_row(RowChange)) as cursor:
            return cursor.execute(SQL.steps, self._parameters(change_id=change_id)).fetchall()

    def later(self, entries: Sequence[int], *, undone: UUID, change_id: UUID) -> Sequence[Later]:
        """Return what other changes than these two did afterwards to the rows of these entries, newest first."""
        parameters = self._parameters(entries=[*entries], undone=undone, change_id=change_id)
        with self._connection.cursor(row_factory=class_row(Later)) as cursor:
            return cursor.execute(SQL.later, parameters).fetchall()

    def put(
        self, kind: RowKind, entries: Sequence[int], vectors: Sequence[int], *, change_id: UUID, undoes: UUID
    ) -> None:
        """Make rows what these entries say they were, with the vectors those entries kept."""
        parameters = self._parameters(entries=[*entries], vectors=[*vectors], change_id=change_id, undoes=undoes)
        self._connection.execute(_statement("put", kind), parameters)

    def delete(self, kind: RowKind, ids: Sequence[int], *, change_id: UUID, undoes: UUID) -> Sequence[int]:
        """Remove rows; answers those that were there and on which no other row depends."""
        parameters = self._parameters(ids=[*ids], change_id=change_id, undoes=undoes)
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(_statement("delete", kind), parameters).fetchall()

    def as_of(
        self,
        kind: RowKind,
        time: datetime,
        *,
        id: int | None = None,
        after: int | None = None,
        limit: int | None = None,
        parent: str | int | None = None,
    ) -> Sequence[Row]:
        """Return rows of a kind as they were at a time, in the order of their ids: the one of ``id``, those ``after``
        one, those of a session or document, or all."""
        with self._connection.cursor(row_factory=class_row(by_kind()[kind].row_class)) as cursor:
            given = self._parameters(time=time, id=id, after=after, limit=limit)
            given["parent"] = None if parent is None else str(parent)
            return cursor.execute(_statement("as_of", kind), given).fetchall()

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}


def _in_utc(change: Change) -> Change:
    old, new = change.old, change.new
    return replace(change, old=old and times.in_utc(old), new=new and times.in_utc(new))


_PARENT: Final = {
    "message": {"t": SQL.session_then, "m": SQL.session_now},
    "chunk": {"t": SQL.document_then, "m": SQL.document_now},
}
"""Conditions that keep the rows of one session or document."""


@cache
def _statement(form: str, kind: RowKind) -> bytes:
    table = by_kind()[kind]
    changing = [name for name in table.stored if name not in ("id", *table.counters)]
    shown = table.row_class.__slots__
    return table.complete(
        {"put": SQL.put, "delete": SQL.delete, "as_of": SQL.as_of, "row_now": SQL.row_now}[form],
        brought_back=expressions(SQL, "brought_back", "t", table.stored),
        excluded=b", ".join(
            queries.identifier(name) + b" = " + queries.identifier("excluded", name) for name in changing
        ),
        unless=getattr(SQL, f"unless_{kind}") if f"unless_{kind}" in SQL else b"",
        **{f"{alias}_parent": _PARENT.get(kind, {}).get(alias, b"") for alias in ("t", "m")},
        then=expressions(SQL, "of", "t", shown),
        now=expressions(SQL, "of", "m", shown),
        **{f"{alias}_vector": table.vector_of(alias) for alias in ("b", "g", "t")},
    )


@cache
def _entries() -> bytes:
    rows = b"\n".join(_statement("row_now", kind) for kind in by_kind())
    return queries.compose(SQL.entries, page=SQL.entries_page, rows_now=rows)
