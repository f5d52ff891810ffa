"""One agent's memory as one actor sees it: where it is stored, how texts become vectors, who is writing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar
from uuid import UUID, uuid4

from pgvector import Vector

from memgpt import embeddings
from memgpt.config import Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings import EmbeddingModel, Purpose
from memgpt.embeddings.cache import DatabaseCache, cached
from memgpt.following import ActiveModel, Following
from memgpt.models import Author
from memgpt.spans import span

SQL = queries.beside(__name__)

T = TypeVar("T")


class Scope:
    """What every part of a memory works with. Threads may share it; each has its own open transaction."""

    def __init__(self, database: Database, author: Author, embedder: EmbeddingModel, options: Settings) -> None:
        self.database = database
        self.author = author
        self.options = options
        self._open = threading.local()
        self._cache = DatabaseCache(database, author.agent_id, self._connection)
        self._models = Following(database, cached(embedder, self._cache), self._switched_to)
        self._agent_exists = False
        self.changes = 0
        """Changes made so far: what was counted before the last one may be out of date."""
        self.links = 0
        """Times names were taken from texts: the next search asks whether there are any."""

    @property
    def language(self) -> str:
        return self.options.language

    @property
    def agent_id(self) -> str:
        return self.author.agent_id

    def read(self, work: Callable[[Connection], T], told: Callable[[T], ActiveModel | None] | None = None) -> T:
        """``work`` on a connection: the open transaction's if this thread has one, else one of its own.

        ``told`` takes the active embedding model from an answer that tells it, which spares a statement.
        """
        connection = self._connection()
        return work(connection) if connection is not None else self._models.read(work, told)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction around everything this thread does to the memory inside; nested calls join it."""
        connection = self._connection()
        if connection is not None:
            yield connection
            return
        together: ExitStack | None = getattr(self._open, "together", None)
        if together is not None:
            yield together.enter_context(self._begun())
            return
        with self._begun() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything this thread does to the memory inside is one transaction, which begins with the first write: what
        comes before it, such as embedding a text, holds no connection."""
        with ExitStack() as stack:
            self._open.together = stack
            try:
                yield
            finally:
                self._open.together = None

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with self.database.transaction() as connection:
            self._open.connection = connection
            try:
                self._models.hold(connection)
                yield connection
            finally:
                self._open.connection = None

    @contextmanager
    def change(self) -> Iterator[tuple[Connection, UUID]]:
        """A transaction for one change, with the id its history entries share."""
        with self.transaction() as connection:
            if not self._agent_exists:
                connection.execute(SQL.ensure_agent, {"agent_id": self.agent_id})
            yield connection, getattr(self._open, "change_id", None) or uuid4()
            self._open.changed = True  # that the agent exists is known once this is committed
        self.changes += 1

    @contextmanager
    def one_change(self) -> Iterator[UUID]:
        """One transaction around everything this thread does inside, and one change, which ``undo`` takes back as a
        whole."""
        with self.transaction():
            self._open.change_id = uuid4()
            try:
                yield self._open.change_id
            finally:
                self._open.change_id = None

    def agent_forgotten(self) -> None:
        """The agent's row is gone: the next change makes it again."""
        self._agent_exists = self._open.changed = False

    def _switched_to(self, model: ActiveModel) -> EmbeddingModel:
        """The model the memory was switched to, from the same provider settings."""
        changes = {"embedding_model": model.name, "embedding_dimensions": model.dimensions}
        return cached(embeddings.from_settings(self.options.model_copy(update=changes)), self._cache)

    def _connection(self) -> Connection | None:
        return getattr(self._open, "connection", None)

    @property
    def model(self) -> ActiveModel:
        """The model of the stored vectors.

        Raises:
            ConfigurationError: the database has no record of a model.
            ModelMismatchError: the configured model is another one, or the memory's cannot be used here.
        """
        return self._models.active(self._connection())

    @property
    def embeds(self) -> bool:
        """False when the caller brings the vectors."""
        return self._models.embeds

    @property
    def remembers_vectors(self) -> bool:
        """Whether a text that was embedded costs nothing the next time: so where a provider is paid for it."""
        return self._models.remembers

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> list[Vector | None]:
        """One vector per text; all None when the caller brings the vectors. Call it before opening a transaction.

        Where the memory's model is switched meanwhile, the vectors change with it before they are used.
        """
        if not self.embeds or not texts:
            return [None] * len(texts)
        with span("embed", purpose=purpose):
            return [*self._models.embed(texts, purpose, self._connection())]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the embedding model's tokenizer."""
        return self._models.count_tokens(texts)
