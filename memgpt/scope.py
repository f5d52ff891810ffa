"""One agent's memory as one actor sees it: where it is stored, how texts become vectors, who is writing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from uuid import UUID, uuid4

from pgvector import Vector
from psycopg.rows import class_row

from memgpt.config import NO_MODEL, Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings import EmbeddingModel, Purpose
from memgpt.errors import ConfigurationError, ModelMismatchError
from memgpt.models import Author

SQL = queries.beside(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The embedding model the stored vectors are of."""

    name: str
    dimensions: int


class Scope:
    """What every part of a memory works with. Threads may share it; each has its own open transaction."""

    def __init__(self, database: Database, author: Author, embedder: EmbeddingModel, options: Settings) -> None:
        self.database = database
        self.author = author
        self.options = options
        self._embedder = embedder
        self._open = threading.local()
        self._agent_exists = False
        self.changes = 0
        """Changes made so far: what was counted before the last one may be out of date."""

    @property
    def language(self) -> str:
        return self.options.language

    @property
    def agent_id(self) -> str:
        return self.author.agent_id

    def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a connection: the open transaction's if this thread has one, else one of its own."""
        connection = self._connection()
        return work(connection) if connection is not None else self.database.read(work)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction around everything this thread does to the memory inside; nested calls join it."""
        connection = self._connection()
        if connection is not None:
            yield connection
            return
        with self.database.transaction() as connection:
            self._open.connection = connection
            try:
                yield connection
            finally:
                self._open.connection = None

    @contextmanager
    def change(self) -> Iterator[tuple[Connection, UUID]]:
        """A transaction for one change, with the id its history entries share."""
        with self.transaction() as connection:
            if not self._agent_exists:
                connection.execute(SQL.ensure_agent, {"agent_id": self.agent_id})
            yield connection, uuid4()
        self.changes += 1
        self._agent_exists = self._connection() is None  # inside an outer transaction it may still be rolled back

    def agent_forgotten(self) -> None:
        """The agent's row is gone: the next change makes it again."""
        self._agent_exists = False

    def _connection(self) -> Connection | None:
        return getattr(self._open, "connection", None)

    @cached_property
    def model(self) -> ActiveModel:
        """The model of the stored vectors. Read once; a switch of the model is noticed by the statement that fails.

        Raises:
            ConfigurationError: the database has no record of a model.
            ModelMismatchError: the configured model is another one.
        """

        def work(connection: Connection) -> ActiveModel | None:
            with connection.cursor(row_factory=class_row(ActiveModel)) as cursor:
                return cursor.execute(SQL.active_model).fetchone()

        active = self.read(work)
        if active is None:
            raise ConfigurationError(
                "the database does not say which embedding model it holds: run `memgpt db migrate`"
            )
        if self._embedder.name not in (NO_MODEL, active.name):
            raise ModelMismatchError(
                f"the memory holds vectors of {active.name!r}, but {self._embedder.name!r} is configured. "
                f"Set MEMGPT_EMBEDDING_MODEL={active.name}, or change the stored vectors: "
                f"`memgpt reembed --to {self._embedder.name}`"
            )
        return active

    @property
    def embeds(self) -> bool:
        """False when the caller brings the vectors."""
        return self._embedder.name != NO_MODEL

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> list[Vector | None]:
        """One vector per text; all None when the caller brings the vectors. Call it before opening a transaction."""
        if not self.embeds or not texts:
            return [None] * len(texts)
        assert self.model  # noqa: S101 - raises where the stored vectors are another model's
        return [Vector(row) for row in self._embedder.embed(texts, purpose=purpose)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the embedding model's tokenizer."""
        return self._embedder.count_tokens(texts)
