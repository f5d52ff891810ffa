"""LangGraph's store over a memory. Its own tests of a PostgreSQL store run by ``make conformance``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp

from memgpt import Memory
from memgpt.errors import ConfigurationError, InputError
from memgpt.integrations.langgraph import AsyncMemgptStore, MemgptStore
from memgpt.integrations.langgraph.indexing import StoreIndex
from memgpt.integrations.langgraph.sweeper import Sweeper


def counted(texts: Sequence[str]) -> list[list[float]]:
    """A model that counts vowels."""
    return [[text.count(vowel) + 0.01 for vowel in "aeiou"] for text in texts]


async def counted_async(texts: Sequence[str]) -> list[list[float]]:
    return counted(texts)


INDEX: StoreIndex = {"dims": 5, "embed": counted, "fields": ["says", "notes[*].text"]}


def test_operations_of_a_batch_are_answered_in_order_and_read_before_they_write(memory: Memory) -> None:
    store = MemgptStore(memory)
    store.put(("users", "ann"), "food", {"likes": "pizza"})
    got, put, found, namespaces, missing, deleted = store.batch(
        [
            GetOp(("users", "ann"), "food"),
            PutOp(("users", "ann"), "food", {"likes": "pasta"}),
            SearchOp(("users",), {"likes": "pizza"}),
            ListNamespacesOp((MatchCondition("prefix", ("users", "*")), MatchCondition("prefix", ("*", "ann")))),
            GetOp(("nowhere",), "food"),
            PutOp(("gone",), "k", None),
        ]
    )
    assert (got.value, put, missing, deleted) == ({"likes": "pizza"}, None, None, None)  # type: ignore[union-attr]
    assert [item.key for item in found] == ["food"]  # type: ignore[union-attr]
    assert namespaces == [("users", "ann")]
    assert store.get(("users", "ann"), "food").value == {"likes": "pasta"}  # type: ignore[union-attr]
    contradiction = (MatchCondition("prefix", ("users",)), MatchCondition("prefix", ("others",)))
    assert store.batch([ListNamespacesOp(contradiction)]) == [[]]


def test_fields_are_embedded_by_the_stores_own_model_and_searched_by_the_memory(memory: Memory) -> None:
    store = MemgptStore(memory, index=INDEX)
    store.put(("a",), "vowels", {"says": "aaaa", "notes": [{"text": "uuu"}, {"text": "iii"}], "secret": "hidden word"})
    store.put(("a",), "other", {"says": "eeee"})
    store.put(("a",), "unseen", {"says": "aaaa"}, index=False)
    store.put(("a",), "chosen", {"title": "ooo", "says": "aaaa"}, index=["title"])
    for query, best in (("aa", "vowels"), ("uu", "vowels"), ("ee", "other"), ("oo", "chosen")):
        items = store.search(("a",), query=query)
        assert (items[0].key, len(items)) == (best, 3)
        assert items[0].score == pytest.approx(1, abs=0.01)
    assert [item.key for item in store.search(("a",), query="aa", filter={"says": {"$ne": "aaaa"}})] == ["other"]
    assert [hit.text for hit in memory.search('"uuu"')] == ["aaaa\nuuu\niii"]
    assert "hidden" not in str([hit.text for hit in memory.search('"hidden"')])


def test_a_store_without_an_index_is_searched_by_the_memorys_model(memory: Memory) -> None:
    store = MemgptStore(memory)
    store.put(("a",), "dog", {"says": "My dog has a cough"})
    store.put(("a",), "bill", {"says": "The invoice is overdue"})
    first, second = store.search(("a",), query="a sick animal")
    assert first.key == "dog"
    assert (first.score or 0) > (second.score or 0)
    assert [item.score for item in store.search(("a",))] == [None, None]


@pytest.mark.parametrize(
    ("index", "error", "problem"),
    [
        ({"dims": 5}, ConfigurationError, "needs 'dims' and 'embed'"),
        ({"dims": 5, "embed": counted, "distance_type": "hamming"}, InputError, "distance_type must be one of"),
        ({"dims": 4, "embed": counted}, InputError, "dims=4, and its model's vectors have 5"),
    ],
)
def test_an_index_that_cannot_work_is_refused(memory: Memory, index: Any, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        MemgptStore(memory, index=index).put(("a",), "k", {"says": "x"})
    assert memory.items.search() == []


def test_writes_join_a_transaction_of_the_memory(memory: Memory) -> None:
    store = MemgptStore(memory, index=INDEX)

    def work() -> None:
        with memory.transaction():
            store.put(("a",), "k", {"says": "aaa"})
            assert [item.key for item in store.search(("a",), query="a")] == ["k"]
            raise KeyError("nothing of it stays")

    with pytest.raises(KeyError):
        work()
    assert store.search(("a",)) == []


def test_asynchronous_writes_join_the_transaction_of_their_task_alone(memory: Memory) -> None:
    memory.remember("the agent is there")  # or the other task would wait for the transaction that makes it

    async def fail(store: AsyncMemgptStore) -> None:
        with memory.transaction():
            await store.aput(("a",), "rolled back", {"says": "aaa"})
            assert await store.aget(("a",), "rolled back") is not None
            await asyncio.create_task(store.aput(("a",), "of another task", {"says": "eee"}))
            raise KeyError("nothing of it stays")

    async def run() -> list[str]:
        store = AsyncMemgptStore(memory, index={"dims": 5, "embed": counted_async})
        with pytest.raises(KeyError):
            await fail(store)
        await asyncio.gather(*(store.aput(("a",), f"k{n % 3}", {"n": n}) for n in range(30)))
        with pytest.raises(asyncio.InvalidStateError):
            store.get(("a",), "k0")
        found = await asyncio.to_thread(store.search, ("a",))
        return sorted(item.key for item in found)

    assert asyncio.run(run()) == ["k0", "k1", "k2", "of another task"]


def test_time_to_live_and_what_has_expired(memory: Memory, module_dsn: str) -> None:
    store = MemgptStore(memory, ttl={"default_ttl": 5, "refresh_on_read": False})
    store.put(("t",), "short", {"n": 1})
    store.put(("t",), "ever", {"n": 2}, ttl=None)
    with psycopg.connect(module_dsn, autocommit=True) as owner:
        statement = (
            "UPDATE store_items SET expires_at = now() - interval '1 minute' WHERE agent_id = %s AND key = 'short'"
        )
        owner.execute(statement, [memory.agent])
    assert {item.key for item in store.search(("t",))} == {"short", "ever"}  # LangGraph shows it until it is swept
    store.ttl_config = {"omit_expired": True}
    assert {item.key for item in store.search(("t",))} == {"ever"}
    assert store.get(("t",), "short") is None
    assert store.sweep_ttl() == 1
    assert store.sweep_ttl() == 0


def test_the_sweeper_runs_until_it_is_stopped() -> None:
    swept: list[int] = []
    sweeper = Sweeper(lambda: swept.append(1) or 1)  # type: ignore[func-returns-value]
    done = sweeper.start(0.0001)
    assert sweeper.start(0.0001) is done
    while len(swept) < 3:
        pass
    assert sweeper.stop(10)
    assert done.done()
    assert sweeper.start(None).done()
    cancelled = sweeper.start(60)
    assert cancelled.cancel()
    assert sweeper.stop(10)


def test_a_connection_string_opens_a_store_that_sets_itself_up(empty_dsn: str) -> None:
    with MemgptStore.from_conn_string(empty_dsn, agent="ann", pool_config={"min_size": 1, "max_size": 3}) as store:
        store.setup()
        store.setup()
        store.put(("a",), "k", {"n": 1})
        assert store.memory.agent == "ann"

    async def run() -> object:
        async with AsyncMemgptStore.from_conn_string(empty_dsn, agent="ann") as store:
            await store.setup()
            item = await store.aget(("a",), "k")
            return item and item.value

    assert asyncio.run(run()) == {"n": 1}
    with pytest.raises(InputError, match="pool_config has 'size'"):
        MemgptStore.from_conn_string(empty_dsn, pool_config={"size": 1}).__enter__()


def test_an_isolated_memory_has_a_store_of_its_own(open_memory: Callable[..., Memory]) -> None:
    theirs, ours = MemgptStore(open_memory("other")), MemgptStore(open_memory(isolated=True), index=INDEX)
    theirs.put(("a",), "k", {"says": "theirs"})
    assert ours.search(()) == []
    ours.put(("a",), "k", {"says": "ours"})
    assert [item.value for item in ours.search((), query="ours")] == [{"says": "ours"}]
    ours.delete(("a",), "k")
    assert theirs.get(("a",), "k") is not None


@pytest.mark.parametrize(
    ("module", "kit", "extra"),
    [
        ("langgraph", "langgraph", "langgraph"),
        ("langchain", "langchain_core", "langchain"),
        ("autogen", "autogen_core", "autogen"),
        ("llama_index", "llama_index", "llama-index"),
        ("openai_agents", "agents", "openai-agents"),
        ("google_adk", "google.adk", "google-adk"),
        ("crewai", "crewai", "crewai"),
        ("pydantic_ai", "pydantic_ai", "pydantic-ai"),
    ],
)
def test_without_the_kit_the_error_names_the_extra(module: str, kit: str, extra: str) -> None:
    code = f"import sys; sys.modules[{kit!r}] = None\nimport memgpt.integrations.{module}"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert f"pip install 'memgpt-postgres[{extra}]'" in answer.stderr
