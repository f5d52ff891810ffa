"""One agent's memory as one actor sees it: where it is stored, how texts become vectors, who is writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from pgvector import Vector

from memgpt import embeddings, validation
from memgpt.config import AUTOMATIC, Settings
from memgpt.database import languages, queries
from memgpt.database.connection import Connection, Database
from memgpt.database.visibility import NewRows
from memgpt.embeddings import EmbeddingModel, Purpose
from memgpt.embeddings.active_model import ActiveModelTracker
from memgpt.embeddings.cache import DatabaseCache, cached
from memgpt.models import ActiveModel, Author
from memgpt.scope import units
from memgpt.scope.units import Unit
from memgpt.telemetry import span

SQL = queries.beside(__name__)

T = TypeVar("T")


class AgentScope:
    """Agent, author, connection and embedding model of a memory. Threads and tasks may share it; each has its own open
    transaction."""

    def __init__(self, database: Database, author: Author, embedder: EmbeddingModel, options: Settings) -> None:
        self.database = database
        self.author = author
        self.options = options
        self._cache = DatabaseCache(database, author.agent_id, self._connection)
        self._models = ActiveModelTracker(database, cached(embedder, self._cache), self._switched_to)
        self.new_rows = NewRows(database)
        """What batches wrote: many rows are vacuumed when their transaction has ended."""

    @property
    def language(self) -> str:
        """The configuration of what does not tell its language, and of every query, beside those of the texts."""
        setting = self.options.language
        return languages.DEFAULT if setting == AUTOMATIC else setting

    def languages_of(self, connection: Connection, texts: Sequence[str], *, guarded: bool = False) -> Sequence[str]:
        """Return the text search configuration of each text that is to be written, and note it for the agent's
        searches; a ``guarded`` statement notes it itself, where it makes the agent's row."""
        names = languages.configurations(texts, self.options.language)
        if not guarded or self.database.server.citus:
            self.note_languages(connection, names)
        return names

    def note_languages(self, connection: Connection, names: Iterable[str]) -> None:
        """Have the agent's searches look for texts in these, beside those in the default one."""
        if others := languages.noted(names):
            statement = queries.compose(SQL.note_languages, note=languages.SQL.note)
            connection.execute(statement, {"agent_id": self.agent_id, "noted": others})

    @property
    def agent_id(self) -> str:
        return self.author.agent_id

    def read(self, work: Callable[[Connection], T], model_of: Callable[[T], ActiveModel | None] | None = None) -> T:
        """``work`` on a connection: the open transaction's if the caller is in one, else one of its own.

        ``model_of`` reads the active embedding model from a result that carries it, which saves a statement.
        """
        unit = units.current(self)
        if unit is None or unit.connection is None:
            return self._models.read(work, model_of)
        with unit.call() as connection:
            return work(connection)

    @contextmanager
    def unit_of_work(self) -> Iterator[Connection]:
        """One transaction around what the caller does to the memory inside; within another one, a savepoint."""
        with self._open(call=False) as connection:
            yield connection

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the agent's people: days of prompts and questions are its."""
        parameters = {"agent_id": self.agent_id}
        row = self.read(lambda connection: connection.execute(SQL.time_zone, parameters).fetchone())
        return ZoneInfo((row and row[0]) or "UTC")

    def set_zone(self, name: str | None) -> None:
        """Give the agent a time zone, or UTC again."""
        with self.transaction() as connection:
            connection.execute(SQL.set_time_zone, {"agent_id": self.agent_id, "time_zone": name})

    @property
    def in_transaction(self) -> bool:
        """Whether the caller is in an open transaction of this memory, in which it sees what others do not see yet."""
        return units.current(self) is not None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction around one call, or that call's part of the open one: what fails leaves nothing of itself,
        and calls inside are parts of it."""
        with self._open(call=True) as connection:
            yield connection

    @contextmanager
    def _open(self, *, call: bool) -> Iterator[Connection]:
        unit = units.current(self)
        if unit is None:
            with units.opened(self, self._begin, call=call) as unit:
                assert unit.connection is not None  # noqa: S101 - it has begun
                yield unit.connection
        else:
            with unit.call() if call else unit.savepoint() as connection:
                yield connection

    @contextmanager
    def lazy_transaction(self) -> Iterator[None]:
        """Everything the caller does to the memory inside is one transaction, which begins with the first write: what
        comes before it, such as embedding a text, holds no connection."""
        with units.opened(self, self._begin, call=True, at_once=False):
            yield

    @contextmanager
    def change(self) -> Iterator[tuple[Connection, UUID]]:
        """Open a transaction for one change, with the id its history entries share."""
        unit = units.current(self)
        if unit is None:
            with units.opened(self, self._begin_change, call=True) as unit:
                assert unit.connection is not None  # noqa: S101 - it has begun
                yield unit.connection, uuid4()
                unit.changed = True
        else:
            with unit.call() as connection:
                connection.execute(SQL.ensure_agent, {"agent_id": self.agent_id})
                yield connection, unit.change_id or uuid4()
                unit.changed = True

    def write(self, work: Callable[[Connection, UUID, ActiveModel], tuple[ActiveModel, T]]) -> T:
        """Return what ``work`` answers beside the active model: a change in one statement, which, outside of a
        transaction, is a transaction of its own. It makes the agent's row, and writes only where the embedding model it
        is given is the active one (:mod:`memgpt.database.single_statement`).
        """

        def alone(connection: Connection, model: ActiveModel) -> tuple[ActiveModel, T]:
            with self._with_payments(connection):
                return work(connection, uuid4(), model)

        if units.current(self) is None and not self.database.server.citus:
            result = self._models.write(alone)
            self.new_rows.vacuum()
            return result
        with self._part_of_change() as (connection, change_id):
            return work(connection, change_id, self._models.active(connection))[1]

    def edit(self, work: Callable[[Connection, UUID], T]) -> T:
        """Run a single statement that writes and has to do with no vectors."""
        if units.current(self) is None and not self.database.server.citus:
            with self.database.connection() as connection, self._with_payments(connection):
                return work(connection, uuid4())
        with self._part_of_change() as (connection, change_id):
            return work(connection, change_id)

    @contextmanager
    def _part_of_change(self) -> Iterator[tuple[Connection, UUID]]:
        """Open a transaction for a statement that makes the agent's row itself; on Citus none does."""
        unit = units.current(self)
        if unit is None or self.database.server.citus:
            with self.change() as change:
                yield change
        else:
            with unit.call() as connection:
                yield connection, unit.change_id or uuid4()
                unit.changed = True

    @contextmanager
    def _with_payments(self, connection: Connection) -> Iterator[None]:
        """Send what the agent's models were paid for in the same flush as the statement inside."""
        if not self._cache.waits:
            yield
            return
        with self._cache.settling() as settle, connection.one_flush():
            settle(connection)
            yield

    @contextmanager
    def single_change(self) -> Iterator[UUID]:
        """One transaction around everything the caller does inside, and one change, which ``undo`` takes back as a
        whole."""
        with self.transaction():
            unit = units.current(self)
            assert unit is not None  # noqa: S101 - it was just opened
            outer = unit.change_id
            unit.change_id = change_id = outer or uuid4()
            try:
                yield change_id
            finally:
                unit.change_id = outer

    def write_payments(self) -> None:
        """Write down now what models were paid for, which reads leave to the next write."""
        self._cache.settle()

    @contextmanager
    def _begin(self, unit: Unit) -> Iterator[Connection]:
        with self._begun(unit) as connection:
            self._models.hold(connection)
            yield connection

    @contextmanager
    def _begin_change(self, unit: Unit) -> Iterator[Connection]:
        """Begin a unit of work, and make sure that the agent has a row."""
        agent = {"agent_id": self.agent_id}
        with self._begun(unit) as connection:
            if self.database.server.citus:  # where an agent's row lies elsewhere than the models
                connection.execute(SQL.ensure_agent, agent)
                self._models.hold(connection)
            else:
                self._models.hold(connection, SQL.begin_change, agent)
            yield connection

    @contextmanager
    def _begun(self, unit: Unit) -> Iterator[Connection]:
        with self._cache.settling() as settle, self.database.transaction() as connection:
            yield connection
            if unit.changed:
                settle(connection)
        self.new_rows.vacuum()

    def _switched_to(self, model: ActiveModel) -> EmbeddingModel:
        """Load the model the memory was switched to, from the same provider settings."""
        changes = {"embedding_model": model.name, "embedding_dimensions": model.dimensions}
        return cached(embeddings.from_settings(self.options.model_copy(update=changes)), self._cache)

    def _connection(self) -> Connection | None:
        unit = units.current(self)
        return unit.connection if unit else None

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

    def repeat_on_switch(self, work: Callable[[], T]) -> T:
        """``work``, which embeds texts and then reads or writes with the vectors; again, from its beginning, where the
        memory's model was switched in between. It may run several times: what it does before is no effect of its own.
        """
        return self._models.repeat(work)

    def hold_model(self, connection: Connection) -> None:
        """Keep the memory's model from being switched until a transaction ends that is not the scope's own."""
        self._models.hold(connection)
        self._models.active(connection)  # here: another connection would wait for a switch that waits for this one

    @property
    def reads_context(self) -> bool:
        """Whether the embedding model reads a turn together with those before it."""
        return self.embeds and self._models.reads_context

    def embed(
        self, texts: Sequence[str], *, purpose: Purpose = "document", before: Sequence[Sequence[str]] = ()
    ) -> list[Vector | None]:
        """Return one vector per text; all None when the caller brings the vectors. ``before`` has the texts before
        each, for a model that reads them together.

        It is called in work for :meth:`repeat_on_switch`, before that opens a transaction, or in an open transaction.
        """
        if not self.embeds or not texts:
            return [None] * len(texts)
        with span("embed", purpose=purpose):
            normal = [validation.normal(text) for text in texts]
            return [*self._models.embed(normal, purpose, self._connection(), before)]

    def warm_embedding_cache(self, texts: Sequence[str]) -> None:
        """Have the vectors of texts ready before a transaction embeds them, where a provider is asked for them: a slow
        one holds no lock."""
        if self.embeds and self._models.remembers and texts:
            with span("embed", purpose="document"):
                self._models.warm([validation.normal(text) for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the embedding model's tokenizer."""
        return self._models.count_tokens(texts)
