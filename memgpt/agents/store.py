"""Agents as a whole: what each holds, and a copy across all tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.database.isolation import AgentRanges
from memgpt.database.tables import for_each, tables
from memgpt.models import AgentInfo, AgentRow, Json

SQL = queries.beside(__name__)


class AgentStore:
    """The rows of all agents, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def create(
        self, agent_id: str, *, description: str = "", metadata: Json | None = None, time_zone: str | None = None
    ) -> bool:
        """Describe a new agent; False when it is described already."""
        given = {
            "agent_id": agent_id,
            "description": description,
            "metadata": Jsonb(metadata or {}),
            "time_zone": time_zone,
        }
        return self._connection.execute(SQL.create, given).rowcount == 1

    def page(self, *, limit: int | None = None, after: str | None = None, prefix: str | None = None) -> Sequence[str]:
        """Return the ids of the next agents that are described or have rows."""
        given = {"limit": limit, "after": after, "prefix": prefix}
        # What begins with a text is a range of the index only where the text is known when the plan is made.
        rows = self._connection.execute(_page(), given, prepare=None if prefix is None else False)
        return [agent_id for (agent_id,) in rows.fetchall()]

    def describe(self, agent_ids: Sequence[str], *, most: int | None = None) -> Sequence[AgentInfo]:
        """Return these agents, as far as they are described or have rows; of each table so many are counted."""
        with self._connection.cursor(row_factory=class_row(AgentInfo)) as cursor:
            return cursor.execute(_describe(), {"agent_ids": [*agent_ids], "most": most}).fetchall()

    def page_of_key(self, ranges: AgentRanges, *, after: str | None, limit: int) -> Sequence[AgentRow]:
        """Return the described agents of a key's ranges, by id."""
        parameters = {
            "after": after or "",
            "limit": limit,
            "firsts": [first for first, _ in ranges.bounds],
            "lasts": [last for _, last in ranges.bounds],
            "anywhere": ranges.anywhere,
        }
        with self._connection.cursor(row_factory=class_row(AgentRow)) as cursor:
            return cursor.execute(SQL.page_of_key, parameters).fetchall()

    def row(self, agent_id: str) -> AgentRow | None:
        """Return an agent as it was described."""
        with self._connection.cursor(row_factory=class_row(AgentRow)) as cursor:
            return cursor.execute(SQL.row, {"agent_id": agent_id}).fetchone()

    def put(
        self,
        agent_id: str,
        *,
        description: str | None,
        metadata: Json | None,
        time_zone: str | None,
        clear_time_zone: bool,
    ) -> AgentRow:
        """Describe an agent, which need not exist yet; what is None stays as it is."""
        parameters = {
            "agent_id": agent_id,
            "description": description,
            "metadata": None if metadata is None else Jsonb(metadata),
            "time_zone": time_zone,
            "clear_time_zone": clear_time_zone,
        }
        with self._connection.cursor(row_factory=class_row(AgentRow)) as cursor:
            row = cursor.execute(SQL.put, parameters).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return row

    def occupied(self, agent_id: str) -> bool:
        """Tell whether an agent is described or has rows."""
        row = self._connection.execute(_occupied(), {"agent_id": agent_id}).fetchone()
        return row is not None and bool(row[0])

    def copy(self, source: str, target: str) -> None:
        """Copy every row of an agent, history included, to another one that has none."""
        self._connection.execute(_copy(), {"source": source, "target": target})

    def reshare(self, agent_id: str, target: str, *, change_id: UUID, actor: str) -> None:
        """Share with an agent's new name the blocks that others share with it."""
        given = {"agent_id": agent_id, "target": target, "change_id": change_id, "actor": actor}
        self._connection.execute(SQL.reshare, given)


def _page() -> bytes:
    independent = [table for table in tables("memory") if not table.dependent]
    return queries.compose(SQL.page, next=for_each(SQL.next_agent, independent, b"\nUNION ALL\n"))


def _describe() -> bytes:
    counted = tables("memory", "derived")
    parts = {"counts": for_each(SQL.count_some, counted), "counted": for_each(SQL.counted_rows, counted)}
    return queries.compose(SQL.describe, **parts)


def _occupied() -> bytes:
    independent = [table for table in tables("memory") if not table.dependent]
    return queries.compose(SQL.occupied, has_rows=for_each(SQL.has_rows, independent, b" OR "))


def _copy() -> bytes:
    return queries.compose(SQL.copy, copies=for_each(SQL.copy_table, tables("memory", "derived")))
