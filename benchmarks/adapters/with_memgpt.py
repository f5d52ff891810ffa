"""memgpt, with the same embeddings over the same endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import loop
from pydantic import SecretStr

from memgpt import Memory
from memgpt.config import Settings


class Memgpt:
    def __init__(self, given: dict[str, Any]) -> None:
        self._options = Settings(
            database_url=SecretStr(given["dsn"]),
            embedding_model=f"openai:{given['model']}",
            embedding_dimensions=given["dimensions"],
            embedding_base_url=given["url"],
            embedding_api_key=SecretStr(loop.KEY),
        )
        self._memories: dict[str, Memory] = {}
        self._of("agent 0").search("warm")

    def _of(self, agent: str) -> Memory:
        if agent not in self._memories:
            self._memories[agent] = Memory(agent, options=self._options)
        return self._memories[agent]

    def add(self, agent: str, text: str) -> None:
        self._of(agent).remember(text)

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        self._of(agent).remember_many({"text": text} for text in texts)
        return True

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        return [hit.text for hit in self._of(agent).search(query, limit=limit, kinds=["archival"])]

    def count(self, agent: str) -> int:
        return next((kind.rows for kind in self._of(agent).stats().kinds if kind.kind == "archival"), 0)


if __name__ == "__main__":
    loop.run(Memgpt)
