"""Searches by one checkout, with the processor time they take: started by ``benchmarks/cost.py`` with the checkout's
``memgpt`` on PYTHONPATH and the DSN of an empty database, one command a line on standard input, one answer a line out.

Only what every version of the library has is used, for the other checkout may be an old one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.database.admin import migrate


class Searching:
    """Memories of one database, by the names of their agents."""

    def __init__(self, dsn: str) -> None:
        migrate.apply(dsn, model=migrate.ModelSpec(OFFLINE_MODEL, 256))
        self._dsn = dsn
        self._own = psycopg.connect(dsn, autocommit=True)
        self._memories: dict[str, Memory] = {}
        self._backends: list[Path] = []

    def fill(self, agent: str, kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        memory = self._memories[agent] = Memory(agent, dsn=self._dsn)
        if kind == "message":
            memory.messages.append_many(rows)
        else:
            memory.remember_many(rows)
        return {}

    def settle(self) -> dict[str, Any]:
        """Vacuum and analyze, as autovacuum does a minute later."""
        self._own.execute("VACUUM (ANALYZE)")
        return {}

    def search(self, agent: str, kind: str, queries: list[str]) -> dict[str, Any]:
        """Return milliseconds of the processor for each query, of this process and of the server's."""
        memory, client, server = self._memories[agent], [], []
        memory.search(queries[0], kinds=[kind], limit=10)  # type: ignore[list-item]
        self._find_backends()
        for query in queries:
            before, begun = self._server_time(), time.process_time_ns()
            memory.search(query, kinds=[kind], limit=10)  # type: ignore[list-item]
            client.append((time.process_time_ns() - begun) / 1e6)
            server.append((self._server_time() - before) / 1e6)
        return {"client": client, "server": server}

    def _find_backends(self) -> None:
        rows = self._own.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        self._backends = [Path(f"/proc/{pid}/schedstat") for (pid,) in rows.fetchall()]

    def _server_time(self) -> int:
        """Return nanoseconds of the processor that the server's processes for this database have had."""
        return sum(int(path.read_text().split()[0]) for path in self._backends)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the library prints is no answer
    searching = Searching(sys.argv[1])
    print(json.dumps({"memgpt": sys.modules["memgpt"].__file__}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(searching, command.pop("do"))(**command)), file=answers)


if __name__ == "__main__":
    main()
