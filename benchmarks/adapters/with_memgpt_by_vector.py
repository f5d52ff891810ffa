"""memgpt, searched by the vector alone as most peers are: the same endpoint embeds the question."""

from __future__ import annotations

import loop
from with_memgpt import Memgpt

from memgpt.memory import scope_of


class ByVector(Memgpt):
    def search(self, agent: str, query: str, limit: int) -> list[str]:
        memory = self._of(agent)
        scope = scope_of(memory)
        vector = scope.repeat_on_switch(lambda: scope.embed([query], purpose="query")[0])
        return [hit.text for hit in memory.search(vector=vector, limit=limit, kinds=["archival"])]


if __name__ == "__main__":
    loop.run(ByVector)
