"""The floor: a table, an index on the agent, the bare driver and the bare client of the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loop
from openai import OpenAI
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.rows import scalar_row
from psycopg_pool import ConnectionPool

TABLE, INSERT, COPY, SEARCH, COUNT = Path(__file__).with_suffix(".sql").read_text("utf-8").split("\n;\n")[:5]


class Bare:
    def __init__(self, given: dict[str, Any]) -> None:
        self._client = OpenAI(api_key=loop.KEY, base_url=given["url"])
        self._model = given["model"]
        with ConnectionPool(given["dsn"], min_size=1, max_size=1) as first, first.connection() as connection:
            connection.execute(TABLE.replace("DIMENSIONS", str(given["dimensions"])))
        self._pool = ConnectionPool(
            given["dsn"], min_size=1, max_size=8, open=True, configure=register_vector, kwargs={"autocommit": True}
        )

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        found = self._client.embeddings.create(model=self._model, input=list(texts))
        return [Vector(one.embedding) for one in found.data]

    def add(self, agent: str, text: str) -> None:
        given = {"agent": agent, "text": text, "embedding": self._embed([text])[0]}
        with self._pool.connection() as connection:
            connection.execute(INSERT, given)

    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        rows = [
            (agent, *row)
            for start in range(0, len(texts), 1000)
            for row in zip(texts[start : start + 1000], self._embed(texts[start : start + 1000]), strict=True)
        ]
        with self._pool.connection() as connection, connection.cursor().copy(COPY) as copy:
            copy.set_types(["text", "text", "vector"])
            for row in rows:
                copy.write_row(row)
        return True

    def search(self, agent: str, query: str, limit: int) -> list[str]:
        given = {"agent": agent, "embedding": self._embed([query])[0], "limit": limit}
        with self._pool.connection() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(SEARCH, given).fetchall()

    def count(self, agent: str) -> int:
        with self._pool.connection() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            return int(cursor.execute(COUNT, {"agent": agent}).fetchone() or 0)


if __name__ == "__main__":
    loop.run(Bare)
