"""LangChain's ``BaseRetriever``: the search of a memory, over all kinds."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from memgpt.memory import Memory
from memgpt.models import Hit


class MemgptRetriever(BaseRetriever):
    """Finds what a memory knows: archival memories, messages, chunks, facts and items, best first.

    The id of a document is its kind and id in the memory (``message:12``). Its metadata is that of the row, with
    ``kind``, ``score``, ``created_at`` and ``source``, which says where it is from.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    memory: Memory
    k: int = 4
    """Most documents."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Other keywords of ``memory.search``, such as ``kinds`` and ``tags``."""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - there is nothing to report in between
        k: int | None = None,
        **options: Any,
    ) -> list[Document]:
        hits = self.memory.search(query, **{"operators": False, **self.options, **options, "limit": k or self.k})
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    about = {"kind": hit.kind, "score": hit.score, "created_at": hit.created_at, "source": hit.source}
    return Document(id=f"{hit.kind}:{hit.id}", page_content=hit.text, metadata={**hit.metadata, **about})
