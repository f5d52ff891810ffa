"""The active embedding model: a process keeps to the database's, even if it is switched while the process runs.

A switch (:mod:`memgpt.reembed`) takes the table ``embedding_models`` for itself, changes the columns and commits. So:

- a transaction that has read the active model holds it until it ends (``hold``): no writer can meet the switch halfway;
- a read outside a transaction looks at the active model afterwards: when it is still the one its vectors are of, all of
  the read was before the switch (``read``); a statement that is a transaction by itself names the model it writes for
  (``write``).

Where the model is another one, nothing was written yet, and the unit of work begins again with its texts (``repeat``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg
from pgvector import Vector
from psycopg.rows import class_row

from memgpt.config import NO_MODEL
from memgpt.database import forks, queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings import EmbeddingModel, Purpose, Vectors, checked
from memgpt.embeddings.base import ContextualModel
from memgpt.embeddings.cache import Cached
from memgpt.errors import ConfigurationError, MemgptError, ModelMismatchError
from memgpt.models import ActiveModel

SQL = queries.beside(__name__)

T = TypeVar("T")

_TRIES: Final = 5


@dataclass(slots=True, eq=False)
class _Attempt:
    """One attempt at a unit of work."""

    tracker: ActiveModelTracker
    model: ActiveModel | None = None
    """Of the vectors it has so far."""


class _ModelSwitchedError(Exception):
    """Vectors of an attempt are of a model that is not active any more; it wrote nothing with them."""

    def __init__(self, attempt: _Attempt) -> None:
        super().__init__()
        self.attempt = attempt


_attempts: ContextVar[tuple[_Attempt, ...]] = ContextVar("memgpt_attempts", default=())
"""The units of work that the running code is in, the outermost first."""


class ActiveModelTracker:
    """The embedding model of one process, kept the same as that of the memory. Threads may share it."""

    def __init__(
        self, database: Database, embedder: EmbeddingModel, load: Callable[[ActiveModel], EmbeddingModel]
    ) -> None:
        """``load`` finds the model that the memory was switched to."""
        self._database = database
        self._load = load
        self._configured = embedder.name
        self._embedder = embedder
        self._active: ActiveModel | None = None
        self._lock = forks.rlock()
        forks.register(self)

    def after_fork(self) -> None:
        """Ask the database anew for the active model: a thread of the parent may have been about to read it."""
        self._active = None

    @property
    def embeds(self) -> bool:
        """False when the caller brings the vectors."""
        return self._configured != NO_MODEL

    @property
    def remembers(self) -> bool:
        """Whether the embedder keeps the vectors it was paid for."""
        return isinstance(self._embedder, Cached)

    @property
    def reads_context(self) -> bool:
        """Whether the embedder reads a turn together with those before it."""
        return isinstance(self._embedder, ContextualModel)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def active(self, connection: Connection | None) -> ActiveModel:
        """Return the model of the stored vectors, which this process can use; read once and whenever it has changed."""
        with self._lock:
            if self._active is None:
                stored = _stored(connection) if connection else self._database.read(_stored)
                if stored is None:
                    raise ConfigurationError(
                        "the database does not say which embedding model it holds: run `memgpt db migrate`"
                    )
                self._use(stored, self._able(stored, connection))
            assert self._active is not None  # noqa: S101 - just set
            return self._active

    def repeat(self, work: Callable[[], T]) -> T:
        """Do a unit of work, which embeds texts and then reads or writes with the vectors; do it again from its
        beginning where the model was switched before that.
        """
        for _ in range(_TRIES):
            attempt = _Attempt(self)
            entered = _attempts.set((*_attempts.get(), attempt))
            try:
                return work()
            except _ModelSwitchedError as error:
                if error.attempt is not attempt:
                    raise
            finally:
                _attempts.reset(entered)
        raise _switched_again()

    def embed(
        self,
        texts: Sequence[str],
        purpose: Purpose,
        connection: Connection | None,
        before: Sequence[Sequence[str]] = (),
    ) -> Sequence[Vector]:
        """Return the vectors of texts for the unit of work around the call, or for the open transaction.

        ``before`` has the texts before each, for a model that reads them together.
        """
        with self._lock:
            model = self.active(connection)
            embedder = self._embedder
        attempt = next((each for each in reversed(_attempts.get()) if each.tracker is self), None)
        if attempt is not None:
            attempt.model = attempt.model or model
            self._compare(model)
        elif connection is None:
            raise RuntimeError("texts are embedded inside of a transaction, or of a unit of work that can be repeated")
        return [Vector(row) for row in _embedded(embedder, texts, purpose, before)]

    def warm(self, texts: Sequence[str]) -> None:
        """Have the vectors of texts in the embedder's cache."""
        with self._lock:
            self.active(None)
            embedder = self._embedder
        _embedded(embedder, texts, "document")

    def hold(
        self, connection: Connection, query: bytes = SQL.active_model, parameters: Mapping[str, str] | None = None
    ) -> None:
        """Keep the model from being switched until this transaction ends; it begins anew where that has happened.

        ``query`` reads it; it may do more.
        """
        self._notice(_stored(connection, query, parameters))

    def read(self, work: Callable[[Connection], T], model_of: Callable[[T], ActiveModel | None] | None = None) -> T:
        """``work`` on a connection of its own. Where it compares vectors, the model is looked at afterwards.

        ``model_of`` reads the active model from a result that carries it, which saves a statement.
        """
        if not any(attempt.tracker is self and attempt.model for attempt in _attempts.get()):
            return self._database.read(work)
        try:
            result, active = self._database.read(lambda connection: _with_model(connection, work, model_of))
        except MemgptError as error:
            if _tells_of_a_switch(error):
                # the search path's transaction is gone, so look on another connection
                self._notice(self._database.read(_stored))
            raise
        self._notice(active)
        return result

    def write(self, work: Callable[[Connection, ActiveModel], tuple[ActiveModel, T]]) -> T:
        """Return what ``work`` answers beside the active model: one statement on a connection of its own that writes
        only where the model it is given is the active one. Where the model was switched, it is repeated with the new
        one, or the unit of work is whose vectors it writes.
        """
        for _ in range(_TRIES):
            model = self.active(None)
            self._compare(model)
            try:
                with self._database.connection() as connection:
                    active, result = work(connection, model)
            except MemgptError as error:
                if not _tells_of_a_switch(error):  # it may have been planned before a switch
                    raise
                stored = self._database.read(_stored)
                self._notice(stored)
                if stored == model:
                    raise
            else:
                if active == model:
                    return result
                self._notice(active)
        raise _switched_again()

    def _notice(self, stored: ActiveModel | None) -> None:
        """Take note of the active model.

        Raises:
            _ModelSwitchedError: a unit of work has vectors of another one.
        """
        with self._lock:
            if stored != self._active:
                self._active = None
        self._compare(stored)

    def _compare(self, stored: ActiveModel | None) -> None:
        """Begin the outermost unit of work again that has vectors of another model."""
        for attempt in _attempts.get():
            if attempt.tracker is self and attempt.model not in (None, stored):
                raise _ModelSwitchedError(attempt)

    def _use(self, model: ActiveModel, embedder: EmbeddingModel) -> None:
        self._active, self._embedder = model, embedder

    def _able(self, model: ActiveModel, connection: Connection | None) -> EmbeddingModel:
        """Return who embeds for this model: the configured one, or after a switch that of the memory."""
        current = self._embedder
        if self._configured == NO_MODEL or (current.name, current.dimensions) == (model.name, model.dimensions):
            return current
        if current.name != model.name and not self._is_known(connection):
            raise ModelMismatchError(
                f"the memory holds vectors of {model.name!r}, but {self._configured!r} is configured. "
                f"Set MEMGPT_EMBEDDING_MODEL={model.name}, or change the stored vectors: "
                f"`memgpt reembed --to {self._configured}`"
            )
        try:
            return self._load(model)
        except ConfigurationError as error:
            raise ModelMismatchError(
                f"the memory was switched from {self._configured!r} to {model.name!r}, which cannot be used here "
                f"({error}). Set MEMGPT_EMBEDDING_MODEL={model.name} and what it needs, or take the switch back: "
                "`memgpt reembed --rollback`"
            ) from error

    def _is_known(self, connection: Connection | None) -> bool:
        """Return whether the configured model is this memory's, or was before a switch."""
        parameters = {"name": self._configured}
        row = (
            connection.execute(SQL.is_known, parameters).fetchone()
            if connection
            else self._database.read(lambda c: c.execute(SQL.is_known, parameters).fetchone())
        )
        return bool(row and row[0])


def _embedded(
    embedder: EmbeddingModel, texts: Sequence[str], purpose: Purpose, before: Sequence[Sequence[str]] = ()
) -> Vectors:
    """Return one comparable vector per text, whatever the model is and wherever it is from."""
    if before and isinstance(embedder, ContextualModel):
        vectors = embedder.embed_in_context(texts, before)
    else:
        vectors = embedder.embed(texts, purpose=purpose)
    return checked(embedder.name, vectors, count=len(texts), dimensions=None)


def _tells_of_a_switch(error: MemgptError) -> bool:
    """Return whether an error may be one of vectors of different lengths or types."""
    return isinstance(error.__cause__, psycopg.errors.DataException | psycopg.errors.UndefinedFunction)


def _switched_again() -> ModelMismatchError:
    return ModelMismatchError("the embedding model of the memory is switched again and again: try later")


def _with_model(
    connection: Connection, work: Callable[[Connection], T], model_of: Callable[[T], ActiveModel | None] | None
) -> tuple[T, ActiveModel | None]:
    result = work(connection)
    return result, (model_of(result) if model_of else None) or _stored(connection)


def _stored(
    connection: Connection, query: bytes = SQL.active_model, parameters: Mapping[str, str] | None = None
) -> ActiveModel | None:
    with connection.cursor(row_factory=class_row(ActiveModel)) as cursor:
        return cursor.execute(query, parameters).fetchone()
