"""What LangChain's standard tests do not ask of the vector store, the chat history and the key-value store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt import Memory, Settings
from memgpt.errors import InputError
from memgpt.integrations.langchain import (
    MemgptChatMessageHistory,
    MemgptKeyValueStore,
    MemgptRetriever,
    MemgptVectorStore,
)
from memgpt.integrations.langchain.key_values import PAGE

DOCUMENTS = [
    Document("My dog has a cough", id="dog", metadata={"year": 2024}),
    Document("A dog that coughs", id="again", metadata={"year": 9}),
    Document("The invoice is overdue", id="bill", metadata={"year": 2025}),
]


def found(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_documents_are_searched_filtered_and_found_by_the_memory(memory: Memory) -> None:
    store = MemgptVectorStore(memory)
    assert store.add_documents(DOCUMENTS) == ["dog", "again", "bill"]
    assert found(store.similarity_search("a sick animal", k=2, filter={"year": {"$gt": 1000}})) == ["dog", "bill"]
    [(best, score)] = store.similarity_search_with_score("the invoice", k=1)
    assert (best.id, score > 0.5) == ("bill", True)
    assert store.similarity_search_with_relevance_scores("the invoice", k=1)[0][1] == score
    unlike = found(store.max_marginal_relevance_search("a dog with a cough", k=2, lambda_mult=0.0))
    assert "bill" in unlike
    assert found(store.as_retriever(search_kwargs={"k": 1}).invoke("an overdue invoice")) == ["bill"]
    [hit] = memory.search("overdue", limit=1)
    assert (hit.text, hit.metadata, hit.source["key"]) == ("The invoice is overdue", {"year": 2025}, "bill")
    other = MemgptVectorStore(memory, namespace=("others",))
    other.add_texts(["Another text"], ids=["x"])
    store.delete()
    assert (store.similarity_search("dog"), found(other.similarity_search("dog"))) == ([], ["x"])


def test_vectors_of_a_model_of_ones_own(memory: Memory) -> None:
    embedding = DeterministicFakeEmbedding(size=7)
    store = MemgptVectorStore.from_texts(["a", "b"], embedding, memory=memory, ids=["1", "2"])
    assert found(store.similarity_search("b", k=1)) == ["2"]
    assert found(store.similarity_search_by_vector(embedding.embed_query("a"), k=1)) == ["1"]
    with pytest.raises(InputError, match="give it one"):
        MemgptVectorStore(memory).similarity_search_by_vector([1.0])
    with pytest.raises(InputError, match="1 ids for 2 documents"):
        store.add_documents(DOCUMENTS[:2], ids=["1"])


def test_without_any_model_the_error_says_what_is_missing(module_dsn: str) -> None:
    with Memory("no-model", dsn=module_dsn, options=Settings(embedding_model="none")) as memory:
        embeddings = MemgptVectorStore(memory).embeddings
        with pytest.raises(InputError, match="give the store an embedding"):
            embeddings.embed_query("x")


def test_a_conversation_comes_back_as_it_was(memory: Memory) -> None:
    history = MemgptChatMessageHistory(memory, "chat")
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1", "type": "tool_call"}
    messages = [
        SystemMessage("Be brief"),
        HumanMessage([{"type": "text", "text": "What is the weather?"}], name="Ann"),
        AIMessage("", tool_calls=[call], response_metadata={"model": "m"}),
        ToolMessage("rain", tool_call_id="c1"),
        AIMessage("It rains in Oslo"),
    ]
    history.add_messages(messages)
    assert history.messages == messages
    assert asyncio.run(history.aget_messages()) == messages
    assert memory.search('"rains in Oslo"', kinds=["message"])[0].source["session"] == "chat"
    assert MemgptChatMessageHistory(memory, "another").messages == []
    answer = memory.messages.list(session="chat")[-1]
    memory.messages.update(answer.id, content="It snows in Oslo")
    assert history.messages[-1].content == "It snows in Oslo"
    history.clear()
    history.clear()
    assert history.messages == []
    memory.undo()
    assert len(history.messages) == 5


def test_messages_of_others_are_read_too(memory: Memory) -> None:
    memory.messages.append("user", "Hello", session="s", name="Ann")
    memory.messages.append("assistant", "Hi", session="s", tool_calls=[{"name": "f", "arguments": {"a": 1}, "id": "x"}])
    memory.messages.append("tool", "done", session="s", tool_call_id="x")
    user, assistant, tool = MemgptChatMessageHistory(memory, "s").messages
    assert isinstance(user, HumanMessage)
    assert isinstance(assistant, AIMessage)
    assert assistant.tool_calls == [{"name": "f", "args": {"a": 1}, "id": "x", "type": "tool_call"}]
    assert isinstance(tool, ToolMessage)
    assert tool.tool_call_id == "x"


def test_the_retriever_finds_all_kinds(memory: Memory) -> None:
    memory.remember("Ann drinks green tea")
    memory.messages.append("user", "I drink tea in the morning")
    memory.documents.add("Tea is brewed at 80 degrees", title="Guide")
    memory.graph.add_fact("Ann", "likes", "tea")
    memory.items.put(("users", "ann"), "drink", {"likes": "tea"})
    documents = MemgptRetriever(memory=memory, k=10).invoke("tea")
    kinds = {"archival", "message", "chunk", "fact", "item"}
    assert {document.metadata["kind"] for document in documents} == kinds
    assert {(document.id or "").partition(":")[0] for document in documents} == kinds
    only = MemgptRetriever(memory=memory, options={"kinds": ["message"]}).invoke("tea")
    assert [document.page_content for document in only] == ["I drink tea in the morning"]


def test_keys_of_many_pages(memory: Memory) -> None:
    store = MemgptKeyValueStore(memory)
    store.mset([(f"k{n:05}", n) for n in range(PAGE + 5)])
    assert len([*store.yield_keys()]) == PAGE + 5
    assert [*store.yield_keys(prefix="k0000")] == [f"k{n:05}" for n in range(10)]
    assert memory.search("", kinds=["item"]) == []


def test_everything_joins_a_transaction(memory: Memory, open_memory: Callable[..., Memory]) -> None:
    vectors, values = MemgptVectorStore(memory), MemgptKeyValueStore(memory)
    history = MemgptChatMessageHistory(memory, "chat")

    def work() -> None:
        with memory.transaction():
            vectors.add_documents(DOCUMENTS)
            values.mset([("k", 1)])
            history.add_messages([HumanMessage("Hello")])
            raise KeyError("nothing of it stays")

    with pytest.raises(KeyError):
        work()
    assert (vectors.get_by_ids(["dog"]), values.mget(["k"]), history.messages) == ([], [None], [])
