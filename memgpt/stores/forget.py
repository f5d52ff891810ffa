"""Removal for good: rows, what is derived from them, and their history."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from memgpt.database import queries
from memgpt.models import Author
from memgpt.stores.tables import RowKind

SQL = queries.beside(__name__)


class ForgetStore:
    """What can be removed of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def row(self, kind: RowKind, id: int, *, keep_history: bool) -> dict[str, int]:
        """Remove one row and what is derived from it; answers how many rows of each table went."""
        return self._counts(SQL.forget, {"kind": kind, "id": id, "keep_history": keep_history})

    def agent(self, *, change_id: UUID) -> dict[str, int]:
        """Remove everything of the agent; answers how many rows of each table went."""
        given = {"agent_id": self._author.agent_id, "actor": self._author.actor, "change_id": change_id}
        self._connection.execute(SQL.unshare_all, given)
        return self._counts(SQL.forget_agent, {})

    def _counts(self, query: bytes, given: dict[str, Any]) -> dict[str, int]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            counts = cursor.execute(query, {"agent_id": self._author.agent_id, **given}).fetchone()
        assert counts is not None  # noqa: S101 - both statements always give one row
        return counts
