"""Vectors a provider was paid for, kept in the database they were made for, and the account of what was paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from pgvector import Vector

from memgpt.database import forks, queries
from memgpt.database.connection import Connection, Database
from memgpt.embeddings.base import EmbeddingModel, Purpose, UsageTotals, Vectors, checked
from memgpt.embeddings.remote import cache_key
from memgpt.errors import ReadOnlyError

SQL = queries.beside(__name__)

_lock = forks.Lock()
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
    totals = {"texts": used.texts, "requests": used.requests, "tokens": used.tokens, "cost": used.cost}
    connection.execute(SQL.record, {"agent_id": agent_id, "model": model, **totals})


class DatabaseCache:
    """The :class:`EmbeddingCache` of one agent. Threads may share it; a standby is read and never written."""

    def __init__(self, database: Database, agent_id: str, current: Callable[[], Connection | None]) -> None:
        """Take ``current``, the calling thread's open transaction: a second connection could be one too many."""
        self._database = database
        self._agent_id = agent_id
        self._current = current

    def get_many(self, model: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vectors]:
        given = {"agent_id": self._agent_id, "model": model, "hashes": list(hashes)}

        def work(connection: Connection) -> Mapping[bytes, Vectors]:
            rows = connection.execute(SQL.get_many, given, binary=True).fetchall()
            return {hash: vector.to_numpy() for hash, vector in rows}

        connection = self._current()
        return work(connection) if connection else self._database.read(work)

    def put_many(self, model: str, vectors: Mapping[bytes, Vectors]) -> None:
        self.pay(model, vectors, UsageTotals(texts=len(vectors), cost=None))

    def pay(self, model: str, vectors: Mapping[bytes, Vectors], used: UsageTotals) -> None:
        """Remember vectors together with what they cost."""
        if self._database.server.standby:
            return
        hashes, embeddings = list(vectors), [Vector(vector) for vector in vectors.values()]
        given = {"agent_id": self._agent_id, "model": model, "hashes": hashes, "embeddings": embeddings}
        connection = self._current()
        try:
            with nullcontext(connection) if connection else self._database.transaction() as connection:
                connection.execute(SQL.put_many, given)
                record(connection, self._agent_id, model, used)
        except ReadOnlyError:
            return  # the primary has become a standby: what was paid for is used once


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
        known = dict(self._cache.get_many(self.name, list(distinct)))
        missing = [key for key in distinct if key not in known]
        if missing:
            fresh = self._model.embed([distinct[key] for key in missing], purpose=purpose)
            new = dict(zip(missing, fresh, strict=True))
            self._cache.pay(self.name, new, unaccounted(self._model))
            known |= new
        return checked(self.name, [known[key] for key in keys], count=len(keys), dimensions=dimensions)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._model.count_tokens(texts)


def cached(model: EmbeddingModel, cache: DatabaseCache) -> EmbeddingModel:
    """Put the cache in front of the model, unless it is free: then computing is faster than looking up."""
    return model if model.price_per_million_tokens == 0 else Cached(model, cache)
