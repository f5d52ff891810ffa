"""The record of extractions: which texts a model read, what it answered, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.models import ExtractionFailure, ExtractionSpent, Json, Source

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Pending:
    """A text to be read."""

    id: int
    body: str
    """What is sent."""
    hash: UUID
    answer: Json | None
    """That was paid for already."""


class Kept(Protocol):
    """Answer to be stored."""

    @property
    def answer(self) -> Json | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cost(self) -> float | None: ...


_PENDING: Final = {
    kind: queries.compose(statement, open=SQL.open, paid=SQL.paid)
    for kind, statement in {
        "archival": SQL.pending_archival,
        "message": SQL.pending_message,
        "chunk": SQL.pending_chunk,
    }.items()
}


class ExtractionStore:
    """Extractions by one recipe from one agent's texts, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str, recipe: UUID | None) -> None:
        self._connection = connection
        self._parameters = {"agent_id": agent_id, "recipe": recipe}

    def pending(self, kind: Source, *, after: int, batch: int, failed: bool) -> Sequence[Pending]:
        """Return the next texts to be read, in the order of their ids; with ``failed``, those that failed too."""
        parameters = {**self._parameters, "kind": kind, "after": after, "batch": batch, "failed": failed}
        with self._connection.cursor(row_factory=class_row(Pending)) as cursor:
            return cursor.execute(_PENDING[kind], parameters).fetchall()

    def keep(self, kind: Source, text: Pending, model: str, reading: Kept) -> None:
        """Remember what was answered to a text, and add up what was paid for it."""
        parameters = {
            "kind": kind,
            "id": text.id,
            "hash": text.hash,
            "model": model,
            "answer": None if reading.answer is None else Jsonb(reading.answer),
            "reason": reading.reason,
            "input_tokens": reading.input_tokens,
            "output_tokens": reading.output_tokens,
            "cost": reading.cost,
        }
        self._connection.execute(SQL.keep, {**self._parameters, **parameters})

    def apply(self, kind: Source, text: Pending) -> bool:
        """Tell whether the caller may apply the answer, in this transaction."""
        parameters = {**self._parameters, "kind": kind, "id": text.id, "hash": text.hash}
        return self._connection.execute(SQL.apply, parameters).fetchone() is not None

    def refuse(self, kind: Source, text: Pending, reason: str) -> None:
        self._connection.execute(SQL.refuse, {**self._parameters, "kind": kind, "id": text.id, "reason": reason})

    def spent(self) -> Sequence[ExtractionSpent]:
        """By model; of all recipes where none was given."""
        with self._connection.cursor(row_factory=class_row(ExtractionSpent)) as cursor:
            return cursor.execute(SQL.spent, self._parameters).fetchall()

    def failed(self, *, limit: int) -> Sequence[ExtractionFailure]:
        """Return failures, the latest first, of all recipes."""
        with self._connection.cursor(row_factory=class_row(ExtractionFailure)) as cursor:
            return cursor.execute(SQL.failed, {**self._parameters, "limit": limit}).fetchall()
