"""LangChain's standard tests of its interfaces, over ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.stores import BaseStore
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    BaseStoreAsyncTests,
    BaseStoreSyncTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from memgpt import Memory
from memgpt.integrations.langchain import MemgptKeyValueStore, MemgptRetriever, MemgptVectorStore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
class TestVectorsOfAnEmbedding(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, memory: Memory) -> VectorStore:  # type: ignore[override]
        return MemgptVectorStore(memory, self.get_embeddings())


@pytest.mark.anyio
class TestVectorsOfTheMemory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, memory: Memory) -> VectorStore:  # type: ignore[override]
        return MemgptVectorStore(memory)


class TestKeyValues(BaseStoreSyncTests[Any]):
    @pytest.fixture
    def kv_store(self, memory: Memory) -> BaseStore[str, Any]:  # type: ignore[override]
        return MemgptKeyValueStore(memory)

    @pytest.fixture
    def three_values(self) -> tuple[Any, Any, Any]:
        return b"\x00bytes\xff", "text", {"json": [1, None]}


@pytest.mark.anyio
class TestKeyValuesAsync(BaseStoreAsyncTests[Any]):
    @pytest.fixture
    async def kv_store(self, memory: Memory) -> BaseStore[str, Any]:  # type: ignore[override]
        return MemgptKeyValueStore(memory)

    @pytest.fixture
    def three_values(self) -> tuple[Any, Any, Any]:
        return b"\x00bytes\xff", "text", {"json": [1, None]}


@pytest.mark.anyio
class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _known(self, open_memory: Callable[..., Memory]) -> None:
        self.known = open_memory()
        self.known.remember_many([{"text": f"Ann drinks tea number {n}"} for n in range(5)])

    @property
    def retriever_constructor(self) -> type[MemgptRetriever]:
        return MemgptRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"memory": self.known}

    @property
    def retriever_query_example(self) -> str:
        return "who drinks tea?"
