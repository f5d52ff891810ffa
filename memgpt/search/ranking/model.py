"""The linear models: one orders the hits of a search, one says how likely a hit answers the question."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush
from importlib import resources
from typing import Final

import numpy as np

from memgpt.errors import ConfigurationError
from memgpt.search.ranking.candidates import Candidate, Floats, Statistics
from memgpt.search.ranking.features import FEATURES, features
from memgpt.search.ranking.query import Query
from memgpt.search.ranking.words import SoftMatcher


@dataclass(frozen=True, slots=True)
class Model:
    """Weight per feature, and what an earlier hit of the same session costs the next one.

    `several` is that cost for questions that ask for more than one thing, `single` (negative: a reward) for the
    others: facts about one thing stand together, lists are spread over sessions.
    """

    weights: Mapping[str, float]
    several: float = 0.0
    single: float = 0.0
    source: str = ""
    """What it was learned from, and by which script."""

    def __post_init__(self) -> None:
        if unknown := set(self.weights) ^ set(FEATURES):
            raise ConfigurationError(
                f"the ranking model and this version disagree about the features {sorted(unknown)}: "
                "learn it again with benchmarks/learn_ranking.py"
            )

    def vector(self) -> Floats:
        return np.array([self.weights[name] for name in FEATURES])


_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score; `contributions` says how much each feature added, largest first.

    `confidence` compares with hits of other searches; None where the calibration does not know.
    """

    candidate: Candidate
    score: float
    parts: Floats
    """What each feature added, in the order of ``FEATURES``."""
    confidence: float | None

    @property
    def contributions(self) -> dict[str, float]:
        """Return what each feature added by its name, largest first; made only for who asks for it.

        They add up to the score: ``same_session`` is what the hits before it in its session changed.
        """
        added = {name: float(part) for name, part in zip(FEATURES, self.parts, strict=True) if part}
        if abs(changed := self.score - float(self.parts.sum())) > _ROUNDING:
            added["same_session"] = changed
        return dict(sorted(added.items(), key=lambda item: -abs(item[1])))


@cache
def packaged_model() -> Model:
    """Load the model that ships with this version."""
    text = resources.files("memgpt.search.ranking").joinpath("weights.json").read_text("utf-8")
    return Model(**json.loads(text))


def rank(
    query: Query,
    rows: Sequence[Candidate],
    statistics: Statistics,
    *,
    limit: int = 10,
    matcher: SoftMatcher | None = None,
    model: Model | None = None,
) -> list[Ranked]:
    """Return the best `limit` candidates for a question, best first."""
    if not rows or limit < 1:
        return []
    model = model or packaged_model()
    matrix = features(query, rows, statistics, matcher)
    parts = matrix * model.vector()
    scores = parts.sum(axis=1)
    chosen = pick(rows, scores, limit, model.several if query.several else model.single)
    confidence: list[float | None] = [None] * len(chosen)
    if matcher is not None and measured(query.text):
        confidence = [*packaged_calibration().of(matrix[[i for i, _ in chosen]]).tolist()]
    return [Ranked(rows[i], score, parts[i], sure) for (i, score), sure in zip(chosen, confidence, strict=True)]


def pick(rows: Sequence[Candidate], scores: Floats, limit: int, crowding: float) -> list[tuple[int, float]]:
    """Greedily the best, each hit changing the scores of the rest of its session; ties go to the older id.

    What a hit changes is the same for all that is left of its session, so the order within a session stands from the
    beginning, and only the best of each session are compared: one sort, however many are picked.
    """
    eligible = np.array([i for i, row in enumerate(rows) if row.candidate], np.intp)
    ids = np.array([rows[i].id for i in eligible])
    sessions: dict[str | None, deque[int]] = {}
    for i in eligible[np.lexsort((ids, -scores[eligible]))].tolist():
        sessions.setdefault(rows[i].session, deque()).append(i)
    queues = [*sessions.values()]
    costs = [0.0 if session is None else crowding for session in sessions]
    taken = [0] * len(queues)
    heads = [(-float(scores[queue[0]]), rows[queue[0]].id, n) for n, queue in enumerate(queues)]
    heapify(heads)
    chosen: list[tuple[int, float]] = []
    while heads and len(chosen) < limit:
        value, _, n = heappop(heads)
        chosen.append((queues[n].popleft(), min(-value, chosen[-1][1]) if chosen else -value))
        taken[n] += 1
        if queues[n]:
            following = queues[n][0]
            heappush(heads, (taken[n] * costs[n] - float(scores[following]), rows[following].id, n))
    return chosen


ABSOLUTE: Final = ("soft", "soft5")
"""Features that say how much of the question a text has, whatever else was found: others compare the candidates with
each other, so that the best of bad ones looks good, or need what only some kinds have."""


LATIN_ENDS: Final = "\u0250"
"""The first character behind the letters of European languages in Latin script."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model over absolute features, learned from questions with and without an answer in the memory."""

    weights: Mapping[str, float]
    bias: float
    weak: float
    """Confidence below which the best hit of a search is called a weak match."""
    source: str = ""
    """What it was learned from, and by which script."""

    def __post_init__(self) -> None:
        if unknown := set(self.weights) - set(FEATURES):
            raise ConfigurationError(
                f"the calibration and this version disagree about the features {sorted(unknown)}: "
                "learn it again with benchmarks/learn_confidence.py"
            )

    def of(self, matrix: Floats) -> Floats:
        """Return the confidence in each row of a matrix of features, 0 to 1."""
        columns = [FEATURES.index(name) for name in self.weights]
        values = matrix[:, columns] @ np.array([*self.weights.values()])
        return np.asarray(1.0 / (1.0 + np.exp(-(values + self.bias))))


@cache
def packaged_calibration() -> Calibration:
    """Load the calibration that ships with this version."""
    text = resources.files("memgpt.search.ranking").joinpath("confidence.json").read_text("utf-8")
    return Calibration(**json.loads(text))


def measured(question: str) -> bool:
    """Tell whether a question is in the script of those that were learned from: Latin, or only numbers."""
    letters = [character for character in question if character.isalpha()]
    return sum(character < LATIN_ENDS for character in letters) * 2 >= len(letters)
