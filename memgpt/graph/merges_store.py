"""Entities that may be one, and making them one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from memgpt.database import codes, queries
from memgpt.models import Author, Entity, Fact

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entities that may be one, and what speaks for and against it."""

    one: int
    other: int
    one_name: str
    other_name: str
    one_type: str
    other_type: str
    one_aliases: list[str]
    other_aliases: list[str]
    one_description: str
    other_description: str
    same_name: bool
    """Their own names are the same but for case, punctuation and ways to write a character."""
    shared_name: bool
    """They have a name in common, be it an alias."""
    similarity: float | None
    """Cosine similarity of their embeddings; None where one has none."""
    one_created_at: datetime
    other_created_at: datetime
    one_facts: int
    other_facts: int
    contradictions: list[str]
    """Facts of functional types that cannot both be true of one thing."""


class MergeStore:
    """Merges of one agent's entities, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def pairs(self, *, similarity: float, among: int, nearest: int, untyped: str, dimensions: int) -> Sequence[Pair]:
        """Entities that may be one.

        Args:
            similarity: least cosine similarity of those without a common name.
            among: how many entities, those changed last, are compared with all by embedding.
            nearest: how many each of them is compared with.
            dimensions: of the embeddings.
        """
        parameters = self._parameters(similarity=similarity, among=among, nearest=nearest + 1, untyped=untyped)
        with self._connection.cursor(row_factory=class_row(Pair)) as cursor:
            return cursor.execute(codes.completed(SQL.pairs, dimensions), parameters).fetchall()

    def lock(self, ids: Sequence[int]) -> Sequence[Entity]:
        """Entities as they are; nobody else changes them until the end of the transaction."""
        with self._connection.cursor(row_factory=class_row(Entity)) as cursor:
            return cursor.execute(SQL.lock, self._parameters(ids=[*ids])).fetchall()

    def contradicting(self, ids: Sequence[int]) -> Sequence[Fact]:
        """Return facts of two entities that could not both be true of one, the older first."""
        with self._connection.cursor(row_factory=class_row(Fact)) as cursor:
            return cursor.execute(SQL.contradicting, self._parameters(ids=[*ids])).fetchall()

    def merge(self, merged: int, survivor: int, *, at: datetime, change_id: UUID) -> int:
        """Make one entity the other and return how many facts it took along."""
        parameters = self._parameters(merged=merged, survivor=survivor, at=at, change_id=change_id)
        row = self._connection.execute(SQL.merge, parameters).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        return int(row[0])

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}
