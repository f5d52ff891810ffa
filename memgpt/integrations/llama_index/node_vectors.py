"""LlamaIndex's ``BasePydanticVectorStore``: nodes in a namespace of a memory; and its ``BaseEmbedding``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from memgpt.async_memory import ThreadedMemory
from memgpt.errors import InputError
from memgpt.integrations.embedded_texts import embedded
from memgpt.integrations.llama_index.node_filters import condition_of
from memgpt.items.items import ItemSearchOptions, NewItem
from memgpt.items.predicates import ItemCondition, all_of, equals, one_of
from memgpt.memory import Memory
from memgpt.models import FoundItem, StoreItem

PAGE: Final = 1000
RANKED: Final = 200
"""Hits of a search of words that are looked at together."""
MOST_RANKED: Final = 2000
DOCUMENT: Final = "ref_doc_id"
"""The field in which LlamaIndex keeps the document a node is from."""
MEANING: Final = VectorStoreQueryMode.DEFAULT
BOTH: Final = (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.SEMANTIC_HYBRID)
WORDS: Final = (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE)


class MemgptEmbedding(BaseEmbedding):
    """The embedding model of a memory, as LlamaIndex's interface.

    Args:
        memory: whose model it is.
    """

    _memory: Memory = PrivateAttr()
    _threads: ThreadedMemory = PrivateAttr()

    def __init__(self, memory: Memory) -> None:
        super().__init__(model_name="memgpt", embed_batch_size=100)
        self._memory = memory
        self._threads = ThreadedMemory(memory)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embedded(self._memory, [query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await self._threads.run(lambda _: self._get_query_embedding(query))

    def _get_text_embedding(self, text: str) -> list[float]:
        return embedded(self._memory, [text], "document")[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return embedded(self._memory, texts, "document")

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await self._threads.run(lambda _: self._get_text_embedding(text))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await self._threads.run(lambda _: self._get_text_embeddings(texts))


class MemgptNodeVectorStore(BasePydanticVectorStore):
    """Nodes of a memory's agent, also found by ``memory.search``; similarities are cosines.

    Args:
        memory: whose nodes these are.
        namespace: labels that tell them from other items.
        memory_vectors: embed nodes and queries by the memory's own model, in the place of the index's.
    """

    stores_text: bool = True
    _memory: Memory = PrivateAttr()
    _threads: ThreadedMemory = PrivateAttr()
    _namespace: tuple[str, ...] = PrivateAttr()

    def __init__(
        self,
        memory: Memory,
        namespace: Sequence[str] = ("llama_index", "nodes"),
        *,
        memory_vectors: bool = False,
    ) -> None:
        super().__init__(stores_text=True, is_embedding_query=not memory_vectors)
        self._memory = memory
        self._threads = ThreadedMemory(memory)
        self._namespace = tuple(namespace)

    @property
    def client(self) -> Memory:
        """The memory with the nodes."""
        return self._memory

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:  # noqa: ARG002 - what other stores take
        """Add nodes, all or none; one of an id that is there already takes its place."""
        self._memory.items.put_many(self._item(node) for node in nodes)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:  # noqa: ARG002 - what other stores take
        """Remove the nodes of a document; ``memory.undo()`` brings them back."""
        self._remove(where=equals(DOCUMENT, ref_doc_id))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,  # noqa: ARG002 - what other stores take
    ) -> None:
        """Remove the nodes that have one of these ids and fulfil the filters; without both, none."""
        if node_ids is not None or filters is not None:
            self._remove(**_wanted(node_ids, filters))

    def clear(self) -> None:
        """Remove all nodes of the namespace."""
        self._remove()

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes that have one of these ids and fulfil the filters, those last written first."""
        return [_node(item) for item in self._all(**_wanted(node_ids, filters))]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:  # noqa: ARG002
        """Find nodes.

        By default those nearest to the query's vector. In the modes ``hybrid`` and ``semantic_hybrid`` those that
        ``memory.search`` ranks best, by words and by the meaning that the memory's own model sees; in ``text_search``
        and ``sparse`` only those of them that have words of the query.

        Raises:
            InputError: of another mode, or a query without what its mode needs.
        """
        # an index that keeps no ids of its own gives an empty list of them
        wanted = _wanted(query.node_ids or None, query.filters, query.doc_ids or None)
        if query.mode == MEANING:
            return _result(self._nearest(query, wanted))
        if query.mode not in (*BOTH, *WORDS):
            known = ", ".join(mode.value for mode in (MEANING, *BOTH, *WORDS))
            raise InputError(f"the mode of a query must be one of {known}, not {query.mode.value!r}")
        if not query.query_str:
            raise InputError(f"a query of mode {query.mode.value!r} needs query_str")
        only_words = query.mode in WORDS
        most = (query.sparse_top_k if only_words else query.hybrid_top_k) or query.similarity_top_k
        ranked = self._ranked(query.query_str, wanted, most, only_words=only_words)
        return _result(ranked)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        return await self._threads.run(lambda _: self.add(nodes, **kwargs))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        await self._threads.run(lambda _: self.delete(ref_doc_id, **delete_kwargs))

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        await self._threads.run(lambda _: self.delete_nodes(node_ids, filters, **delete_kwargs))

    async def aclear(self) -> None:
        await self._threads.run(lambda _: self.clear())

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        return await self._threads.run(lambda _: self.get_nodes(node_ids, filters))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        return await self._threads.run(lambda _: self.query(query, **kwargs))

    def _item(self, node: BaseNode) -> NewItem:
        value = node_to_metadata_dict(node, remove_text=True)
        own = [("text", node.embedding)] if node.embedding is not None and self.is_embedding_query else []
        return NewItem(
            self._namespace, node.node_id, value, node.get_content(metadata_mode=MetadataMode.NONE), vectors=own
        )

    def _nearest(self, query: VectorStoreQuery, wanted: ItemSearchOptions) -> Sequence[FoundItem]:
        asked: ItemSearchOptions = {**wanted, "limit": query.similarity_top_k}
        if query.query_embedding is not None and self.is_embedding_query:
            asked["vector"] = query.query_embedding
        elif query.query_str:
            asked["query"] = query.query_str
        else:
            raise InputError("a query needs query_embedding, or query_str for the memory's own model")
        found = self._memory.items.search(self._namespace, **asked)
        return [each for each in found if each.score is not None and tuple(each.item.namespace) == self._namespace]

    def _ranked(self, query: str, wanted: ItemSearchOptions, most: int, *, only_words: bool) -> Sequence[FoundItem]:
        """Return what a search of the whole memory ranks best among the nodes that are wanted."""
        ranked: list[FoundItem] = []
        for offset in range(0, MOST_RANKED, RANKED):
            hits = self._memory.search(
                query, kinds=["item"], limit=RANKED, offset=offset, operators=False, explain=only_words
            )
            scores = {
                hit.source["key"]: hit.score
                for hit in hits
                if tuple(hit.source["namespace"]) == self._namespace
                and (not only_words or (hit.explain or {}).get("text"))
            }
            fitting = {item.key: item for item in self._those_of([*scores], wanted)}
            ranked += [FoundItem(fitting[key], score) for key, score in scores.items() if key in fitting]
            if len(ranked) >= most or len(hits) < RANKED:
                break
        return ranked[:most]

    def _those_of(self, keys: Sequence[str], wanted: ItemSearchOptions) -> Iterator[StoreItem]:
        chosen = wanted.get("keys")
        among = keys if chosen is None else [key for key in keys if key in set(chosen)]
        return self._all(where=wanted.get("where"), keys=among) if among else iter(())

    def _all(self, **wanted: Any) -> Iterator[StoreItem]:
        """Yield the nodes that are wanted."""
        offset = 0
        while page := self._memory.items.search(self._namespace, limit=PAGE, offset=offset, **wanted):
            yield from (each.item for each in page if tuple(each.item.namespace) == self._namespace)
            offset += len(page)

    def _remove(self, **wanted: Any) -> None:
        with self._memory.transaction():
            self._memory.items.delete_many((self._namespace, item.key) for item in [*self._all(**wanted)])


def _wanted(
    node_ids: Sequence[str] | None, filters: MetadataFilters | None, documents: Sequence[str] | None = None
) -> ItemSearchOptions:
    """Return the options of a search for such nodes."""
    conditions: list[ItemCondition] = [] if filters is None else [condition_of(filters)]
    if documents is not None:
        conditions.append(one_of(DOCUMENT, documents))
    wanted: ItemSearchOptions = {"where": all_of(conditions)} if conditions else {}
    if node_ids is not None:
        wanted["keys"] = node_ids
    return wanted


def _node(item: StoreItem) -> BaseNode:
    return metadata_dict_to_node(item.value, text=item.text or None)


def _result(found: Sequence[FoundItem]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[_node(each.item) for each in found],
        similarities=[each.score or 0.0 for each in found],
        ids=[each.item.key for each in found],
    )
