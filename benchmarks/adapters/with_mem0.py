"""mem0 with its pgvector store and infer=False: no language model takes part. It has no way to add many at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loop

os.environ["MEM0_TELEMETRY"] = "False"  # before it is imported; also leaves out the download of its notices


class Mem0:
    def __init__(self, given: dict[str, Any]) -> None:
        os.environ["MEM0_DIR"] = given["folder"]
        from mem0 import Memory

        client = {"api_key": loop.KEY, "openai_base_url": given["url"]}
        store = {
            "connection_string": given["dsn"],
            "collection_name": "memories",
            "embedding_model_dims": given["dimensions"],
            "maxconn": 8,
        }
        self._memory = Memory.from_config(
            {
                "vector_store": {"provider": "pgvector", "config": store},
                "embedder": {"provider": "openai", "config": client | {"model": given["model"]}},
                "llm": {"provider": "openai", "config": client},
                "history_db_path": str(Path(given["folder"]) / "history.db"),
            }
        )

    def add(self, agent: str, text: str) -> None:
        self._memory.add(text, agent_id=agent, infer=False)

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:  # noqa: ARG002
        return False

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        found = self._memory.search(query, filters={"agent_id": agent}, top_k=limit, threshold=0.0)
        return [hit["memory"] for hit in found["results"]]

    def count(self, agent: str) -> int:
        return len(self._memory.get_all(filters={"agent_id": agent}, top_k=1_000_000)["results"])


if __name__ == "__main__":
    loop.run(Mem0)
