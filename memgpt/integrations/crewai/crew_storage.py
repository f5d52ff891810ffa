"""CrewAI's ``StorageBackend``: the records of its memory in a namespace of a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from crewai.memory.storage.backend import EmbeddingDimensionMismatchError
from crewai.memory.types import MemoryRecord, ScopeInfo

from memgpt.agents.forget import forget_many
from memgpt.async_memory import ThreadedMemory
from memgpt.integrations.crewai.record_store import RecordStore, ScopeCount
from memgpt.integrations.embedded_texts import embedded
from memgpt.items.items import NewItem
from memgpt.items.predicates import ItemCondition, all_of, any_of, begins_with, compares, contains, equals
from memgpt.items.store import ItemFilter
from memgpt.memory import Memory, scope_of

T = TypeVar("T")

BATCH: Final = 1000
"""Records that one statement writes."""
CREATED: Final = "created"
"""Where a record's value has its time as a number, by which records are in order."""


class MemgptStorage:
    """Records of CrewAI's memory as items of a memory's agent, also found by ``memory.search``.

    A scope is a path: ``/crew`` has ``/crew/sales``, and not ``/crew2``. What is deleted is forgotten for good.

    Args:
        memory: whose records these are.
        namespace: labels that tell them from other items.
    """

    def __init__(self, memory: Memory, namespace: Sequence[str] = ("crewai", "records")) -> None:
        self.memory = memory
        self.namespace = tuple(namespace)
        self._threads = ThreadedMemory(memory)

    def __deepcopy__(self, _: dict[int, Any]) -> Self:  # CrewAI copies its memories, and this one is the database's
        return self

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts by the memory's own model: ``Memory(storage=storage, embedder=storage.embed)``."""
        return embedded(self.memory, [*texts], "document")

    def save(self, records: list[MemoryRecord]) -> None:
        """Keep records, all or none; one of an id that is there already takes its place.

        Raises:
            EmbeddingDimensionMismatchError: the records there have vectors of another length.
        """
        sizes = {len(record.embedding): None for record in records if record.embedding}
        known = self._read(lambda store: store.dimensions()) or next(iter(sizes), None)
        for size in sizes:
            if known is not None and size != known:
                raise EmbeddingDimensionMismatchError(known, size)
        with self.memory.transaction():
            for start in range(0, len(records), BATCH):
                batch = records[start : start + BATCH]
                self.memory.items.put_many(self._item(record, record.embedding) for record in batch)

    def update(self, record: MemoryRecord) -> None:
        """Put a record in the place of the one of its id; without a vector that one's stays."""
        with self.memory.transaction():
            before = None if record.embedding else self.get_record(record.id)
            self.save([record.model_copy(update={"embedding": before.embedding}) if before else record])

    def search(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Return the records nearest to a vector with their cosine similarities.

        Raises:
            EmbeddingDimensionMismatchError: the records have vectors of another length.
        """
        known = self._read(lambda store: store.dimensions())
        if known is not None and known != len(query_embedding):
            raise EmbeddingDimensionMismatchError(known, len(query_embedding))
        found = self.memory.items.search(
            self.namespace,
            vector=query_embedding,
            where=_condition(scope_prefix, categories, metadata_filter),
            limit=limit,
        )
        scored = ((_record(each.item.value), each.score) for each in found)
        return [(record, score) for record, score in scored if score is not None and score >= min_score]

    def delete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Forget the records that fulfil all of this, for good, with their history; return how many there were."""
        where = _condition(scope_prefix, categories, metadata_filter, older_than)
        wanted = ItemFilter(where.predicate() if where else None, record_ids)
        with self.memory.transaction():
            ids = self._read(lambda store: store.ids(wanted))
            forget_many(scope_of(self.memory), ids, "item")
        return len(ids)

    def reset(self, scope_prefix: str | None = None) -> None:
        """Forget all records of a scope and those below it, or all."""
        self.delete(scope_prefix=scope_prefix)

    def get_record(self, record_id: str) -> MemoryRecord | None:
        """Return a record, with its vector."""
        rows = self._read(lambda store: store.records(ItemFilter(keys=[record_id]), limit=1, vectors=True))
        return next((_record(row["value"], row["embedding"]) for row in rows), None)

    def list_records(self, scope_prefix: str | None = None, limit: int = 200, offset: int = 0) -> list[MemoryRecord]:
        """Return records of a scope and those below it, the newest first."""
        if limit <= 0 or offset < 0:
            return []
        wanted = _in_scope(scope_prefix)
        rows = self._read(lambda store: store.records(wanted, limit=limit, offset=offset))
        return [_record(row["value"]) for row in rows]

    def get_scope_info(self, scope: str) -> ScopeInfo:
        """Count what a scope and those below it have."""
        path = _path(scope) or "/"
        counts = self._scopes(scope)
        return ScopeInfo(
            path=path,
            record_count=sum(each.records for each in counts),
            categories=[*self.list_categories(scope)],
            oldest_record=_time(min((each.oldest for each in counts), default=None)),
            newest_record=_time(max((each.newest for each in counts), default=None)),
            child_scopes=_children(path, counts),
        )

    def list_scopes(self, parent: str = "/") -> list[str]:
        """Return the scopes right below one."""
        return _children(_path(parent) or "/", self._scopes(parent))

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        """Count the records of each category."""
        return self._read(lambda store: store.categories(_in_scope(scope_prefix)))

    def count(self, scope_prefix: str | None = None) -> int:
        """Count the records of a scope and those below it."""
        return sum(each.records for each in self._scopes(scope_prefix))

    def touch_records(self, record_ids: list[str]) -> None:
        """Note that records were recalled; no change of the history."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        with self.memory.transaction() as connection:
            RecordStore(connection, self.memory.agent, self.namespace).touch(record_ids, now)

    async def asave(self, records: list[MemoryRecord]) -> None:
        await self._threads.run(lambda _: self.save(records))

    async def asearch(self, query_embedding: list[float], *arguments: Any, **options: Any) -> Any:
        return await self._threads.run(lambda _: self.search(query_embedding, *arguments, **options))

    async def adelete(self, *arguments: Any, **options: Any) -> int:
        return await self._threads.run(lambda _: self.delete(*arguments, **options))

    def _item(self, record: MemoryRecord, vector: Sequence[float] | None) -> NewItem:
        value = {**record.model_dump(mode="json"), CREATED: _seconds(record.created_at)}
        vectors = [("content", vector)] if vector else []
        return NewItem(self.namespace, record.id, value, record.content, vectors=vectors)

    def _scopes(self, scope: str | None) -> Sequence[ScopeCount]:
        return self._read(lambda store: store.scopes(_in_scope(scope)))

    def _read(self, work: Callable[[RecordStore], T]) -> T:
        agent = self.memory.agent
        return scope_of(self.memory).read(lambda connection: work(RecordStore(connection, agent, self.namespace)))


def _condition(
    scope: str | None,
    categories: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    older_than: datetime | None = None,
) -> ItemCondition | None:
    """Return what is required of a record; None where nothing is."""
    required: list[ItemCondition] = []
    if path := _path(scope):
        required.append(any_of([equals("scope", path), begins_with("scope", f"{path}/")]))
    if categories:
        required.append(any_of(contains("categories", category) for category in categories))
    if metadata:
        required.append(equals("metadata", metadata))
    if older_than is not None:
        required.append(compares(CREATED, "<", _seconds(older_than)))
    return all_of(required) if required else None


def _in_scope(scope: str | None) -> ItemFilter:
    condition = _condition(scope)
    return ItemFilter(condition.predicate() if condition else None)


def _path(scope: str | None) -> str:
    """Return a scope in one form; empty for the root, which has all."""
    inner = (scope or "").strip("/")
    return f"/{inner}" if inner else ""


def _children(path: str, counts: Sequence[ScopeCount]) -> list[str]:
    """Return the scopes right below a path."""
    parent = "" if path == "/" else path
    below = (each.scope.removeprefix(f"{parent}/") for each in counts if each.scope.startswith(f"{parent}/"))
    return sorted({f"{parent}/{rest.partition('/')[0]}" for rest in below if rest})


def _seconds(time: datetime) -> float:
    """Return a time as a number; CrewAI's have no zone and are UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _record(value: Mapping[str, Any], vector: Any = None) -> MemoryRecord:
    fields = {name: value[name] for name in value if name != CREATED}
    return MemoryRecord(**fields, embedding=None if vector is None else vector.to_list())
