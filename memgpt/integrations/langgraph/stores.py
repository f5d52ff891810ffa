"""LangGraph's ``BaseStore`` over the items of a memory, for threads and for ``asyncio``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, Self

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)
from langgraph.store.base.batch import AsyncBatchedBaseStore

from memgpt import validation
from memgpt.integrations.langgraph.indexing import Embedded, ItemIndex, StoreIndex
from memgpt.integrations.langgraph.lazy_memory import LazyMemory
from memgpt.integrations.langgraph.sweeper import Sweeper
from memgpt.items.items import WILDCARD, ItemSearchOptions
from memgpt.memory import Memory, scope_of
from memgpt.models import StoreItem


class MemgptStore(BaseStore):
    """A LangGraph store in a memory: its items are the agent's, found by ``memory.search`` too.

    Inside ``with memory.transaction():`` everything it does is part of that transaction. Without an ``index`` queries
    are embedded by the memory's own model.

    Args:
        memory: whose items these are.
        index: an embedding model of the store's own.
        ttl: how long items live, and how often a sweeper looks.
    """

    supports_ttl = True

    def __init__(
        self, memory: Memory | LazyMemory, *, index: StoreIndex | None = None, ttl: TTLConfig | None = None
    ) -> None:
        self.lazy = memory if isinstance(memory, LazyMemory) else LazyMemory(memory)
        self.index_config = index
        self.ttl_config = ttl
        self._index = ItemIndex.of(index)
        self._sweeper = Sweeper(self.sweep_ttl)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        agent: str | None = None,
        pool_config: Mapping[str, Any] | None = None,
        index: StoreIndex | None = None,
        ttl: TTLConfig | None = None,
    ) -> Iterator[Self]:
        """Open a store of an agent; it is closed at the end of the block.

        Args:
            conn_string: of PostgreSQL.
            agent: whose items these are; absent, that of the settings.
            pool_config: its ``max_size`` is the most connections.
            index: an embedding model of the store's own.
            ttl: how long items live, and how often a sweeper looks.
        """
        store = cls(LazyMemory.of(conn_string, agent, pool_config), index=index, ttl=ttl)
        try:
            yield store
        finally:
            store.close()

    @property
    def memory(self) -> Memory:
        """The memory with the items."""
        return self.lazy.get()

    def setup(self) -> None:
        """Migrate the database, once, before its first use."""
        self.lazy.setup()

    def close(self) -> None:
        """Stop the sweeper, and close a memory that was opened by a connection string."""
        self._sweeper.stop()
        self.lazy.close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several operations: what reads sees the store before any of the writes."""
        todo = [*ops]
        embedded, model = Embedded(), self._index.embeddings
        if model is not None:
            if texts := self._texts(todo):
                embedded.documents = dict(zip(texts, model.embed_documents(texts), strict=True))
            embedded.queries = {query: model.embed_query(query) for query in _queries(todo)}
        return self._run(todo, embedded)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same in a thread; inside a transaction of the memory it is part of that."""
        todo = [*ops]
        embedded, model = Embedded(), self._index.embeddings
        if model is not None:
            if texts := self._texts(todo):
                embedded.documents = dict(zip(texts, await model.aembed_documents(texts), strict=True))
            embedded.queries = {query: await model.aembed_query(query) for query in _queries(todo)}
        return await self.lazy.in_thread(self._run, todo, embedded)

    @property
    def in_transaction(self) -> bool:
        """Whether the running code is in a transaction of the memory."""
        return scope_of(self.memory).in_transaction

    def sweep_ttl(self) -> int:
        """Forget the items that have expired; answers how many."""
        return self.memory.items.sweep()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        """Forget expired items every few minutes; answers a future that is done when the sweeper has stopped, and whose
        ``cancel`` stops it. Without a TTL configuration there is nothing to do."""
        interval = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes") or 5
        return self._sweeper.start(None if self.ttl_config is None else float(interval))

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; False where it has not stopped within so many seconds."""
        return self._sweeper.stop(timeout)

    def _texts(self, ops: Sequence[Op]) -> list[str]:
        """Return the texts that the writes of a batch embed, each once."""
        return list(dict.fromkeys(text for put in _puts(ops) for _, text in self._index.parts(put)))

    def _run(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        self._index.check([*embedded.documents.values(), *embedded.queries.values()])
        results: list[Result] = [None] * len(ops)
        for refresh in (True, False):
            gets = {n: op for n, op in enumerate(ops) if isinstance(op, GetOp) and op.refresh_ttl is refresh}
            places = [(op.namespace, op.key) for op in gets.values()]
            found = self.memory.items.get_many(places, refresh=refresh, expired=self._shows_expired)
            for n, item in zip(gets, found, strict=True):
                results[n] = None if item is None else Item(**_fields(item))
        for n, op in enumerate(ops):
            if isinstance(op, SearchOp):
                results[n] = self._search(op, embedded)
            elif isinstance(op, ListNamespacesOp):
                results[n] = self._namespaces(op)
        self._write(_puts(ops), embedded)
        return results

    def _write(self, puts: Sequence[PutOp], embedded: Embedded) -> None:
        gone = [(put.namespace, put.key) for put in puts if put.value is None]
        kept = [self._index.item(put, embedded.documents) for put in puts if put.value is not None]
        if gone and kept:
            with self.memory.transaction():
                self.memory.items.delete_many(gone)
                self.memory.items.put_many(kept, collection=self._index.collection)
        elif gone:
            self.memory.items.delete_many(gone)
        else:
            self.memory.items.put_many(kept, collection=self._index.collection)

    def _search(self, op: SearchOp, embedded: Embedded) -> list[SearchItem]:
        options: ItemSearchOptions = {
            "filter": op.filter,
            "limit": op.limit,
            "offset": op.offset,
            "refresh": op.refresh_ttl,
            "expired": self._shows_expired,
        }
        if op.query in embedded.queries:
            options["vector"] = embedded.queries[op.query]
            options["collection"], options["distance"] = self._index.collection, self._index.distance
        else:
            options["query"] = op.query
        found = self.memory.items.search(tuple(op.namespace_prefix), **options)
        return [SearchItem(**_fields(each.item), score=each.score) for each in found]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        paths: dict[str, list[Sequence[str]]] = {"prefix": [], "suffix": []}
        for condition in op.match_conditions or ():
            kind = validation.choice(condition.match_type, [*paths], "match_type")
            paths[kind].append(condition.path if kind == "prefix" else condition.path[::-1])
        prefix, suffix = (_merged(of_kind) for of_kind in paths.values())
        if prefix is None or suffix is None:
            return []
        found = self.memory.items.namespaces(
            prefix,
            suffix=suffix[::-1],
            max_depth=op.max_depth,
            limit=op.limit,
            offset=op.offset,
            expired=self._shows_expired,
        )
        return [*found]

    @property
    def _shows_expired(self) -> bool:
        """LangGraph shows what has expired until it is swept, unless it is asked not to."""
        return not (self.ttl_config or {}).get("omit_expired", False)


def _unbatched(name: str) -> Any:
    """Return a method that works by itself inside a transaction, which the batches of another task are no part of."""
    batched, alone = getattr(AsyncBatchedBaseStore, name), getattr(BaseStore, name)

    @wraps(batched)
    async def method(self: AsyncMemgptStore, *arguments: Any, **options: Any) -> Any:
        return await (alone if self.store.in_transaction else batched)(self, *arguments, **options)

    return method


class AsyncMemgptStore(AsyncBatchedBaseStore):
    """The same store for ``asyncio``: operations of one moment go to the database together, in a thread.

    Inside ``with memory.transaction():`` each goes alone, as part of that transaction. It belongs to the event loop in
    which it was made.
    """

    supports_ttl = True

    def __init__(
        self, memory: Memory | LazyMemory, *, index: StoreIndex | None = None, ttl: TTLConfig | None = None
    ) -> None:
        super().__init__()
        self.store = MemgptStore(memory, index=index, ttl=ttl)
        """The store that does the work."""
        self.index_config = index
        self.ttl_config = ttl

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls,
        conn_string: str,
        *,
        agent: str | None = None,
        pool_config: Mapping[str, Any] | None = None,
        index: StoreIndex | None = None,
        ttl: TTLConfig | None = None,
    ) -> AsyncIterator[Self]:
        """Open a store of an agent; it is closed at the end of the block."""
        store = cls(LazyMemory.of(conn_string, agent, pool_config), index=index, ttl=ttl)
        try:
            yield store
        finally:
            await asyncio.to_thread(store.store.close)

    @property
    def memory(self) -> Memory:
        """The memory with the items."""
        return self.store.memory

    async def setup(self) -> None:
        """Migrate the database, once, before its first use."""
        await asyncio.to_thread(self.store.setup)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await self.store.abatch(ops)

    aget = _unbatched("aget")
    asearch = _unbatched("asearch")
    aput = _unbatched("aput")
    adelete = _unbatched("adelete")
    alist_namespaces = _unbatched("alist_namespaces")

    async def sweep_ttl(self) -> int:
        """Forget the items that have expired; answers how many."""
        return await asyncio.to_thread(self.store.sweep_ttl)

    async def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> asyncio.Future[None]:
        """Forget expired items every few minutes; answers a future whose ``cancel`` stops it."""
        return asyncio.wrap_future(self.store.start_ttl_sweeper(sweep_interval_minutes))

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; False where it has not stopped within so many seconds."""
        return await asyncio.to_thread(self.store.stop_ttl_sweeper, timeout)


def _puts(ops: Sequence[Op]) -> list[PutOp]:
    """Return the writes of a batch: of several to one place the last."""
    last = {(tuple(op.namespace), op.key): op for op in ops if isinstance(op, PutOp)}
    return [*last.values()]


def _queries(ops: Sequence[Op]) -> list[str]:
    return list(dict.fromkeys(op.query for op in ops if isinstance(op, SearchOp) and op.query))


def _fields(item: StoreItem) -> dict[str, Any]:
    return {
        "namespace": tuple(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _merged(paths: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """Return one path that is matched by what matches all of these; None where nothing matches."""
    merged: list[str] = []
    for path in paths:
        for n, label in enumerate(path):
            if n == len(merged):
                merged.append(label)
            elif merged[n] == WILDCARD:
                merged[n] = label
            elif label not in (WILDCARD, merged[n]):
                return None
    return tuple(merged)
