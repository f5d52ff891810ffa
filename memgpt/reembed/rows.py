"""Batches of rows: read what lacks a vector, store the vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from pgvector import Vector
from psycopg import sql
from psycopg.rows import class_row

from memgpt import validation
from memgpt.database import codes, queries
from memgpt.database.dimensions import column
from memgpt.embeddings import EmbeddingModel, checked
from memgpt.embeddings.base import TURNS_BEFORE, ContextualModel
from memgpt.errors import EmbeddingError
from memgpt.reembed.tables import EmbeddedTable, is_generated

SQL = queries.beside(__name__)

_FIRST = ("", -(2**63))


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A row whose text waits to be embedded."""

    agent_id: str
    id: int
    text: str
    hash: UUID
    before: Sequence[str] = ()
    """Of a message, the turns before it, for a model that reads them along."""


class Batches:
    """The rows of one table that lack a vector of the model."""

    def __init__(self, table: EmbeddedTable, model: EmbeddingModel, *, mending: bool = False) -> None:
        """``mending``: fill gaps of the live column instead of the next one."""
        self.table = table
        self._model = model
        self._select = table.compose(SQL.unmended if mending else SQL.missing)
        if table.name == "conversations" and isinstance(model, ContextualModel):
            self._select = table.compose(SQL.in_context, rows=self._select)
        self._statement: Any = table.compose(SQL.mend, held=table.compose(SQL.held)) if mending else None

    def after(self, connection: psycopg.Connection[Any], last: PendingRow | None, limit: int) -> Sequence[PendingRow]:
        """Return the next rows in key order."""
        agent_id, id = (last.agent_id, last.id) if last else _FIRST
        parameters = {"agent_id": agent_id, "id": id, "limit": limit, "model": self._model.name, "turns": TURNS_BEFORE}
        with connection.cursor(row_factory=class_row(PendingRow)) as cursor:
            return cursor.execute(self._select, parameters, binary=True).fetchall()

    def embed(self, rows: Sequence[PendingRow]) -> Sequence[Vector]:
        try:
            texts = [validation.normal(row.text) for row in rows]
            if isinstance(self._model, ContextualModel) and any(row.before for row in rows):
                vectors = self._model.embed_in_context(texts, [row.before for row in rows])
            else:
                vectors = self._model.embed(texts)
            return [Vector(vector) for vector in checked(self._model.name, vectors, count=len(rows), dimensions=None)]
        except EmbeddingError as error:
            raise EmbeddingError(
                f"{error} (rows {rows[0].id} to {rows[-1].id} of {self.table.name}, agents {rows[0].agent_id!r} to "
                f"{rows[-1].agent_id!r}; what is done so far is kept, the same command goes on from there)"
            ) from error

    def store(self, connection: psycopg.Connection[Any], rows: Sequence[PendingRow], vectors: Sequence[Vector]) -> int:
        """Keep the vectors; answers how many rows took theirs."""
        if self._statement is None:
            generated = is_generated(connection, self.table, "embedding_next_code")
            size = column(self._model.dimensions)  # of the vector as it is stored
            of = codes.code(codes.code_type(size.dimensions), f"n.embedding::{size.type}")
            code = b"" if generated else queries.compose(SQL.set_code, of=of)
            held = self.table.compose(SQL.held)
            self._statement = self.table.compose(SQL.store, held=held, code=sql.SQL(code.decode()))
        parameters = {
            "agent_ids": [row.agent_id for row in rows],
            "ids": [row.id for row in rows],
            "hashes": [row.hash for row in rows],
            "embeddings": list(vectors),
            "model": self._model.name,
        }
        return connection.execute(self._statement, parameters).rowcount


def counted(
    connection: psycopg.Connection[Any], tables: Sequence[EmbeddedTable]
) -> Iterator[tuple[EmbeddedTable, int, int]]:
    """Per table: rows with a live vector, and those of them without a current next one."""
    for table in tables:
        row = connection.execute(table.compose(SQL.count)).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        yield table, row[0], row[1]
