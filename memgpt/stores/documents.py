"""Documents a person ingested, and the chunks that hold their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.errors import NotFoundError
from memgpt.models import Author, Chunk, Document, Json

SQL = queries.beside(__name__)

BATCH: Final = 500
"""Rows sent in one statement: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to be kept, without its chunks."""

    title: str = ""
    source: str | None = None
    media_type: str | None = None
    content_hash: str | None = None
    metadata: Json | None = None


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be kept, checked and embedded."""

    chunk_text: str
    heading_path: Sequence[str] = ()
    page: int | None = None
    char_start: int | None = None
    char_end: int | None = None
    tokens: int | None = None
    metadata: Json | None = None
    embedding: Vector | None = None


class DocumentStore:
    """The rows of ``documents`` and ``document_chunks`` of one agent, on a connection (and in a transaction) of the
    caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def insert(
        self,
        document: NewDocument,
        chunks: Sequence[NewChunk],
        *,
        change_id: UUID,
        language: str,
        embedding_model: str | None,
    ) -> Document | None:
        """Create a document with its chunks; None, and nothing written, when the agent has its source already."""
        given = self._given(
            change_id=change_id,
            title=document.title,
            source=document.source,
            media_type=document.media_type,
            content_hash=document.content_hash,
            tokens=sum(chunk.tokens or 0 for chunk in chunks),
            metadata=Jsonb(document.metadata or {}),
        )
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            kept = cursor.execute(SQL.insert, given).fetchone()
        if kept is not None:
            how = {"change_id": change_id, "language": language, "embedding_model": embedding_model}
            for first in range(0, len(chunks), BATCH):
                columns = _columns(chunks[first : first + BATCH])
                row = self._given(document_id=kept.id, first=first, **how, **columns)
                self._connection.execute(SQL.insert_chunks, row)
        return kept

    def get(self, id: int) -> Document:
        """One document.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            document = cursor.execute(SQL.get, self._given(id=id)).fetchone()
        if document is None:
            raise self._not_found("document", id)
        return document

    def find(self, source: str) -> Document | None:
        """The document from that source, if there is one."""
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.find, self._given(source=source)).fetchone()

    def list(self, *, limit: int, after: Document | None = None) -> Sequence[Document]:
        """Documents, newest first; ``after`` is the last one of the page before."""
        given = self._given(limit=limit, before=after and after.created_at, before_id=after and after.id)
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.list, given).fetchall()

    def get_chunk(self, id: int) -> Chunk:
        """One chunk.

        Raises:
            NotFoundError: the agent has no chunk of that id.
        """
        with self._connection.cursor(row_factory=class_row(Chunk)) as cursor:
            chunk = cursor.execute(SQL.get_chunk, self._given(id=id)).fetchone()
        if chunk is None:
            raise self._not_found("chunk", id)
        return chunk

    def chunks(self, document_id: int, *, limit: int, after: Chunk | None = None) -> Sequence[Chunk]:
        """Chunks in the order of the document; ``after`` is the last one of the page before."""
        given = self._given(
            document_id=document_id,
            limit=limit,
            after=-1 if after is None else after.chunk_index,
            after_id=-1 if after is None else after.id,
        )
        with self._connection.cursor(row_factory=class_row(Chunk)) as cursor:
            return cursor.execute(SQL.chunks, given).fetchall()

    def update(
        self,
        id: int,
        *,
        change_id: UUID,
        title: str | None = None,
        source: str | None = None,
        metadata: Json | None = None,
    ) -> Document:
        """Change what is given, keep the rest."""
        given = self._given(
            id=id,
            change_id=change_id,
            title=title,
            source=source,
            metadata=None if metadata is None else Jsonb(metadata),
        )
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            document = cursor.execute(SQL.update, given).fetchone()
        if document is None:
            raise self._not_found("document", id)
        return document

    def delete(self, id: int, *, change_id: UUID) -> None:
        """Remove a document with its chunks, keeping them in the history.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        if self._connection.execute(SQL.delete, self._given(id=id, change_id=change_id)).fetchone() is None:
            raise self._not_found("document", id)

    def count(self) -> int:
        row = self._connection.execute(SQL.count, self._given()).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        return int(row[0])

    def _given(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}

    def _not_found(self, what: str, id: int) -> NotFoundError:
        return NotFoundError(f"agent {self._author.agent_id!r} has no {what} {id}")


def _columns(batch: Sequence[NewChunk]) -> dict[str, Any]:
    return {
        "chunk_text": [c.chunk_text for c in batch],
        "heading_path": [Jsonb([*c.heading_path]) for c in batch],
        "page": [c.page for c in batch],
        "char_start": [c.char_start for c in batch],
        "char_end": [c.char_end for c in batch],
        "tokens": [c.tokens for c in batch],
        "metadata": [Jsonb(c.metadata or {}) for c in batch],
        "embedding": [c.embedding for c in batch],
    }
