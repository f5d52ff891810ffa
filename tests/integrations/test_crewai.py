"""The storage of CrewAI's memory, below CrewAI's own memory with a scripted model."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("crewai", reason="crewai is not installed: `make conformance` runs this in its environment")

from crewai.llms.base_llm import BaseLLM
from crewai.memory.storage.backend import EmbeddingDimensionMismatchError, StorageBackend
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory as CrewMemory

from memgpt import Memory
from memgpt.errors import InputError
from memgpt.integrations.crewai import MemgptStorage

START = datetime(2026, 5, 1)


class NoLlm(BaseLLM):
    """A model that is never asked."""

    def call(self, *_: Any, **__: Any) -> str:
        raise AssertionError("everything was said: there is nothing to ask a model")


def record(id: str, content: str = "a note", vector: list[float] | None = None, **fields: Any) -> MemoryRecord:
    return MemoryRecord(id=id, content=content, embedding=vector or [1.0, 0.0], **fields)


RECORDS = [
    record("a", "Deals close in May", [1.0, 0.0], scope="/crew/sales", categories=["deal", "date"], created_at=START),
    record("b", "The API is in Rust", [0.0, 1.0], scope="/crew/eng", categories=["tool"], metadata={"n": 1, "x": [1]}),
    record("c", "Lunch is at noon", [0.7, 0.7], scope="/crew2", metadata={"n": 2}),
    record("d", "Everybody has a badge", [0.9, 0.1], scope="/crew", created_at=START - timedelta(days=9)),
]


@pytest.fixture
def storage(memory: Memory) -> MemgptStorage:
    storage = MemgptStorage(memory)
    assert isinstance(storage, StorageBackend)
    storage.save(RECORDS)
    return storage


def found(storage: MemgptStorage, **options: Any) -> str:
    return "".join(each.id for each, _ in storage.search([1.0, 0.0], **options))


def test_records_are_found_by_vector_scope_category_and_metadata(storage: MemgptStorage, memory: Memory) -> None:
    assert found(storage) == "adcb"
    assert found(storage, limit=2) == "ad"
    assert found(storage, min_score=0.5) == "adc"
    assert found(storage, scope_prefix="/crew") == "adb"
    assert found(storage, scope_prefix="crew/sales/") == "a"
    assert found(storage, scope_prefix="/") == "adcb"
    assert found(storage, categories=["date", "tool"]) == "ab"
    assert found(storage, metadata_filter={"n": 1}) == "b"
    assert found(storage, metadata_filter={"n": "1"}) == ""
    assert found(storage, metadata_filter={"x": [1]}) == "b"
    assert found(storage, scope_prefix="/crew", categories=["deal"], metadata_filter={"n": 1}) == ""
    best, score = storage.search([0.0, 1.0])[0]
    assert (best.model_copy(update={"embedding": None}), score) == (
        RECORDS[1].model_copy(update={"embedding": None}), pytest.approx(1.0),
    )  # fmt: skip
    assert memory.search("which language is the API in?", limit=1)[0].source["key"] == "b"


def test_scopes_and_categories_are_counted(storage: MemgptStorage) -> None:
    assert (storage.count(), storage.count("/crew"), storage.count("/nothing")) == (4, 3, 0)
    assert storage.list_scopes() == ["/crew", "/crew2"]
    assert storage.list_scopes("/crew") == ["/crew/eng", "/crew/sales"]
    assert storage.list_categories() == {"date": 1, "deal": 1, "tool": 1}
    assert storage.list_categories("/crew/eng") == {"tool": 1}
    info = storage.get_scope_info("/crew/")
    assert (info.path, info.record_count, info.categories) == ("/crew", 3, ["date", "deal", "tool"])
    assert (info.oldest_record, info.newest_record) == (RECORDS[3].created_at, RECORDS[1].created_at)
    assert info.child_scopes == ["/crew/eng", "/crew/sales"]
    empty = storage.get_scope_info("/nothing")
    assert (empty.record_count, empty.oldest_record, empty.child_scopes) == (0, None, [])
    assert [each.id for each in storage.list_records()] == ["c", "b", "a", "d"]
    assert [each.id for each in storage.list_records("/crew", limit=2, offset=1)] == ["a", "d"]
    assert storage.list_records(limit=0) == []


def test_a_record_is_updated_and_touched(storage: MemgptStorage, memory: Memory) -> None:
    assert storage.get_record("a") == RECORDS[0]
    assert storage.get_record("nothing") is None
    changed = RECORDS[0].model_copy(update={"content": "Deals close in June", "embedding": None})
    storage.update(changed)
    assert storage.get_record("a") == changed.model_copy(update={"embedding": [1.0, 0.0]})
    assert found(storage, limit=1) == "a"
    changes = len(memory.history("item", limit=100))
    storage.touch_records(["a", "nothing"])
    touched = storage.get_record("a")
    assert touched is not None
    assert touched.last_accessed > changed.last_accessed
    assert len(memory.history("item", limit=100)) == changes
    assert found(storage, limit=1) == "a"


def test_a_write_is_whole_and_vectors_are_of_one_length(storage: MemgptStorage, memory: Memory) -> None:
    with pytest.raises(InputError, match="item 1"):
        storage.save([record("e"), record("f", vector=[float("nan"), 0.0])])
    with pytest.raises(EmbeddingDimensionMismatchError, match=r"2-dimensional.*3-dimensional"):
        storage.save([record("e", vector=[1.0, 0.0, 0.0])])
    with pytest.raises(EmbeddingDimensionMismatchError):
        storage.search([1.0, 0.0, 0.0])

    def fail() -> None:
        with memory.transaction():
            storage.save([record("e")])
            assert storage.delete(record_ids=["a"]) == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found(storage) == "adcb"


def test_what_is_deleted_is_forgotten(
    storage: MemgptStorage, memory: Memory, open_memory: Callable[..., Memory]
) -> None:
    other = MemgptStorage(open_memory("bob", isolated=True))
    assert (other.count(), other.delete()) == (0, 0)
    memory.items.put(("crewai",), "a", {"says": "an item of another namespace"})
    assert storage.delete(record_ids=[]) == 0
    assert storage.delete(record_ids=["a", "b"], categories=["tool"]) == 1
    assert storage.delete(scope_prefix="/crew", older_than=START.replace(tzinfo=UTC)) == 1
    assert storage.delete(metadata_filter={"n": 2}) == 1
    assert found(storage) == "a"
    assert "Rust" not in str(memory.history(limit=100))
    storage.save(RECORDS)
    storage.reset("/crew")
    assert found(storage) == "c"
    storage.reset()
    assert storage.count() == 0
    assert memory.items.get(("crewai",), "a").value == {"says": "an item of another namespace"}


def test_asyncio_has_the_same(storage: MemgptStorage) -> None:
    async def work() -> tuple[str, int]:
        await storage.asave([record("e", scope="/crew3")])
        hits = await storage.asearch([1.0, 0.0], scope_prefix="/crew3")
        return "".join(each.id for each, _ in hits), await storage.adelete(record_ids=["e"])

    assert asyncio.run(work()) == ("e", 1)


def test_crewais_memory_remembers_recalls_and_forgets(memory: Memory) -> None:
    storage = MemgptStorage(memory)
    crew = CrewMemory(storage=storage, embedder=storage.embed, llm=NoLlm(model="none"), consolidation_threshold=1.0)
    places: dict[str, Any] = {"categories": ["fact"], "metadata": {"n": 1}, "importance": 0.9}
    crew.remember("The customer prefers green tea", scope="/crew/tea", **places)
    crew.remember("The server runs PostgreSQL", scope="/crew/it", **places)
    assert copy.deepcopy(storage) is storage
    [best, *_] = crew.recall("what does the customer drink?", depth="shallow")
    assert best.record.content == "The customer prefers green tea"
    assert [each.record.scope for each in crew.recall("which server", scope="/crew/it", depth="shallow")] == [
        "/crew/it"
    ]
    updated = crew.update(best.record.id, metadata={"n": 2})
    assert [each.record.metadata for each in crew.recall("green tea", limit=1, depth="shallow")] == [{"n": 2}]
    assert crew.list_scopes("/crew") == ["/crew/it", "/crew/tea"]
    assert crew.forget(record_ids=[updated.id]) == 1
    assert [each.content for each in crew.list_records()] == ["The server runs PostgreSQL"]
    crew.reset()
    assert storage.count() == 0
    assert "tea" not in str(memory.history(limit=100))
    crew.close()
