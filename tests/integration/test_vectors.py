"""Vectors that cannot be compared are refused, whichever way they come."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt import Agents, Memory, validation
from memgpt.config import Settings
from memgpt.embeddings import StaticModel, Vectors  # type: ignore[attr-defined]
from memgpt.embeddings.base import Purpose
from memgpt.errors import EmbeddingError, InputError, MemgptError

SIZE = 256
WITHOUT_MODEL = Settings(embedding_model="none")
BAD = {
    "NaN": [float("nan")] * SIZE,
    "infinity": [1.0] * (SIZE - 1) + [float("-inf")],
    "zeros": [0.0] * SIZE,
    "the square is 0": [1e-38] * SIZE,
    "the square is rounded to almost nothing": [1e-22] * SIZE,
    "the square is infinite": [1e30] * SIZE,
    "the sum of the squares is infinite": [1.5e19] * SIZE,
}

WAYS: dict[str, Callable[[Memory, Any], object]] = {
    "remember": lambda memory, vector: memory.remember("x", embedding=vector),
    "remember many": lambda memory, vector: memory.remember_many([{"text": "x"}, {"text": "y", "embedding": vector}]),
    "update": lambda memory, vector: memory.archival.update(memory.remember("x").id, text="y", embedding=vector),
    "message": lambda memory, vector: memory.messages.append("user", "x", embedding=vector),
    "messages": lambda memory, vector: memory.messages.append_many([{"content": "x", "embedding": vector}]),
    "chunk": lambda memory, vector: memory.documents.create([{"chunk_text": "x", "embedding": vector}], title="x"),
    "search": lambda memory, vector: memory.search(vector=vector),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_callers_vector(dsn: str, way: Callable[[Memory, Any], object]) -> None:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        for vector in BAD.values():
            with pytest.raises(InputError, match="no direction to compare"):
                way(memory, vector)
        assert [*memory.messages.list(), *memory.documents.list()] == []


class Broken(StaticModel):
    """A model of the caller's own that gives one vector for everything."""

    vector: Sequence[float] = ()

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:  # noqa: ARG002
        return np.array([self.vector] * len(texts), dtype=np.float32)


def test_a_models_vector(dsn: str) -> None:
    model = Broken()
    with Memory("ann", dsn=dsn, embedder=model) as memory:
        for model.vector in BAD.values():
            for way in (memory.remember, memory.search, lambda text: memory.messages.append("user", text)):
                with pytest.raises(EmbeddingError, match="for text 0 of 1"):
                    way("x")
        assert memory.archival.list() == []


@pytest.mark.parametrize("table", ["archival_memories", "memory_history"])
def test_an_imported_vector(dsn: str, table: str) -> None:
    with Memory("ann", dsn=dsn) as memory, Agents(dsn) as agents:
        memory.archival.delete(memory.remember("x").id)
        memory.remember("y")
        file = io.StringIO()
        agents.export("ann", file, history=True)
        lines = [json.loads(line) for line in file.getvalue().splitlines()]
        [line] = [line for line in lines if line.get("table") == table and "embedding" in line]
        for vector in BAD.values():
            line["embedding"] = base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode()
            with pytest.raises(InputError, match=r"line \d+: embedding (has|is all)"):
                agents.import_(io.StringIO("".join(json.dumps(line) + "\n" for line in lines)), "copy")
        assert [agent.agent_id for agent in agents.list()] == ["ann"]


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_whatever_is_accepted_can_be_compared(numbers: list[float]) -> None:
    try:
        vector = validation.vector(numbers, "vector", dimensions=len(numbers)).to_numpy()
    except MemgptError:
        return
    squared = np.float32(0)
    for number in vector:
        squared += np.float32(number) * np.float32(number)
    assert 0 < squared < np.inf


@pytest.mark.parametrize("number", [1e-9, 1e6], ids=["0 in half precision", "infinite in half precision"])
def test_vectors_of_columns_of_half_precision(number: float) -> None:
    assert validation.vector([number] * 2000, "vector", dimensions=2000)
    with pytest.raises(InputError, match="to compare"):
        validation.vector([number] * 3000, "vector", dimensions=3000)


def test_pgvector_agrees_with_the_bounds(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        for number, fine in ((1e-20, True), (1e-38, False), (1e17, True), (1e30, False)):
            [distance] = connection.execute(
                "SELECT v.v <=> v.v FROM (SELECT array_fill(%s::real, ARRAY[256])::vector) AS v (v)", [number]
            ).fetchone() or [None]
            assert (abs(distance) < 1e-3) is fine, (number, distance)  # type: ignore[arg-type]
