"""MemPalace by the tools of its MCP server, called in process: a wing for each agent."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import loop


class MemPalace:
    def __init__(self, given: dict[str, Any]) -> None:
        os.environ |= {
            "HOME": given["folder"],
            "MEMPALACE_CONFIG_DIR": f"{given['folder']}/config",
            "MEMPALACE_PALACE_PATH": f"{given['folder']}/palace",
            "MEMPALACE_EMBEDDING_MODEL": "openai-compat",
            "MEMPALACE_EMBEDDING_API_URL": given["url"],
            "MEMPALACE_EMBEDDING_API_MODEL": given["model"],
            "MEMPALACE_EMBEDDING_API_KEY": loop.KEY,
            "ANONYMIZED_TELEMETRY": "False",
        }
        sys.argv = ["mempalace"]  # it reads the command line when it is imported
        from mempalace import ids, mcp_server, palace

        self._server, self._id, self._open = mcp_server, ids.make_drawer_id_from_content, palace.get_collection

    def add(self, agent: str, text: str) -> None:
        _checked(self._server.tool_add_drawer(wing=agent, room="memories", content=text))

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        """As its miners store what they cut: by the collection, a thousand at a time."""
        told = {"wing": agent, "room": "memories", "source_file": "", "added_by": "mcp", "chunk_index": 0}
        for start in range(0, len(texts), 1000):
            part = list(texts[start : start + 1000])
            ids = [self._id(agent, "memories", text) for text in part]
            now = datetime.now().isoformat()
            metadatas = [told | {"filed_at": now} for _ in part]
            self._collection().upsert(ids=ids, documents=part, metadatas=metadatas)
        return True

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        found = _checked(self._server.tool_search(query=query, limit=limit, wing=agent))
        return [hit["text"] for hit in found["results"]]

    def count(self, agent: str) -> int:
        return len(self._collection().get(where={"wing": agent}, include=[])["ids"])

    def _collection(self) -> Any:
        return self._open(os.environ["MEMPALACE_PALACE_PATH"])


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("error") or answer.get("success") is False:
        raise RuntimeError(str(answer.get("error")))
    return answer


if __name__ == "__main__":
    loop.run(MemPalace)
