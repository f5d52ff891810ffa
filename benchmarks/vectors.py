"""Vectors that are like embeddings of texts in the way that matters here: few directions carry most of them.

Their spectrum falls as 1/k over 256 directions, with some noise on top. Neat clusters would flatter every index that
cuts space into cells (three probes of IVFFlat find everything); real texts are not like that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector

from memgpt.database.connection import Connection

DIMENSIONS = 1536
Matrix = NDArray[np.float32]


class Source:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int = 1, dimensions: int = DIMENSIONS, directions: int = 256) -> None:
        strength = np.arange(1, directions + 1, dtype=np.float32) ** -0.5
        everywhere = np.random.default_rng(0).standard_normal((directions, dimensions), np.float32)
        self._directions = everywhere * strength[:, None] / np.float32(np.sqrt(dimensions))
        self._random = np.random.default_rng(seed)

    def take(self, count: int) -> Matrix:
        """Of length one."""
        directions, dimensions = self._directions.shape
        found = self._random.standard_normal((count, directions), np.float32) @ self._directions
        found += np.float32(0.3 / np.sqrt(dimensions)) * self._random.standard_normal(found.shape, np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found, np.float32)


class Matryoshka(Source):
    """The same for a model trained so that its leading dimensions say most, and vectors can be cut off."""

    def take(self, count: int) -> Matrix:
        found = self._random.standard_normal((count, self._directions.shape[1]), np.float32)
        found *= np.arange(1, found.shape[1] + 1, dtype=np.float32) ** -0.75
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found, np.float32)


def zipf(rows: int, agents: int) -> list[int]:
    """Sizes of agents: a few big ones, many small ones."""
    share = 1 / np.arange(1, agents + 1)
    return [max(1, int(size)) for size in rows * share / share.sum()]


BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def load(
    connection: Connection,
    statement: bytes,
    agent: str,
    source: Source,
    rows: int,
    *,
    first: int = 0,
    dated: bool = False,
) -> Matrix:
    """Copy so many rows of ``(agent_id, text, embedding)`` into a table; the vectors.

    ``dated`` adds the time: a minute a row, counted from ``first``, in no order that has to do with the agents.
    """
    kept = []
    with connection.cursor().copy(statement) as copy:
        copy.set_types(["text", "text", "vector", *(["timestamptz"] if dated else [])])
        for start, part in _parts(source, rows):
            kept.append(part)
            for n, vector in enumerate(part, start=start):
                when = (BEGAN + timedelta(minutes=(first + n) * 7919 % 1_000_003),) if dated else ()
                copy.write_row((agent, f"memory {n} topic{n % 997}", Vector(vector), *when))
    return np.concatenate(kept)


def copy(
    connection: Connection, statement: bytes, agent: str, texts: Sequence[str], embedded: Matrix, *extra: str
) -> None:
    """Copy rows of ``(agent_id, text, embedding)``, and more texts, that are there already."""
    with connection.cursor().copy(statement) as into:
        into.set_types(["text", "text", "vector", *("text" for _ in extra)])
        for text, vector in zip(texts, embedded, strict=True):
            into.write_row((agent, text, Vector(vector), *extra))


def _parts(source: Source, rows: int, size: int = 5000) -> Iterator[tuple[int, Matrix]]:
    for start in range(0, rows, size):
        yield start, source.take(min(size, rows - start))


def nearest(rows: Matrix, query: Matrix, count: int = 10) -> NDArray[np.intp]:
    """The exact answer: indexes of the nearest rows, by NumPy."""
    similar = rows @ query
    best = np.argpartition(-similar, min(count, len(rows) - 1))[:count]
    return best[np.argsort(-similar[best])]
