"""Chroma's persistent client: one collection, agents as metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import chromadb
import loop
from chromadb.config import Settings
from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction


class Chroma:
    def __init__(self, given: dict[str, Any]) -> None:
        embed = OpenAIEmbeddingFunction(api_key=loop.KEY, api_base=given["url"], model_name=given["model"])
        client = chromadb.PersistentClient(given["folder"], settings=Settings(anonymized_telemetry=False))
        space = {"hnsw": {"space": "cosine"}}
        self._most = client.get_max_batch_size()
        self._memories = client.get_or_create_collection("memories", embedding_function=embed, configuration=space)

    def add(self, agent: str, text: str) -> None:
        self._memories.add(ids=[_id(agent, text)], documents=[text], metadatas=[{"agent": agent}])

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        for start in range(0, len(texts), min(self._most, 1000)):
            part = list(texts[start : start + 1000])
            ids = [_id(agent, text) for text in part]
            self._memories.add(ids=ids, documents=part, metadatas=[{"agent": agent}] * len(part))
        return True

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        found = self._memories.query(query_texts=[query], n_results=limit, where={"agent": agent})
        return list(found["documents"][0])

    def count(self, agent: str) -> int:
        return len(self._memories.get(where={"agent": agent}, include=[])["ids"])


def _id(agent: str, text: str) -> str:
    return hashlib.sha256(f"{agent} {text}".encode()).hexdigest()


if __name__ == "__main__":
    loop.run(Chroma)
