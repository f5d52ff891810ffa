"""LangGraph's PostgresStore, with a pool and its default index (HNSW)."""

from __future__ import annotations

import stores
from langgraph.store.postgres import PostgresStore

KEPT = []


def _open(dsn: str) -> PostgresStore:
    pool = {"min_size": 1, "max_size": 8}
    KEPT.append(PostgresStore.from_conn_string(dsn, pool_config=pool, index=stores.INDEX))
    store = KEPT[0].__enter__()
    store.setup()
    return store


if __name__ == "__main__":
    stores.run(_open)
