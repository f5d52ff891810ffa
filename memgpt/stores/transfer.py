"""One agent's rows on their way to a file and back, table by table, in an order that foreign keys accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.models import Author, Json

SQL = queries.beside(__name__)

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "core_memories": (
        *("id", "label", "value", "description", "limit", "read_only", "shared_with", "version", "metadata"),
        *("created_at", "updated_at"),
    ),
    "archival_memories": (
        *("id", "text", "tags", "importance", "source", "metadata", "language", "created_at", "expires_at"),
        *("superseded_at", "superseded_by", "accessed_at", "access_count", "embedding_model"),
    ),
    "documents": (
        *("id", "title", "source", "media_type", "content_hash", "tokens", "metadata", "created_at", "updated_at"),
    ),
    "document_chunks": (
        *("id", "document_id", "chunk_index", "chunk_text", "heading_path", "page", "char_start", "char_end"),
        *("tokens", "metadata", "language", "created_at", "embedding_model"),
    ),
    "kg_entities": (
        *("id", "name", "type", "aliases", "description", "properties", "language", "created_at", "updated_at"),
        "embedding_model",
    ),
    "kg_relationships": (
        *("id", "source_id", "target_id", "type", "fact", "weight", "properties", "valid_from", "valid_to"),
        *("recorded_at", "superseded_at", "provenance_kind", "provenance_id", "language", "embedding_model"),
    ),
    "conversations": (
        *("id", "session", "role", "name", "content", "intent", "intent_confidence", "tokens", "tool_calls"),
        *("tool_call_id", "metadata", "language", "created_at", "embedding_model"),
    ),
    "intent_examples": ("id", "intent", "text", "created_at"),
    "agent_turns": ("id", "session", "message_id", "status", "reason", "runner", "started_at", "ended_at"),
    "agent_steps": (
        *("id", "turn_id", "number", "session", "kind", "model", "system", "tools", "message_ids"),
        *("longest", "sent_hash", "tokens_by_part", "answer_id", "calls", "calls_done", "summary"),
        *("summary_until", "summary_until_id", "input_tokens", "output_tokens", "cost", "seconds"),
        *("finish_reason", "created_at"),
    ),
    "memory_history": (*("id", "changed_at", "change_id", "actor", "kind", "row_id", "action", "old", "undoes"),),
}
"""The columns of each table that a file holds, beside the vector; the tables in the order of a file."""

HISTORY: Final = "memory_history"

BATCH: Final = 500
"""Rows fetched or sent at once: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row on its way in."""

    number: int
    """Of the line in the file, from 1."""
    table: str
    row: Json
    embedding: Vector | None
    given: bool
    """The vector is from the file: a row that is there already must have the same."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: inserted, or there already, the same or not."""

    position: int
    inserted: bool
    differs: bool


class TransferStore:
    """The rows of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def header(self) -> Json:
        """The agent, the model of its vectors, and its rows per table."""
        given = {"agent_id": self._author.agent_id}
        [agent, model, counts] = [
            self._connection.execute(query, given).fetchone() for query in (SQL.agent, SQL.model, SQL.counts)
        ]
        assert counts is not None  # noqa: S101 - the statement always gives one row
        default = {"agent_id": self._author.agent_id, "description": "", "metadata": {}, "functional_types": []}
        return {"agent": agent[0] if agent else default, "embedding": model and model[0], "counts": counts[0]}

    def rows(self, table: str) -> Iterator[tuple[str, Vector | None]]:
        """The rows of a table as JSON objects in text, with their vectors, in the order of their ids."""
        with self._connection.cursor(f"export_{table}", binary=True) as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(getattr(SQL, f"export_{table}"), {"agent_id": self._author.agent_id})

    def describe(self, description: str, metadata: Json, functional_types: Sequence[str]) -> None:
        """Describe the agent, unless it is described already."""
        given: Json = {"agent_id": self._author.agent_id, "description": description, "metadata": Jsonb(metadata)}
        given["functional_types"] = [*functional_types]
        self._connection.execute(SQL.describe, given)

    def insert(
        self, lines: Sequence[Line], *, change_id: UUID, embedding_model: str | None, logged: bool
    ) -> Sequence[Outcome]:
        """Insert rows of one table with the ids they have; ``logged`` enters them in the history."""
        given = {
            "agent_id": self._author.agent_id,
            "actor": self._author.actor,
            "change_id": change_id,
            "embedding_model": embedding_model,
            "logged": logged,
            "rows": [Jsonb(line.row) for line in lines],
            "embeddings": [line.embedding for line in lines],
            "given": [line.given for line in lines],
        }
        with self._connection.cursor(row_factory=class_row(Outcome)) as cursor:
            return cursor.execute(getattr(SQL, f"import_{lines[0].table}"), given).fetchall()

    def advance(self, largest: Mapping[str, int]) -> None:
        """Move the identity sequences of tables past these ids."""
        self._connection.execute(SQL.advance, {"tables": [*largest], "largest": [*largest.values()]})
