"""CrewAI's records among the items of an agent: in the order of their times, by scope and by category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row, kwargs_row, scalar_row

from memgpt.database import queries
from memgpt.items.store import SQL as STORE_SQL
from memgpt.items.store import ItemFilter, Namespace

SQL = queries.beside(__name__)


class ScopeCount(NamedTuple):
    """How many records a scope has, and of which time, in seconds since 1970."""

    scope: str
    records: int
    oldest: float
    newest: float


class RecordStore:
    """The records in a namespace of an agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent: str, namespace: Namespace) -> None:
        self._connection = connection
        self._named = {"agent_id": agent, "namespace": [*namespace]}

    def records(
        self, wanted: ItemFilter, *, limit: int, offset: int = 0, vectors: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """Return the values of records, the newest first, each with its vector if asked."""
        parameters = {**self._parameters(wanted), "limit": limit, "offset": offset, "vectors": vectors}
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_selecting(SQL.records), parameters).fetchall()

    def ids(self, wanted: ItemFilter) -> Sequence[int]:
        """Return the ids of the items that hold records."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(_selecting(SQL.ids), self._parameters(wanted)).fetchall()

    def scopes(self, wanted: ItemFilter) -> Sequence[ScopeCount]:
        """Return the scopes that have records, in order."""
        with self._connection.cursor(row_factory=kwargs_row(ScopeCount)) as cursor:
            return cursor.execute(_selecting(SQL.scopes), self._parameters(wanted)).fetchall()

    def categories(self, wanted: ItemFilter) -> dict[str, int]:
        """Count the records of each category."""
        return dict(self._connection.execute(_selecting(SQL.categories), self._parameters(wanted)).fetchall())

    def dimensions(self) -> int | None:
        """Return the length of the vectors that records have; None where none has one."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.dimensions, self._named).fetchone()

    def touch(self, keys: Sequence[str], now: str) -> None:
        """Note that records were recalled."""
        self._connection.execute(SQL.touch, {**self._named, "keys": [*keys], "now": now})

    def _parameters(self, wanted: ItemFilter) -> dict[str, Any]:
        return {**self._named, **wanted.parameters()}


def _selecting(template: bytes) -> bytes:
    return queries.compose(template, wanted=STORE_SQL.wanted)
