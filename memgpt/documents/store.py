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


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Source and content hash of a document, by which it is recognised."""

    id: int
    source: str | None
    content_hash: str | None


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
        languages: Sequence[str],
        embedding_model: str | None,
    ) -> Document | None:
        """Create a document with its chunks; None, and nothing written, when the agent has its source already."""
        parameters = self._parameters(
            change_id=change_id,
            title=document.title,
            source=document.source,
            media_type=document.media_type,
            content_hash=document.content_hash,
            tokens=sum(chunk.tokens or 0 for chunk in chunks),
            metadata=Jsonb(document.metadata or {}),
        )
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            row = cursor.execute(SQL.insert, parameters).fetchone()
        if row is not None:
            how = {"change_id": change_id, "embedding_model": embedding_model}
            self._insert_chunks(row.id, list(enumerate(chunks)), languages, **how)
        return row

    def replace(
        self,
        id: int,
        document: NewDocument,
        chunks: Sequence[NewChunk | tuple[int, NewChunk]],
        *,
        expected_hash: str | None,
        change_id: UUID,
        languages: Sequence[str],
        embedding_model: str | None,
    ) -> Document | None:
        """Give a document a new content. A chunk that is there already comes as (its id, itself), and keeps its vector.

        None, and nothing written, when the document is gone or its content is another than ``expected_hash``.
        """
        row = self._connection.execute(SQL.lock, self._parameters(id=id)).fetchone()
        if row is None or row[0] != expected_hash:
            return None
        new = [(n, chunk) for n, chunk in enumerate(chunks) if isinstance(chunk, NewChunk)]
        unchanged = [(n, *chunk) for n, chunk in enumerate(chunks) if not isinstance(chunk, NewChunk)]
        there = self._connection.execute(SQL.chunk_ids, self._parameters(document_id=id)).fetchall()
        gone = {row[0] for row in there} - {chunk_id for _, chunk_id, _ in unchanged}
        if gone:
            self._connection.execute(SQL.delete_chunks, self._parameters(ids=[*gone], change_id=change_id))
        self._move_chunks(unchanged, change_id)
        self._insert_chunks(id, new, languages, change_id=change_id, embedding_model=embedding_model)
        parameters = self._parameters(
            id=id,
            change_id=change_id,
            title=document.title,
            media_type=document.media_type,
            content_hash=document.content_hash,
            tokens=sum(c.tokens or 0 for _, c in new) + sum(c.tokens or 0 for _, _, c in unchanged),
            metadata=Jsonb(document.metadata or {}),
        )
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.renew, parameters).fetchone()

    def _insert_chunks(
        self, document_id: int, chunks: Sequence[tuple[int, NewChunk]], languages: Sequence[str], **how: Any
    ) -> None:
        for first in range(0, len(chunks), BATCH):
            batch = chunks[first : first + BATCH]
            columns = {"chunk_index": [n for n, _ in batch], **_columns([chunk for _, chunk in batch])}
            columns["language"] = [*languages[first : first + BATCH]]
            self._connection.execute(SQL.insert_chunks, self._parameters(document_id=document_id, **how, **columns))

    def _move_chunks(self, chunks: Sequence[tuple[int, int, NewChunk]], change_id: UUID) -> None:
        for first in range(0, len(chunks), BATCH):
            batch = chunks[first : first + BATCH]
            parameters = self._parameters(
                change_id=change_id,
                ids=[id for _, id, _ in batch],
                chunk_index=[n for n, _, _ in batch],
                page=[chunk.page for _, _, chunk in batch],
                char_start=[chunk.char_start for _, _, chunk in batch],
                char_end=[chunk.char_end for _, _, chunk in batch],
                metadata=[Jsonb(chunk.metadata or {}) for _, _, chunk in batch],
            )
            self._connection.execute(SQL.move_chunks, parameters)

    def fingerprints(self, sources: Sequence[str] | None = None, hashes: Sequence[str] = ()) -> Sequence[Fingerprint]:
        """Return the fingerprints of the documents from these sources or of these contents; of all documents by
        default."""
        parameters = self._parameters(sources=None if sources is None else [*sources], hashes=[*hashes])
        with self._connection.cursor(row_factory=class_row(Fingerprint)) as cursor:
            return cursor.execute(SQL.fingerprints, parameters).fetchall()

    def all_chunks(self, document_id: int) -> Sequence[Chunk]:
        """Every chunk of a document, in its order."""
        with self._connection.cursor(row_factory=class_row(Chunk)) as cursor:
            return cursor.execute(SQL.all_chunks, self._parameters(document_id=document_id)).fetchall()

    def get(self, id: int) -> Document:
        """One document.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            document = cursor.execute(SQL.get, self._parameters(id=id)).fetchone()
        if document is None:
            raise self._not_found("document", id)
        return document

    def find(self, source: str) -> Document | None:
        """Return the document from that source, if there is one."""
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.find, self._parameters(source=source)).fetchone()

    def list(self, *, limit: int, after: Document | None = None) -> Sequence[Document]:
        """Documents, newest first; ``after`` is the last one of the page before."""
        parameters = self._parameters(limit=limit, before=after and after.created_at, before_id=after and after.id)
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.list, parameters).fetchall()

    def get_chunk(self, id: int) -> Chunk:
        """One chunk.

        Raises:
            NotFoundError: the agent has no chunk of that id.
        """
        with self._connection.cursor(row_factory=class_row(Chunk)) as cursor:
            chunk = cursor.execute(SQL.get_chunk, self._parameters(id=id)).fetchone()
        if chunk is None:
            raise self._not_found("chunk", id)
        return chunk

    def chunks(self, document_id: int, *, limit: int, after: Chunk | None = None) -> Sequence[Chunk]:
        """Chunks in the order of the document; ``after`` is the last one of the page before."""
        parameters = self._parameters(
            document_id=document_id,
            limit=limit,
            after=-1 if after is None else after.chunk_index,
            after_id=-1 if after is None else after.id,
        )
        with self._connection.cursor(row_factory=class_row(Chunk)) as cursor:
            return cursor.execute(SQL.chunks, parameters).fetchall()

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
        parameters = self._parameters(
            id=id,
            change_id=change_id,
            title=title,
            source=source,
            metadata=None if metadata is None else Jsonb(metadata),
        )
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            document = cursor.execute(SQL.update, parameters).fetchone()
        if document is None:
            raise self._not_found("document", id)
        return document

    def learn(self, id: int, *, title: str | None, metadata: Json, change_id: UUID) -> Document | None:
        """Merge metadata into a document and give it a title, if one is named; None where nothing is new."""
        parameters = self._parameters(id=id, change_id=change_id, title=title, metadata=Jsonb(metadata))
        with self._connection.cursor(row_factory=class_row(Document)) as cursor:
            return cursor.execute(SQL.learn, parameters).fetchone()

    def delete(self, id: int, *, change_id: UUID) -> None:
        """Remove a document with its chunks, keeping them in the history.

        Raises:
            NotFoundError: the agent has no document of that id.
        """
        if self._connection.execute(SQL.delete, self._parameters(id=id, change_id=change_id)).fetchone() is None:
            raise self._not_found("document", id)

    def count(self) -> int:
        row = self._connection.execute(SQL.count, self._parameters()).fetchone()
        assert row is not None  # noqa: S101 - count(*) always gives one row
        return int(row[0])

    def _parameters(self, **values: Any) -> dict[str, Any]:
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
