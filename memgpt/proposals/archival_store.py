"""Archival memories as background work looks for them, and the changes that only it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from memgpt.database import codes, queries
from memgpt.models import ArchivalMemory, Author

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Similar:
    """Two memories that are alike."""

    one: int
    other: int
    similarity: float


class SleepStore:
    """The archival memories of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def same_texts(self, *, limit: int) -> Sequence[Sequence[int]]:
        """Return groups of memories with the same text, in each the one to be kept first."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.same_texts, self._parameters(limit=limit)).fetchall()

    def similar(self, *, similarity: float, skip: int, among: int, nearest: int, dimensions: int) -> Sequence[Similar]:
        """Pairs that are alike by embedding, most first, of ``among`` memories with their nearest: those written last,
        after the first ``skip``."""
        parameters = self._parameters(similarity=similarity, skip=skip, among=among, nearest=nearest + 1)
        with self._connection.cursor(row_factory=class_row(Similar)) as cursor:
            return cursor.execute(codes.completed(SQL.similar, dimensions), parameters).fetchall()

    def memories(self, ids: Sequence[int], *, lock: bool = False) -> Sequence[ArchivalMemory]:
        """Living memories, the most important and of those the oldest first. Locked, by id, they stay as they are."""
        query = SQL.memories_locked if lock else SQL.memories
        with self._connection.cursor(row_factory=class_row(ArchivalMemory)) as cursor:
            return cursor.execute(query, self._parameters(ids=[*ids])).fetchall()

    def unused(self, *, days: int, least: float, limit: int) -> Sequence[tuple[int, float]]:
        """Memories not used for so many days whose importance is above ``least``, as (id, importance)."""
        return self._connection.execute(SQL.unused, self._parameters(days=days, least=least, limit=limit)).fetchall()

    def expired(self, *, limit: int) -> Sequence[int]:
        """Memories whose time is over, still among the living, that were not proposed to be set aside."""
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.expired, self._parameters(limit=limit)).fetchall()

    def retire(self, ids: Sequence[int], *, change_id: UUID) -> int:
        """Set aside those that are still expired; how many it were."""
        return self._connection.execute(SQL.retire, self._parameters(ids=[*ids], change_id=change_id)).rowcount

    def weaken(self, memories: Sequence[tuple[int, float, float]], *, since: datetime, change_id: UUID) -> int:
        """Lower importance, given as (id, old, new), where it is the old one and nobody used the memory since."""
        ids, old, new = (list(column) for column in zip(*memories, strict=True)) if memories else ([], [], [])
        parameters = self._parameters(ids=ids, old=old, new=new, since=since, change_id=change_id)
        return self._connection.execute(SQL.weaken, parameters).rowcount

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}
