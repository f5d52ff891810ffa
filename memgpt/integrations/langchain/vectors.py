"""LangChain's ``VectorStore``: documents in a namespace of a memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from memgpt.errors import InputError
from memgpt.integrations.embedded_texts import embedded
from memgpt.items.items import ItemSearchOptions, NewItem
from memgpt.memory import Memory
from memgpt.models import FoundItem, StoreItem

PAGE: Final = 1000


class MemoryEmbeddings(Embeddings):
    """The embedding model of a memory, as LangChain's interface."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return embedded(self._memory, texts, "document")

    def embed_query(self, text: str) -> list[float]:
        return embedded(self._memory, [text], "query")[0]


class MemgptVectorStore(VectorStore):
    """Documents of a memory's agent, also found by ``memory.search``; scores are cosine similarities.

    Args:
        memory: whose documents these are.
        embedding: a model of the store's own; absent, the memory's.
        namespace: labels that tell them from other items.
    """

    def __init__(
        self,
        memory: Memory,
        embedding: Embeddings | None = None,
        namespace: Sequence[str] = ("langchain", "documents"),
    ) -> None:
        self.memory = memory
        self.namespace = tuple(namespace)
        self._own = embedding

    @property
    def embeddings(self) -> Embeddings:
        """The model that embeds documents and queries."""
        return self._own or MemoryEmbeddings(self.memory)

    @classmethod
    def from_texts(  # type: ignore[override]
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        memory: Memory,
        ids: list[str] | None = None,
        namespace: Sequence[str] = ("langchain", "documents"),
    ) -> Self:
        """Make a store of a memory, and add texts."""
        store = cls(memory, embedding, namespace)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_documents(
        self,
        documents: list[Document],
        *,
        ids: Sequence[str] | None = None,
        **kwargs: Any,  # noqa: ARG002 - what other stores take
    ) -> list[str]:
        """Add documents, all or none; one of an id that is there already takes its place.

        Raises:
            InputError: there are more or fewer ids than documents.
        """
        if ids is not None and len(ids) != len(documents):
            raise InputError(f"there are {len(ids)} ids for {len(documents)} documents")
        keys = [*ids] if ids is not None else [document.id or str(uuid4()) for document in documents]
        vectors = self._own.embed_documents([d.page_content for d in documents]) if self._own else []
        self.memory.items.put_many(
            NewItem(
                self.namespace,
                key,
                document.metadata,
                document.page_content,
                vectors=[("text", vectors[n])] if self._own else [],
            )
            for n, (key, document) in enumerate(zip(keys, documents, strict=True))
        )
        return keys

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        items = self.memory.items.get_many([(self.namespace, id) for id in ids])
        return [_document(item) for item in items if item is not None]

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:  # noqa: ARG002 - what other stores take
        """Remove documents; without ids all of the namespace."""
        if ids is not None:
            self.memory.items.delete_many((self.namespace, id) for id in ids)
            return True
        with self.memory.transaction():
            while page := self.memory.items.list(self.namespace, limit=PAGE):
                self.memory.items.delete_many((self.namespace, item.key) for item in page)
        return True

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the documents nearest to a query.

        ``filter`` says what their metadata has to be: values, or operators such as ``{"year": {"$gte": 2020}}``.
        """
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(  # type: ignore[override]
        self, query: str, k: int = 4, *, filter: Mapping[str, Any] | None = None
    ) -> list[tuple[Document, float]]:
        """Return the documents nearest to a query with their cosine similarities; higher is nearer."""
        if self._own is not None:
            return self._by_vector(self._own.embed_query(query), k, filter)
        return self._scored(self._search({"query": query, "limit": k}, filter))

    def similarity_search_by_vector(  # type: ignore[override]
        self, embedding: list[float], k: int = 4, *, filter: Mapping[str, Any] | None = None
    ) -> list[Document]:
        if self._own is None:
            raise InputError("vectors of a query are compared with those of the store's own embedding: give it one")
        return [document for document, _ in self._by_vector(embedding, k, filter)]

    def max_marginal_relevance_search(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """Return documents near a query and unlike each other, chosen among the nearest ``fetch_k``."""
        near = self.similarity_search(query, fetch_k, filter=filter)
        if not near:
            return []
        vectors = self.embeddings.embed_documents([document.page_content for document in near])
        asked = np.asarray(self.embeddings.embed_query(query))
        return [near[n] for n in maximal_marginal_relevance(asked, vectors, lambda_mult=lambda_mult, k=k)]

    def _select_relevance_score_fn(self) -> Any:
        return lambda similarity: min(max(similarity, 0.0), 1.0)

    def _by_vector(self, vector: list[float], k: int, wanted: Mapping[str, Any] | None) -> list[tuple[Document, float]]:
        return self._scored(self._search({"vector": vector, "limit": k}, wanted))

    def _search(self, options: ItemSearchOptions, wanted: Mapping[str, Any] | None) -> Sequence[FoundItem]:
        options["filter"] = wanted
        return self.memory.items.search(self.namespace, **options)

    @staticmethod
    def _scored(found: Sequence[FoundItem]) -> list[tuple[Document, float]]:
        return [(_document(each.item), each.score) for each in found if each.score is not None]


def _document(item: StoreItem) -> Document:
    return Document(id=item.key, page_content=item.text, metadata=item.value)
