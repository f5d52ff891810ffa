"""Vectors a provider was paid for, kept in the database they were made for, and the account of what was paid."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from pgvector import Vector

from memgpt.database import forks, queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings.base import EmbeddingModel, Purpose, UsageTotals, Vectors, checked
from memgpt.errors import MemgptError, ReadOnlyError

SQL = queries.beside(__name__)
log = logging.getLogger("memgpt.embeddings")

A_FEW: Final = 16
"""Texts whose vectors may wait for the next write."""

MOST_WAITING: Final = 200
"""Texts of all agents from which on those that wait are written in the background: about a megabyte."""

_lock = forks.lock()
_accounted: WeakKeyDictionary[EmbeddingModel, UsageTotals] = WeakKeyDictionary()


def unaccounted(model: EmbeddingModel) -> UsageTotals:
    """Return the model's usage since the last call; of simultaneous calls, the first one gets all."""
    with _lock:
        now, before = model.usage.totals(), _accounted.get(model, UsageTotals())
        _accounted[model] = now
    cost = None if now.cost is None or before.cost is None else now.cost - before.cost
    counts = (now.texts - before.texts, now.cached - before.cached, now.requests - before.requests)
    return UsageTotals(*counts, now.tokens - before.tokens, cost)


def record(connection: psycopg.Connection[Any], agent_id: str, model: str, used: UsageTotals) -> None:
    """Add what a model did to the account of the agent ('' for work that belongs to all)."""
    connection.execute(SQL.record, {"agent_id": agent_id, "model": model, **_totals(used)})


def _totals(used: UsageTotals) -> dict[str, float | None]:
    return {"texts": used.texts, "requests": used.requests, "tokens": used.tokens, "cost": used.cost}


@dataclass(frozen=True, slots=True)
class Payment:
    """What one agent paid one model for, and the vectors it got."""

    database: Database
    """As the agent's requests see it."""
    agent_id: str
    model: str
    vectors: Mapping[bytes, Vectors]
    used: UsageTotals

    def write(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            SQL.pay,
            {
                "agent_id": self.agent_id,
                "model": self.model,
                "hashes": [*self.vectors],
                "embeddings": [Vector(vector) for vector in self.vectors.values()],
                **_totals(self.used),
            },
        )


class Payments:
    """Payments of one process that no table knows of yet, so that a read writes nothing.

    They are written with the agent's next write, in the background where many texts wait, and before the pool closes. A
    process that is killed loses no more than those. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = forks.lock()
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Leave them to the parent, which made them."""
        self._waiting: dict[tuple[str, str], Payment] = {}
        self._writer: threading.Thread | None = None

    def known(self, agent_id: str, model: str, hashes: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Return those of the vectors that wait."""
        with self._lock:
            waiting = self._waiting.get((agent_id, model))
            vectors = {} if waiting is None else waiting.vectors
            return {hash: vectors[hash] for hash in hashes if hash in vectors}

    def waits(self, agent_id: str) -> bool:
        with self._lock:
            return any(waiting == agent_id for waiting, _ in self._waiting)

    def add(self, *payments: Payment) -> None:
        """Let them wait."""
        with self._lock:
            for new in payments:
                key = (new.agent_id, new.model)
                if (old := self._waiting.get(key)) is not None:
                    new = replace(old, vectors={**old.vectors, **new.vectors}, used=old.used + new.used)
                self._waiting[key] = new
            if sum(len(each.vectors) for each in self._waiting.values()) >= MOST_WAITING and self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="memgpt-payments", daemon=True)
                self._writer.start()

    def take(self, agent_id: str | None = None) -> Sequence[Payment]:
        """Return those of an agent (None: all), which then wait no more."""
        with self._lock:
            taken = [each for each in self._waiting.values() if agent_id in (None, each.agent_id)]
            for each in taken:
                del self._waiting[each.agent_id, each.model]
            return taken

    def close(self) -> None:
        """Write them all."""
        if (writer := self._writer) is not None:
            writer.join()
        self._write_all()

    def _write_all(self) -> None:
        for payment in self.take():
            try:
                with payment.database.connection() as connection:
                    payment.write(connection)
            except ReadOnlyError:
                pass  # the primary has become a standby: what was paid for is used once
            except MemgptError as error:
                log.warning("what agent %s paid for is not recorded: %s", payment.agent_id, error)
        self._writer = None


class DatabaseCache:
    """The vectors one agent has paid for, by :func:`cache_key`.

    Threads may share it; a standby is read and never written.
    """

    def __init__(self, database: Database, agent_id: str, current: Callable[[], Connection | None]) -> None:
        """Take ``current``, the calling thread's open transaction: a second connection could be one too many."""
        self._database = database
        self._agent_id = agent_id
        self._current = current

    @cached_property
    def _payments(self) -> Payments:
        return self._database.attached(Payments)  # when first needed: a command with wrong arguments opens no database

    def get_many(self, model: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vectors]:
        unpaid = self._payments.known(self._agent_id, model, hashes)
        parameters = {
            "agent_id": self._agent_id,
            "model": model,
            "hashes": [hash for hash in hashes if hash not in unpaid],
        }

        def work(connection: Connection) -> dict[bytes, Vectors]:
            rows = connection.execute(SQL.get_many, parameters, binary=True).fetchall()
            return {hash: vector.to_numpy() for hash, vector in rows}

        if not parameters["hashes"]:
            return unpaid
        connection = self._current()
        return unpaid | (work(connection) if connection else self._database.read(work))

    def pay(self, model: str, vectors: Mapping[bytes, Vectors], used: UsageTotals) -> None:
        """Remember vectors together with what they cost: many at once, so that they are paid for once whatever becomes
        of the write they are for; a few when something is written."""
        if self._database.server.standby:
            return
        self._payments.add(Payment(self._database, self._agent_id, model, vectors, used))
        if len(vectors) > A_FEW:
            self.settle()

    def settle(self) -> None:
        """Write what waits, in the open transaction if there is one."""
        if not self.waits:
            return
        connection = self._current()
        try:
            with (
                self.settling() as settle,
                nullcontext(connection) if connection else self._database.connection() as connection,
            ):
                settle(connection)
        except ReadOnlyError:
            self._payments.take(self._agent_id)  # the primary has become a standby: what was paid for is used once

    @property
    def waits(self) -> bool:
        """Whether the agent has paid for something that is not written yet."""
        return self._payments.waits(self._agent_id)

    @contextmanager
    def settling(self) -> Iterator[Callable[[Connection], None]]:
        """Lend what writes the agent's payments; if the block fails, they wait on."""
        taken: list[Payment] = []

        def settle(connection: Connection) -> None:
            for payment in self._payments.take(self._agent_id):
                taken.append(payment)
                payment.write(connection)

        try:
            yield settle
        except BaseException:
            self._payments.add(*taken)
            raise


class Cached:
    """A model that asks its provider only for what the memory of one agent has not paid for yet."""

    def __init__(self, model: EmbeddingModel, cache: DatabaseCache) -> None:
        self._model = model
        self._cache = cache
        self.name = model.name
        self.max_tokens = model.max_tokens
        self.price_per_million_tokens = model.price_per_million_tokens
        self.usage = model.usage

    @property
    def dimensions(self) -> int:
        return self._model.dimensions

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:
        """See the contract."""
        dimensions = self._model.dimensions
        keys = [cache_key(text, purpose, dimensions) for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        vectors = dict(self._cache.get_many(self.name, list(distinct)))
        missing = [key for key in distinct if key not in vectors]
        if missing:
            fresh = self._model.embed([distinct[key] for key in missing], purpose=purpose)
            new = dict(zip(missing, fresh, strict=True))
            self._cache.pay(self.name, new, unaccounted(self._model))
            vectors |= new
        self.usage.add(cached=len(texts) - len(missing))
        return checked(self.name, [vectors[key] for key in keys], count=len(keys), dimensions=dimensions)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._model.count_tokens(texts)


def cached(model: EmbeddingModel, cache: DatabaseCache) -> EmbeddingModel:
    """Put the cache in front of the model, unless it is free: then computing is faster than looking up."""
    return model if model.price_per_million_tokens == 0 else Cached(model, cache)


def cache_key(text: str, purpose: Purpose, dimensions: int) -> bytes:
    """Return the key of a cached vector, beside the model's name."""
    content = f"{purpose}\0{dimensions}\0{text}".encode(errors="surrogatepass")
    return hashlib.sha256(content).digest()
