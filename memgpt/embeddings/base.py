"""The contract of an embedding model, and the check that every vector passes before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memgpt.database import forks
from memgpt.errors import EmbeddingError
from memgpt.validation import uncomparable

Vectors: TypeAlias = NDArray[np.float32]
"""An array of shape (texts, dimensions)."""

Purpose = Literal["query", "document"]
"""Several models embed a question differently from the text that answers it."""

UNLIMITED = 2**31 - 1
"""``max_tokens`` of a model that reads texts of any length."""


class EmbeddingModel(Protocol):
    """Turns texts into vectors. Implementations are safe to share between threads."""

    @property
    def name(self) -> str:
        """The name stored beside every vector; two models never share one."""

    @property
    def dimensions(self) -> int:
        """Length of every vector. May cost one request, the first time, for a model nobody described."""

    @property
    def max_tokens(self) -> int:
        """Tokens the model reads at once; ``embed`` splits longer texts."""

    @property
    def price_per_million_tokens(self) -> float | None:
        """US dollars; 0 for a model that runs here, None when unknown."""

    @property
    def usage(self) -> Usage:
        """Return what this model object has been asked to do since it was made."""

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:
        """One finite, non-zero vector per text, in order, of whatever length (norm) the model gives.

        A text longer than ``max_tokens`` is split and its vector is the mean of its pieces', weighted by
        their tokens: nothing is cut off silently.

        Raises:
            EmbeddingError: the model failed, or answered something that cannot be stored.
        """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text: exact for the offline model, an estimate on the high side for others."""


TURNS_BEFORE = 2
"""Turns that a model which reads a turn in context is given: as many as the ranking looks at on each side."""


@runtime_checkable
class ContextualModel(Protocol):
    """A model that reads a turn of a conversation together with the turns before it."""

    def embed_in_context(self, texts: Sequence[str], before: Sequence[Sequence[str]]) -> Vectors:
        """One vector per text as a document, of its own tokens alone, which have seen the texts ``before`` it.

        Where there are none the vector is the one of ``embed``.
        """


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """A snapshot of :class:`Usage`."""

    texts: int = 0
    cached: int = 0
    """Texts nobody was asked for: said twice in one call, or paid for before."""
    requests: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    """US dollars; None when the model's price is unknown."""

    def __add__(self, other: UsageTotals) -> UsageTotals:
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        counts = (self.texts + other.texts, self.cached + other.cached, self.requests + other.requests)
        return UsageTotals(*counts, self.tokens + other.tokens, cost)


class Usage:
    """Counts what a model did; shared between threads."""

    def __init__(self, price_per_million_tokens: float | None) -> None:
        self._price = price_per_million_tokens
        self._lock = forks.lock()
        self._texts = self._cached = self._requests = self._tokens = 0

    def add(self, *, texts: int = 0, cached: int = 0, requests: int = 0, tokens: int = 0) -> None:
        with self._lock:
            self._texts += texts
            self._cached += cached
            self._requests += requests
            self._tokens += tokens

    def totals(self) -> UsageTotals:
        with self._lock:
            cost = None if self._price is None else self._tokens * self._price / 1e6
            return UsageTotals(self._texts, self._cached, self._requests, self._tokens, cost)


def checked(model: str, vectors: Any, *, count: int, dimensions: int | None) -> Vectors:
    """``vectors`` as an array of shape (count, dimensions), or the reason why they cannot be stored.

    ``dimensions=None`` accepts any length, the same for all.
    """
    try:
        with np.errstate(over="ignore"):  # beyond float32: becomes infinite, refused below
            array = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise EmbeddingError(
            f"{model} returned vectors of different lengths, or not of numbers; expected {count}"
        ) from None
    if len(array) != count:
        raise EmbeddingError(f"{model} returned {len(array)} vectors for {count} texts; nothing was stored, try again")
    if count == 0:
        return array.reshape(0, dimensions or 0)
    if array.ndim != 2 or array.shape[1] == 0:
        raise EmbeddingError(f"{model} returned an array of shape {array.shape}; expected ({count}, dimensions)")
    if dimensions is not None and array.shape[1] != dimensions:
        raise EmbeddingError(
            f"{model} returned vectors of {array.shape[1]} dimensions, expected {dimensions}; "
            f"set MEMGPT_EMBEDDING_DIMENSIONS={array.shape[1]} if that is what the model gives"
        )
    if fault := uncomparable(array):
        raise EmbeddingError(
            f"{model} returned a vector of {fault[1]} for text {fault[0]} of {count}; it has no direction to compare"
        )
    return array
