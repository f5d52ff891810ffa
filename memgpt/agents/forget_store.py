"""Removal for good: rows, what is derived from them, and their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

from psycopg.rows import dict_row, scalar_row

from memgpt.database import queries
from memgpt.database.connection import Connection
from memgpt.database.tables import RowKind, by_kind, for_each, tables
from memgpt.models import Author, Json

SQL = queries.beside(__name__)

Texts: TypeAlias = Sequence[tuple[RowKind, Json]]
"""Kinds and rows, or columns of rows, with texts that were embedded."""


class ForgetStore:
    """Removal of an agent's rows, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection, author: Author) -> None:
        self._connection = connection
        self._author = author

    def rows(self, kind: RowKind, ids: Sequence[int], *, keep_history: bool) -> tuple[dict[str, int], Texts]:
        """Remove rows and what is derived from them; answers the rows of each table, and what was embedded of them."""
        self._empty_copies(ids[0] if kind == "block" else None, shared=kind == "block")
        counts: dict[str, Any] = self._counts(_forget(), {"kind": kind, "ids": [*ids], "keep_history": keep_history})
        return counts, counts.pop("texts") or ()

    def session_messages(self, session: str) -> Sequence[int]:
        """Return the messages of a conversation, those that were deleted included."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            given = {"agent_id": self._author.agent_id, "session": session}
            return cursor.execute(SQL.session_messages, given).fetchall()

    def turns(self, session: str) -> dict[str, int]:
        """Remove what an agent noted of its turns in a conversation; answers how many rows of each table went."""
        return self._counts(SQL.forget_turns, {"session": session})

    def dimensions(self) -> Sequence[int]:
        """Dimensions of the models the memory has, and had, vectors of."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.dimensions).fetchall()

    def vectors(self, hashes: Sequence[bytes]) -> None:
        """Remove cached vectors by what they are filed under."""
        self._connection.execute(SQL.forget_vectors, {"agent_id": self._author.agent_id, "hashes": [*hashes]})

    def agent(self, *, change_id: UUID) -> dict[str, int]:
        """Remove everything of the agent; answers how many rows of each table went."""
        given = {"agent_id": self._author.agent_id, "actor": self._author.actor, "change_id": change_id}
        self._empty_copies(None, shared=True)
        self._connection.execute(SQL.unshare_all, given)
        return self._counts(_forget_agent(), {})

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


def _forget() -> bytes:
    of_kinds = by_kind().values()
    removals = [
        table.complete(SQL.forget_doomed, returned=queries.identifiers(("id", *table.texts, *table.text_context)))
        for table in of_kinds
    ]
    return queries.compose(
        SQL.forget,
        removals=b",\n".join(removals),
        texts=for_each(SQL.embedded_texts, (table for table in of_kinds if table.texts), b"\nUNION ALL\n"),
        counts=for_each(SQL.count_removed, of_kinds),
    )


def _forget_agent() -> bytes:
    parts = {"removals": for_each(SQL.forget_table, tables()), "counts": for_each(SQL.count_removed, tables())}
    return queries.compose(SQL.forget_agent, **parts)
