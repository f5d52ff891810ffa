"""Agents as a whole: what each holds, and a copy across all tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.database.driver import execute_long
from memgpt.database.isolation import LAST_CHARACTER, AgentRanges
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

    def page(
        self, *, limit: int | None, after: str | None, prefix: str | None, most: int, by_code_point: bool
    ) -> Sequence[AgentInfo]:
        """Return the next agents that are described or have rows; of each table so many are counted.

        Hardly anybody has rows and no description. So the next described agents are taken, and counting their rows
        shows whether anybody else has some in between; only then every table is asked for its agents.
        """
        begins = "any" if not prefix else "range" if by_code_point else "other"
        given: dict[str, Any] = {
            "limit": limit,
            "after": after or "",
            "prefix": prefix or "",
            "last_character": LAST_CHARACTER,
        }
        if begins != "other":
            described = self._ids(_next_described(begins), given)
            if described and len(described) == limit:
                given |= {"agent_ids": described, "last": described[-1], "most": most}
                counted = self._agents(_describe("after"), given)
                if all(rows >= 0 for agent in counted for rows in agent.rows.values()):
                    return counted
        page = self._ids(_page(begins), given)
        return self.describe(page, most=most) if page else []

    def describe(self, agent_ids: Sequence[str], *, most: int | None = None) -> Sequence[AgentInfo]:
        """Return these agents, as far as they are described or have rows; of each table so many are counted."""
        return self._agents(_describe("some"), {"agent_ids": [*agent_ids], "most": most})

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

    def _ids(self, statement: bytes, given: Mapping[str, Any]) -> list[str]:
        return [agent_id for (agent_id,) in self._connection.execute(statement, given).fetchall()]

    def _agents(self, statement: bytes, given: Mapping[str, Any]) -> Sequence[AgentInfo]:
        return [AgentInfo(*row) for row in execute_long(self._connection, statement, given)]


@cache
def _page(begins: str) -> bytes:
    independent = [table for table in tables("memory") if not table.dependent]
    template = queries.compose_partly(SQL.next_agent, begins=_begins(begins))
    following = for_each(template, independent, b"\nUNION ALL\n")
    return queries.compose(SQL.page, begins=_begins(begins), next=following)


@cache
def _next_described(begins: str) -> bytes:
    return queries.compose(SQL.next_described, begins=_begins(begins))


def _begins(which: str) -> bytes:
    """Return the condition of what ids begin with."""
    condition: bytes = getattr(SQL, f"{which}_beginning")
    return condition


@cache
def _describe(count: Literal["some", "after"]) -> bytes:
    counted = tables("memory", "derived")
    parts = {
        "counts": for_each(getattr(SQL, f"count_{count}"), counted),
        "counted": for_each(SQL.counted_rows, counted),
    }
    return queries.compose(SQL.describe, **parts)


def _occupied() -> bytes:
    independent = [table for table in tables("memory") if not table.dependent]
    return queries.compose(SQL.occupied, has_rows=for_each(SQL.has_rows, independent, b" OR "))


def _copy() -> bytes:
    return queries.compose(SQL.copy, copies=for_each(SQL.copy_table, tables("memory", "derived")))
