"""LlamaIndex's vector store, memory block and embedding over a memory, used by LlamaIndex's own index and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.memory import Memory as ChatMemory
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from memgpt import AsyncMemory, Memory
from memgpt.errors import InputError
from memgpt.integrations.llama_index import MemgptEmbedding, MemgptMemoryBlock, MemgptNodeVectorStore


def node(id: str, text: str, vector: list[float] | None = None, of: str = "doc", **metadata: Any) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=of)}
    return TextNode(id_=id, text=text, embedding=vector, metadata=metadata, relationships=source)


NODES = [
    node("a", "Green tea is brewed at 80 degrees", [1.0, 0.0], "tea", n=10, tags=["hot", "leaf"], code="X-1"),
    node("b", "Espresso takes nine bar of pressure", [0.0, 1.0], "coffee", n=9, tags=["hot"], code="x-2", old="yes"),
    node("c", "Lemonade is served with ice", [0.7, 0.7], "tea", n=100.5, tags=[], code="Y-3"),
]


@pytest.fixture
def store(memory: Memory) -> MemgptNodeVectorStore:
    store = MemgptNodeVectorStore(memory)
    assert store.add(NODES) == ["a", "b", "c"]
    return store


def ids(store: MemgptNodeVectorStore, **query: Any) -> str:
    found = store.query(VectorStoreQuery(**{"query_embedding": [1.0, 0.1], "similarity_top_k": 10, **query}))
    assert [each.node_id for each in found.nodes or []] == found.ids
    return "".join(found.ids or [])


def having(*filters: Any, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(
        filters=[
            each if isinstance(each, MetadataFilters) else MetadataFilter(key=each[0], operator=each[1], value=each[2])
            for each in filters
        ],
        condition=condition,
    )


def test_nodes_come_back_whole_and_nearest_first(store: MemgptNodeVectorStore, memory: Memory) -> None:
    found = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2))
    assert found.similarities == pytest.approx([1.0, 0.7071], abs=1e-4)
    first, _ = found.nodes or []
    assert (first.node_id, first.get_content(), first.metadata, first.ref_doc_id) == (
        "a",
        NODES[0].text,
        NODES[0].metadata,
        "tea",
    )
    assert ids(store) == "acb"
    assert ids(store, node_ids=["b", "c"]) == "cb"
    assert ids(store, doc_ids=["coffee"]) == "b"
    assert store.add([node("a", "White tea at 70 degrees", [0.0, 1.0], n=1)]) == ["a"]
    assert ids(store) == "cba"
    assert [hit.source["key"] for hit in memory.search("how hot is white tea?", limit=1)] == ["a"]


OPERATORS: list[tuple[MetadataFilters, str]] = [
    (having(("n", FilterOperator.EQ, 10)), "a"),
    (having(("n", FilterOperator.EQ, "10")), ""),
    (having(("n", FilterOperator.NE, 10)), "cb"),
    (having(("old", FilterOperator.NE, "yes")), "ac"),
    (having(("n", FilterOperator.GT, 9)), "ac"),
    (having(("n", FilterOperator.GTE, 9), ("n", FilterOperator.LT, 100)), "ab"),
    (having(("n", FilterOperator.LTE, 9.5)), "b"),
    (having(("code", FilterOperator.IN, ["X-1", "Y-3"])), "ac"),
    (having(("n", FilterOperator.NIN, [9, 10])), "c"),
    (having(("tags", FilterOperator.CONTAINS, "leaf")), "a"),
    (having(("tags", FilterOperator.ANY, ["leaf", "hot"])), "ab"),
    (having(("tags", FilterOperator.ALL, ["leaf", "hot"])), "a"),
    (having(("code", FilterOperator.TEXT_MATCH, "X")), "a"),
    (having(("code", FilterOperator.TEXT_MATCH_INSENSITIVE, "X-")), "ab"),
    (having(("tags", FilterOperator.IS_EMPTY, None)), "c"),
    (having(("old", FilterOperator.IS_EMPTY, None)), "ac"),
    (having(("old", FilterOperator.EQ, None)), "ac"),
    (having(("n", FilterOperator.EQ, 9), ("n", FilterOperator.EQ, 10), condition=FilterCondition.OR), "ab"),
    (having(("n", FilterOperator.EQ, 9), ("n", FilterOperator.EQ, 10), condition=FilterCondition.NOT), "c"),
    (
        having(
            ("tags", FilterOperator.CONTAINS, "hot"),
            having(("n", FilterOperator.EQ, 9), ("code", FilterOperator.EQ, "Y-3"), condition=FilterCondition.OR),
        ),
        "b",
    ),
    (having(), "acb"),
]


def test_filters_have_every_operator_and_condition(store: MemgptNodeVectorStore) -> None:
    for filters, found in OPERATORS:
        assert ids(store, filters=filters) == found, filters
        assert sorted(each.node_id for each in store.get_nodes(filters=filters)) == sorted(found), filters
    with pytest.raises(InputError, match="has no value"):
        ids(store, filters=having(("n", FilterOperator.GT, None)))


def test_words_and_both_are_ranked_as_the_memory_ranks(store: MemgptNodeVectorStore, memory: Memory) -> None:
    memory.remember("Nine bar is the pressure of an espresso")
    MemgptNodeVectorStore(memory, ["elsewhere"]).add([node("z", "Espresso under pressure", [1.0, 0.0])])
    words: dict[str, Any] = {"mode": VectorStoreQueryMode.TEXT_SEARCH, "query_str": "espresso pressure"}
    assert ids(store, **words) == "b"
    assert ids(store, **words, filters=having(("n", FilterOperator.GT, 9))) == ""
    assert ids(store, **words, node_ids=["a"]) == ""
    both: dict[str, Any] = {"mode": VectorStoreQueryMode.HYBRID, "query_str": "a cold drink with ice"}
    assert ids(store, **both)[0] == "c"
    assert ids(store, **both, hybrid_top_k=1) == "c"
    assert ids(store, **both, filters=having(("code", FilterOperator.NE, "Y-3"))).count("c") == 0
    with pytest.raises(InputError, match="must be one of default, hybrid"):
        ids(store, mode=VectorStoreQueryMode.MMR)
    with pytest.raises(InputError, match="needs query_str"):
        ids(store, mode=VectorStoreQueryMode.SPARSE)


def test_nodes_are_deleted_and_brought_back(store: MemgptNodeVectorStore, memory: Memory) -> None:
    store.delete("tea")
    assert ids(store) == "b"
    memory.undo()
    assert sorted(each.node_id for each in store.get_nodes()) == ["a", "b", "c"]
    store.delete_nodes(["a", "b"], having(("n", FilterOperator.GT, 9)))
    store.delete_nodes()
    assert [each.node_id for each in store.get_nodes(["a", "b"])] == ["b"]
    store.clear()
    assert store.get_nodes() == []


def test_writes_join_a_transaction_and_agents_are_apart(
    store: MemgptNodeVectorStore, memory: Memory, open_memory: Callable[..., Memory]
) -> None:
    def fail() -> None:
        with memory.transaction():
            store.add([node("d", "Mulled wine", [1.0, 0.0])])
            store.delete_nodes(["a"])
            assert ids(store)[0] == "d"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert ids(store) == "acb"
    with pytest.raises(InputError, match="item 1"):
        store.add([node("d", "Mulled wine", [1.0, 0.0]), node("e", "Punch", [float("nan"), 0.0])])
    assert ids(store) == "acb"
    assert ids(MemgptNodeVectorStore(open_memory("bob", isolated=True))) == ""


def test_asyncio_has_the_same(store: MemgptNodeVectorStore, memory: Memory) -> None:
    async def work() -> list[str]:
        assert await store.async_add([node("d", "Mulled wine", [1.0, 0.0], n=3)]) == ["d"]
        await store.adelete("coffee")
        await store.adelete_nodes(["c"])
        assert [each.node_id for each in await store.aget_nodes(filters=having(("n", FilterOperator.LT, 5)))] == ["d"]
        found = await store.aquery(VectorStoreQuery(query_embedding=[0.9, 0.1], similarity_top_k=5))
        await store.aclear()
        assert await store.aget_nodes() == []
        return [*(found.ids or [])]

    assert sorted(asyncio.run(work())) == ["a", "d"]


@pytest.mark.parametrize("memory_vectors", [False, True])
def test_an_index_retrieves_by_the_memorys_model(memory: Memory, memory_vectors: bool) -> None:
    store = MemgptNodeVectorStore(memory, memory_vectors=memory_vectors)
    model = MockEmbedding(2) if memory_vectors else MemgptEmbedding(memory)
    documents = [
        Document(text="Ann drinks green tea", id_="one", metadata={"year": 2025}),
        Document(text="The train to Graz leaves at nine", id_="two", metadata={"year": 2026}),
    ]
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=model)
    [best] = index.as_retriever(similarity_top_k=1).retrieve("when do I travel by rail?")
    assert (best.node.ref_doc_id, best.text) == ("two", "The train to Graz leaves at nine")
    late = having(("year", FilterOperator.LT, 2026))
    [older] = asyncio.run(index.as_retriever(similarity_top_k=5, filters=late).aretrieve("rail"))
    assert older.node.ref_doc_id == "one"
    index.delete_ref_doc("two")
    again = VectorStoreIndex.from_vector_store(store, embed_model=model).as_retriever(similarity_top_k=5)
    assert [each.node.ref_doc_id for each in again.retrieve("rail")] == ["one"]


@pytest.mark.parametrize("kind", [Memory, AsyncMemory])
def test_a_block_keeps_what_leaves_the_short_term_memory(memory: Memory, module_dsn: str, kind: Any) -> None:
    memory.core["human"].append("Ann, a pilot")

    async def work() -> list[ChatMessage]:
        whose = memory if kind is Memory else AsyncMemory(memory.agent, dsn=module_dsn)
        block = MemgptMemoryBlock(memory=whose, budget_tokens=200)
        chat = ChatMemory.from_defaults(
            session_id="monday", token_limit=150, chat_history_token_ratio=0.3, token_flush_size=10,
            memory_blocks=[block], tokenizer_fn=str.split,
        )  # fmt: skip
        await chat.aput(ChatMessage(role="user", content="My bike is red and has a flat tyre"))
        for number in range(8):
            await chat.aput(ChatMessage(role="assistant", content=f"Filler number {number} about the weather today"))
            await chat.aput(ChatMessage(role="user", content=f"And what about the weather on day {number}?"))
        await chat.aput(ChatMessage(role="user", content="Which colour does my bike have?"))
        messages = await chat.aget()
        if isinstance(whose, AsyncMemory):
            await whose.close()
        return [*messages]

    system, *rest = asyncio.run(work())
    assert "My bike is red and has a flat tyre" in str(system.content)
    assert "Ann, a pilot" in str(system.content)
    assert "My bike is red" not in str(rest)
    kept = memory.messages.list(session="monday")
    assert kept[0].content == "My bike is red and has a flat tyre"
    assert kept[1].role == "assistant"


def test_a_block_is_cut_by_lines(memory: Memory) -> None:
    block = MemgptMemoryBlock(memory=memory)
    content = "\n".join(f"line {n} of what is remembered" for n in range(10))
    cut = asyncio.run(block.atruncate(content, 12)) or ""
    assert content.startswith(f"{cut}\n")
    assert 5 <= cut.count("\n") <= 8
    assert asyncio.run(block.atruncate(content, 10_000)) is None
    asyncio.run(block.aput([ChatMessage(role="assistant", content=None), ChatMessage(role="user", content=" ")]))
    assert memory.messages.list() == []
