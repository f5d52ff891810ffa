"""The same over a memory."""

from __future__ import annotations

import stores

from memgpt import Memory
from memgpt.integrations.langgraph import MemgptStore


def _open(dsn: str) -> MemgptStore:
    return MemgptStore(Memory("bench", dsn=dsn), index=stores.INDEX)


if __name__ == "__main__":
    stores.run(_open)
