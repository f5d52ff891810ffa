"""Removal for good: rows, what is derived from them, and their history."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from memgpt.database import queries
from memgpt.database.connection import Connection
from memgpt.models import Author
from memgpt.stores.tables import RowKind

SQL = queries.beside(__name__)


class ForgetStore:
    """What can be removed of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection, author: Author) -> None:
        self._connection = connection
        self._author = author

    def row(self, kind: RowKind, id: int, *, keep_history: bool) -> dict[str, int]:
        """Remove one row and what is derived from it; answers how many rows of each table went."""
        self._empty_copies(id if kind == "block" else None, shared=kind == "block")
        return self._counts(SQL.forget, {"kind": kind, "id": id, "keep_history": keep_history})

    def agent(self, *, change_id: UUID) -> dict[str, int]:
        """Remove everything of the agent; answers how many rows of each table went."""
        given = {"agent_id": self._author.agent_id, "actor": self._author.actor, "change_id": change_id}
        self._empty_copies(None, shared=True)
        self._connection.execute(SQL.unshare_all, given)
        return self._counts(SQL.forget_agent, {})

    def _empty_copies(self, block_id: int | None, *, shared: bool) -> None:
        """Remove what answers of the service repeat, and what others who share a block were prompted with."""
        agent_id = self._author.agent_id
        readers: list[str] = []
        if shared:
            given = {"agent_id": agent_id, "id": block_id}
            readers = [row[0] for row in self._connection.execute(SQL.readers, given)]
        with self._connection.as_owner():
            self._connection.execute(SQL.empty_answers, {"agents": [agent_id, *readers]})
            if readers:
                self._connection.execute(SQL.empty_prompts, {"agents": readers})

    def _counts(self, query: bytes, given: dict[str, Any]) -> dict[str, int]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            counts = cursor.execute(query, {"agent_id": self._author.agent_id, **given}).fetchone()
        assert counts is not None  # noqa: S101 - both statements always give one row
        return counts
