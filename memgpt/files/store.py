"""Files and the passages search finds them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pgvector import Vector
from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.models import Author, File, FileEntry, Json

SQL = queries.beside(__name__)

BATCH: Final = 500
"""Rows sent in one statement: about 3 MB at 1536 dimensions."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file says, and where."""

    path: str
    content: str
    metadata: Json


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage to be kept, embedded."""

    chunk_text: str
    heading_path: Sequence[str]
    tokens: int
    metadata: Json
    embedding: Vector | None
    language: str


@dataclass(frozen=True, slots=True)
class PassageKey:
    """A passage that is there, by what distinguishes it."""

    id: int
    context: str | None
    chunk_text: str


class FileStore:
    """The rows of ``files`` and ``file_chunks`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._author = author

    def lock(self) -> None:
        """Let nobody else make or move a file until the end of the transaction."""
        self._connection.execute(SQL.lock, self._parameters())

    def in_the_way(self, path: str, parents: Sequence[str]) -> str | None:
        """Return the path of what keeps another from being a file's, if anything does."""
        parameters = self._parameters(path=path, parents=[*parents])
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.in_the_way, parameters).fetchone()

    def get(self, id: int) -> File | None:
        with self._connection.cursor(row_factory=class_row(File)) as cursor:
            return cursor.execute(SQL.get, self._parameters(id=id)).fetchone()

    def find(self, path: str) -> File | None:
        with self._connection.cursor(row_factory=class_row(File)) as cursor:
            return cursor.execute(SQL.find, self._parameters(path=path)).fetchone()

    def list(self, directory: str, *, limit: int, after: str | None = None) -> Sequence[FileEntry]:
        """Return the files below a directory ("" holds all), by path, those ``after`` one."""
        parameters = self._parameters(directory=directory, limit=limit, after=after)
        with self._connection.cursor(row_factory=class_row(FileEntry)) as cursor:
            return cursor.execute(SQL.list, parameters).fetchall()

    def passages(self, file_id: int) -> Sequence[PassageKey]:
        with self._connection.cursor(row_factory=class_row(PassageKey)) as cursor:
            return cursor.execute(SQL.passages, self._parameters(file_id=file_id)).fetchall()

    def insert(
        self, state: FileState, passages: Sequence[NewPassage], *, change_id: UUID, embedding_model: str
    ) -> File:
        with self._connection.cursor(row_factory=class_row(File)) as cursor:
            file = cursor.execute(SQL.insert, self._parameters(change_id=change_id, **_columns(state))).fetchone()
        assert file is not None  # noqa: S101 - an insert gives its row
        self._insert_passages(file.id, passages, change_id=change_id, embedding_model=embedding_model)
        return file

    def replace(
        self,
        before: File,
        state: FileState,
        gone: Sequence[int],
        passages: Sequence[NewPassage],
        *,
        change_id: UUID,
        embedding_model: str,
    ) -> File | None:
        """Change a file; None, and nothing written, where it has another version than ``before``."""
        parameters = self._parameters(id=before.id, version=before.version, change_id=change_id, **_columns(state))
        with self._connection.cursor(row_factory=class_row(File)) as cursor:
            file = cursor.execute(SQL.update, parameters).fetchone()
        if file is not None:
            if gone:
                self._connection.execute(SQL.delete_passages, self._parameters(ids=[*gone], change_id=change_id))
            self._insert_passages(file.id, passages, change_id=change_id, embedding_model=embedding_model)
        return file

    def move(self, directory: str, to: str, *, change_id: UUID) -> Sequence[str]:
        """Move everything below a directory; return the new paths."""
        parameters = self._parameters(directory=directory, to=to, change_id=change_id)
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.move, parameters).fetchall()

    def delete(self, path: str, *, version: int | None, change_id: UUID) -> Sequence[str]:
        """Remove a file, or everything below a directory; return the paths that were removed."""
        parameters = self._parameters(path=path, version=version, change_id=change_id)
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SQL.delete, parameters).fetchall()

    def _insert_passages(self, file_id: int, passages: Sequence[NewPassage], **how: Any) -> None:
        for first in range(0, len(passages), BATCH):
            batch = passages[first : first + BATCH]
            columns = {
                "chunk_text": [passage.chunk_text for passage in batch],
                "heading_path": [Jsonb([*passage.heading_path]) for passage in batch],
                "tokens": [passage.tokens for passage in batch],
                "metadata": [Jsonb(passage.metadata) for passage in batch],
                "language": [passage.language for passage in batch],
                "embedding": [passage.embedding for passage in batch],
            }
            self._connection.execute(SQL.insert_passages, self._parameters(file_id=file_id, **how, **columns))

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._author.agent_id, "actor": self._author.actor, **values}


def _columns(state: FileState) -> dict[str, Any]:
    return {"path": state.path, "content": state.content, "metadata": Jsonb(state.metadata)}
