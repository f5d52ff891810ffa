"""Memories made by the other systems' own packages, to import by hand; no test needs it.

In an environment that has chromadb, langgraph-checkpoint-postgres and mem0ai with psycopg and psycopg-pool:

    python tests/foreign_memories.py DIRECTORY postgresql://…

Then ``memgpt import`` DIRECTORY/chroma and DIRECTORY/mem0.json, and the address with ``--kind mem0`` and
``--kind langgraph``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def make_chroma(directory: str) -> None:
    """Write a persisted directory with a plain collection and one that is named as MemPalace's drawers."""
    import chromadb

    client = chromadb.PersistentClient(directory)
    notes = client.get_or_create_collection("notes", embedding_function=None)
    notes.add(
        ids=["a", "b", "gone"],
        documents=["Ann likes tea.", "Bob drinks coffee.", "Deleted."],
        metadatas=[{"n": 1, "share": 0.5, "flag": True}, {"topic": "coffee"}, {"topic": "none"}],
        embeddings=[[1, 0], [0, 1], [1, 1]],
    )
    notes.delete(ids=["gone"])
    drawers = client.get_or_create_collection("mempalace_drawers", embedding_function=None)
    about = {"wing": "proj", "room": "decisions", "source_file": "/x/a.md", "filed_at": "2026-04-01T10:00:00"}
    drawers.add(ids=["drawer_1"], documents=["We chose PostgreSQL."], metadatas=[about], embeddings=[[1, 0]])
    drawers.update(ids=["drawer_1"], documents=["We chose PostgreSQL 18."], embeddings=[[1, 0]])


def make_langgraph(dsn: str) -> None:
    """Write a store with values of the shapes of LangGraph's guide and of LangMem."""
    from langgraph.store.postgres import PostgresStore

    with PostgresStore.from_conn_string(dsn) as store:
        store.setup()
        store.put(("memories", "ann"), "k1", {"text": "Has two cats"})
        store.put(("memories", "ann"), "k2", {"kind": "Memory", "content": {"content": "Prefers metric units"}})
        store.put(("prefs",), "k3", {"theme": "dark"}, ttl=60)


def make_mem0(dsn: str, answer: Path) -> None:
    """Keep two memories in mem0's pgvector table, without a language model, and write what ``get_all`` returns."""
    from mem0 import Memory

    class Embedder:
        def embed(self, _text: str, *_: Any) -> list[float]:
            return [1.0, 0.0, 0.0]

        def embed_batch(self, texts: list[str], *_: Any) -> list[list[float]]:
            return [[1.0, 0.0, 0.0] for _ in texts]

    os.environ.setdefault("OPENAI_API_KEY", "none")
    os.environ["MEM0_TELEMETRY"] = "False"
    store = {"connection_string": dsn, "collection_name": "mem0", "embedding_model_dims": 3}
    memory = Memory.from_config({"vector_store": {"provider": "pgvector", "config": store}})
    memory.embedding_model = Embedder()
    for text in ("Likes green tea", "Lives in Oslo"):
        memory.add(text, user_id="ann", infer=False, metadata={"topic": "life"})
    answer.write_text(json.dumps(memory.get_all(filters={"user_id": "ann"})), encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make_chroma(str(folder / "chroma"))
    make_langgraph(sys.argv[2])
    make_mem0(sys.argv[2], folder / "mem0.json")
