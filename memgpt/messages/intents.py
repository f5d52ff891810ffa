"""Intents as ``memory.intents``: what a user wants with a message, by the nearest labelled examples.

No model is asked: texts are compared by the offline table of token vectors, whatever embedding model the memory has.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.embeddings import Vectors
from memgpt.embeddings.static import StaticModel
from memgpt.errors import InputError, MemgptError
from memgpt.messages.intents_store import IntentStore
from memgpt.models import Intent, IntentCount
from memgpt.scope.scope import AgentScope

UNKNOWN: Final = "unknown"

MOST_LIKE: Final = 5
"""Examples of each label a text is compared with: the nearest ones."""

_WHOLE, _BEGINNING, _ASKING = 0.5, 0.4, 0.1
"""Shares of the similarity: the whole text, its first three words ("remember that", "what did I"), a question mark."""

_SPREAD: Final = 0.05
"""Temperature that turns similarities into a confidence."""

_LEAST_SIMILARITY, _LEAST_CONFIDENCE = 0.12, 0.15
"""Below either, the intent is unknown."""

_LONGEST_EXAMPLE: Final = 400
_READ: Final = 300
"""Characters read at each end of a long message: what is wanted stands there, not in what was pasted between."""

_WORD = re.compile(r"[^\W_]+(?:'\w+)?|[?!]")

Examples: TypeAlias = Mapping[str, Sequence[str]]
Classifier: TypeAlias = Callable[[Sequence[str], Examples], Sequence[Intent]]
"""Labels texts, given the labels with their examples."""


class Intents:
    """The intents of one agent's conversations. Threads may share it."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope
        self._classifier: Classifier | None = None

    def classify(self, text: str) -> Intent:
        """Return the intent of one text."""
        return self.classify_many([validation.text(text, "text")])[0]

    def classify_many(self, texts: Sequence[str]) -> Sequence[Intent]:
        """Return the intents of many texts; in one batch, which is faster."""
        return self.labels(texts)[0] if texts else []

    def labels(self, texts: Sequence[str], *, by_known: bool = False) -> tuple[Sequence[Intent], int]:
        """Return the intents of texts, and the version of the examples that decided.

        ``by_known``: by the examples as they were read last, for somebody who looks at the version afterwards.
        """
        nearest = self._nearest(by_known=by_known)
        if self._classifier is not None:
            try:
                return _checked(self._classifier(texts, nearest.examples), texts), nearest.version
            except MemgptError:
                pass  # a label is not worth losing a message: the nearest examples decide
        return nearest.classify(texts), nearest.version

    def use(self, classifier: Classifier | None) -> None:
        """Ask this classifier first (``memgpt.agent.intents.by_model`` makes one); None: the nearest examples only."""
        self._classifier = classifier

    def learn(self, intent: str, *examples: str) -> None:
        """Add examples to a label, which may be new. More of them, and more varied ones, make it surer.

        Raises:
            InputError: an example is longer than 400 characters; nothing was written.
        """
        label = validation.name(intent, "intent")
        if label == UNKNOWN:
            raise InputError(f"{UNKNOWN!r} says that no label fits: it has no examples")
        texts = validation.texts(examples, "examples")
        for text in texts:
            if len(text) > _LONGEST_EXAMPLE:
                raise InputError(f"an example has {len(text)} characters; at most {_LONGEST_EXAMPLE} are compared")
        with self._scope.change() as (connection, _):
            self._store(connection).learn(label, texts)

    def unlearn(self, intent: str, *examples: str) -> int:
        """Take back examples given to :meth:`learn`, or all of a label; answers how many there were."""
        texts = validation.texts(examples, "examples") or None
        with self._scope.change() as (connection, _):
            removed = self._store(connection).unlearn(validation.name(intent, "intent"), texts)
        with self._scope.database.caches.using(self._scope.agent_id, _Recent, _Recent) as recent:
            recent.nearest = None  # it holds the texts
        return removed

    def examples(self) -> Examples:
        """Return the labels with all their examples: those that come with memgpt, then the agent's own."""
        return self._nearest().examples

    def statistics(
        self, *, since: datetime | str | None = None, until: datetime | str | None = None
    ) -> Sequence[IntentCount]:
        """Count the messages of each intent, the most frequent intent first; ``until`` is not included."""
        start, end = validation.moment(since, "since"), validation.moment(until, "until")
        return self._scope.read(lambda connection: self._store(connection).statistics(since=start, until=end))

    def _nearest(self, *, by_known: bool = False) -> _Nearest:
        with self._scope.database.caches.using(self._scope.agent_id, _Recent, _Recent) as recent:
            nearest = recent.nearest
            if nearest is not None and by_known:
                return nearest
            own, version = self._scope.read(lambda connection: self._store(connection).examples())
            if nearest is None or nearest.version != version:
                recent.nearest = nearest = _with_own(tuple(own), version) if own else _shipped_only()
            return nearest

    def _store(self, connection: Connection) -> IntentStore:
        return IntentStore(connection, self._scope.agent_id)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Labelled examples: those that come with memgpt, whose vectors all agents share, and an agent's own."""

    own: tuple[tuple[str, str], ...]
    version: int
    """Of the agent's own examples."""
    vectors: Vectors
    """Of the own ones."""
    places: Mapping[str, NDArray[np.intp]]
    """Of each label's examples, the own ones being counted after those that come with memgpt."""

    @property
    def examples(self) -> Examples:
        texts = [text for _, text in (*_shipped(), *self.own)]
        return {label: [texts[n] for n in places] for label, places in self.places.items()}

    @property
    def nbytes(self) -> int:
        texts = sum(sys.getsizeof(text) for pair in self.own for text in pair)
        return texts + 64 * len(self.own) + self.vectors.nbytes + sum(places.nbytes for places in self.places.values())

    def classify(self, texts: Sequence[str]) -> Sequence[Intent]:
        asked = _vectors(texts)
        similarities = np.concatenate([asked @ _shipped_vectors().T, asked @ self.vectors.T], axis=1)
        scores = np.stack([_best(similarities[:, places]) for places in self.places.values()], axis=1)
        weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / _SPREAD)
        shares = weights / weights.sum(axis=1, keepdims=True)
        labels = list(self.places)
        return [
            _decided(labels[n], float(scores[row, n]), float(shares[row, n]))
            for row, n in enumerate(scores.argmax(axis=1))
        ]


@dataclass
class _Recent:
    """The agent's own examples as they were read last."""

    nearest: _Nearest | None = None

    @property
    def nbytes(self) -> int:
        return self.nearest.nbytes if self.nearest is not None and self.nearest.own else 0


def _best(similarities: Vectors) -> Vectors:
    """Mean similarity to the nearest examples of one label."""
    count = min(MOST_LIKE, similarities.shape[1])
    best: Vectors = np.partition(similarities, -count, axis=1)[:, -count:].mean(axis=1)
    return best


def _decided(label: str, similarity: float, confidence: float) -> Intent:
    if similarity < _LEAST_SIMILARITY or confidence < _LEAST_CONFIDENCE:
        return Intent(UNKNOWN, 1.0 - confidence)
    return Intent(label, confidence)


@cache
def _shipped() -> Sequence[tuple[str, str]]:
    """Labels and texts of the examples that come with memgpt."""
    file = resources.files("memgpt.messages") / "intents.json"
    shipped: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
    return [(label, text) for label, texts in shipped.items() for text in texts]


@cache
def _shipped_vectors() -> Vectors:
    return _vectors([text for _, text in _shipped()])


def _with_own(own: tuple[tuple[str, str], ...], version: int = 0) -> _Nearest:
    """Combine memgpt's examples with the agent's own; an own example that is also shipped keeps its new label."""
    taken = {text for _, text in own}
    places: dict[str, list[int]] = {}
    for place, (label, text) in enumerate(_shipped()):
        if text not in taken:
            places.setdefault(label, []).append(place)
    for place, (label, _) in enumerate(own, start=len(_shipped())):
        places.setdefault(label, []).append(place)
    vectors = _vectors([text for _, text in own])
    return _Nearest(own, version, vectors, {label: np.array(numbers, np.intp) for label, numbers in places.items()})


@cache
def _shipped_only() -> _Nearest:
    return _with_own(())


def _vectors(texts: Sequence[str]) -> Vectors:
    """Return unit vectors of what is compared: the text, its beginning, whether it asks."""
    if not texts:
        return np.empty((0, 2 * StaticModel.dimensions + 1), dtype=np.float32)
    model = StaticModel()
    read = [text if len(text) <= 2 * _READ else f"{text[:_READ]} {text[-_READ:]}" for text in texts]
    whole = model.embed(read)
    beginning = model.embed([" ".join(_WORD.findall(text.lower())[:3]) or "." for text in read])
    asking = np.array([[text.rstrip().endswith("?")] for text in read], dtype=np.float32)
    return np.concatenate(
        [np.sqrt(_WHOLE) * whole, np.sqrt(_BEGINNING) * beginning, np.sqrt(_ASKING) * asking], axis=1, dtype=np.float32
    )


def _checked(intents: Sequence[Intent], texts: Sequence[str]) -> Sequence[Intent]:
    if len(intents) != len(texts):
        raise InputError(f"the classifier labelled {len(intents)} of {len(texts)} texts")
    return intents
