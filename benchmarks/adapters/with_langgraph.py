"""LangGraph's PostgresStore, with a pool and its default index (HNSW)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import loop
from langchain_openai import OpenAIEmbeddings
from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore


class LangGraph:
    def __init__(self, given: dict[str, Any]) -> None:
        embed = OpenAIEmbeddings(
            model=given["model"], base_url=given["url"], api_key=loop.KEY, check_embedding_ctx_length=False
        )
        index = {"dims": given["dimensions"], "embed": embed, "fields": ["text"]}
        pool = {"min_size": 1, "max_size": 8}
        self._kept = PostgresStore.from_conn_string(given["dsn"], pool_config=pool, index=index)
        self._store = self._kept.__enter__()
        self._store.setup()

    def add(self, agent: str, text: str) -> None:
        self._store.put((agent,), _key(text), {"text": text})

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        self._store.batch([PutOp((agent,), _key(text), {"text": text}) for text in texts])
        return True

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        return [item.value["text"] for item in self._store.search((agent,), query=query, limit=limit)]

    def count(self, agent: str) -> int:
        count = 0
        while found := self._store.search((agent,), limit=1000, offset=count):
            count += len(found)
        return count


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    loop.run(LangGraph)
