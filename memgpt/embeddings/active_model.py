"""Following the model of the stored vectors, also when it is switched under a running process.

A switch (:mod:`memgpt.reembed`) takes the table ``embedding_models`` for itself, changes the columns and commits. So:

- a transaction that has read the active model holds it until it ends (``hold``): no writer can meet the switch halfway;
- a read outside a transaction looks at the active model afterwards: when it is still the one its vectors are of, all of
  the read was before the switch; otherwise its vectors are made again by the new model and it is repeated (``read``).

For that, vectors made here remember their texts (``Embedded``), and are replaced where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import psycopg
from pgvector import Vector
from psycopg.rows import class_row

from memgpt.config import NO_MODEL
from memgpt.database import forks, queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings import EmbeddingModel, Purpose, Vectors, checked
from memgpt.embeddings.cache import Cached
from memgpt.errors import ConfigurationError, MemgptError, ModelMismatchError

SQL = queries.beside(__name__)

T = TypeVar("T")

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The embedding model the stored vectors are of."""

    name: str
    dimensions: int


class Embedded(Vector):
    """A vector that can be made again from its text when the memory's model has changed."""

    def __init__(self, vector: Vector, text: str, purpose: Purpose, model: ActiveModel) -> None:
        self._value = vector._value
        self.text = text
        self.purpose = purpose
        self.model = model

    def become(self, vector: Vector, model: ActiveModel) -> None:
        self._value, self.model = vector._value, model


class Following:
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
        self._followed = 0
        self._lock = forks.RLock()
        self._made: WeakValueDictionary[int, Embedded] = WeakValueDictionary()
        forks.register(self)

    def after_fork(self) -> None:
        """Ask the database anew for the active model: a thread of the parent may have been about to follow it."""
        self._active = None

    @property
    def embeds(self) -> bool:
        """False when the caller brings the vectors."""
        return self._configured != NO_MODEL

    @property
    def remembers(self) -> bool:
        """Whether the embedder keeps the vectors it was paid for."""
        return isinstance(self._embedder, Cached)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def active(self, connection: Connection | None) -> ActiveModel:
        """The model of the stored vectors, which this process can use; read once and whenever it has changed."""
        with self._lock:
            if self._active is None:
                found = _stored(connection) if connection else self._database.read(_stored)
                if found is None:
                    raise ConfigurationError(
                        "the database does not say which embedding model it holds: run `memgpt db migrate`"
                    )
                self._use(found, self._able(found, connection))
            assert self._active is not None  # noqa: S101 - just set
            return self._active

    def embed(self, texts: Sequence[str], purpose: Purpose, connection: Connection | None) -> Sequence[Embedded]:
        with self._lock:
            model = self.active(connection)
            embedder = self._embedder
        rows = _embedded(embedder, texts, purpose)
        vectors = [Embedded(Vector(row), text, purpose, model) for row, text in zip(rows, texts, strict=True)]
        with self._lock:
            self._made.update((id(vector), vector) for vector in vectors)
        return vectors

    def hold(self, connection: Connection) -> None:
        """Keep the model from being switched until this transaction ends, and bring all vectors to it."""
        self._follow(_stored(connection), connection)

    def read(self, work: Callable[[Connection], T], model_of: Callable[[T], ActiveModel | None] | None = None) -> T:
        """``work`` on a connection of its own; repeated when the model was switched in the meantime.

        ``model_of`` reads the active model from a result that carries it, which saves a statement.
        """
        for _ in range(_TRIES):
            if not self._made:
                return self._database.read(work)
            before = self._followed
            try:
                result, active = self._database.read(lambda connection: _with_model(connection, work, model_of))
            except MemgptError as error:
                # vectors of different lengths; the search path's transaction is gone, so look on another connection
                if not isinstance(error.__cause__, psycopg.errors.DataException | psycopg.errors.UndefinedFunction):
                    raise
                if not self._follow(self._database.read(_stored), None) and before == self._followed:
                    raise
            else:
                if not self._follow(active, None) and before == self._followed:
                    return result
        raise ModelMismatchError("the embedding model of the memory is switched again and again: try later")

    def write(self, work: Callable[[Connection, ActiveModel], T], told: Callable[[T], ActiveModel]) -> T:
        """``work`` on a connection of its own: one statement that writes only where the model it names is the active
        one, and says which is. Where the model was switched in the meantime, the vectors are made again and it is
        repeated.
        """
        for _ in range(_TRIES):
            with self._lock:
                model = self.active(None)
            self._renew(model)  # those that another thread is about to
            try:
                with self._database.connection() as connection:
                    result = work(connection, model)
            except MemgptError as error:
                # vectors of different lengths, where the statement was planned before the switch
                if not isinstance(error.__cause__, psycopg.errors.DataException | psycopg.errors.UndefinedFunction):
                    raise
                if not self._follow(self._database.read(_stored), None):
                    raise
            else:
                if told(result) == model:
                    return result
                self._follow(told(result), None)
        raise ModelMismatchError("the embedding model of the memory is switched again and again: try later")

    def _follow(self, found: ActiveModel | None, connection: Connection | None) -> bool:
        """Take over the model found, and make the vectors of another one again. True when anything changed."""
        with self._lock:
            changed = self._active is not None and found != self._active
            stale = [vector for vector in self._made.values() if vector.model != found]
            if changed:
                self._active = None
                self._followed += 1
            if found is None or not stale:
                return changed
            if self._active is None:
                self._use(found, self._able(found, connection))
        self._renew(found)
        return True

    def _renew(self, found: ActiveModel) -> None:
        """Make the vectors of another model again by the one in use."""
        with self._lock:
            stale = [vector for vector in self._made.values() if vector.model != found]
            embedder = self._embedder
        for purpose in {vector.purpose for vector in stale}:  # not locked: it may take a while, and needs a connection
            group = [vector for vector in stale if vector.purpose == purpose]
            rows = _embedded(embedder, [vector.text for vector in group], purpose)
            for vector, row in zip(group, rows, strict=True):
                vector.become(Vector(row), found)

    def _use(self, model: ActiveModel, embedder: EmbeddingModel) -> None:
        self._active, self._embedder = model, embedder

    def _able(self, model: ActiveModel, connection: Connection | None) -> EmbeddingModel:
        """Who embeds for this model: the configured one, or after a switch the one the memory was switched to."""
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
        """Is the configured model this memory's, or was it before a switch?"""
        given = {"name": self._configured}
        row = (
            connection.execute(SQL.is_known, given).fetchone()
            if connection
            else self._database.read(lambda c: c.execute(SQL.is_known, given).fetchone())
        )
        return bool(row and row[0])


def _embedded(embedder: EmbeddingModel, texts: Sequence[str], purpose: Purpose) -> Vectors:
    """Return one comparable vector per text, whatever the model is and wherever it is from."""
    return checked(embedder.name, embedder.embed(texts, purpose=purpose), count=len(texts), dimensions=None)


def _with_model(
    connection: Connection, work: Callable[[Connection], T], model_of: Callable[[T], ActiveModel | None] | None
) -> tuple[T, ActiveModel | None]:
    result = work(connection)
    return result, (model_of(result) if model_of else None) or _stored(connection)


def _stored(connection: Connection) -> ActiveModel | None:
    with connection.cursor(row_factory=class_row(ActiveModel)) as cursor:
        return cursor.execute(SQL.active_model).fetchone()
