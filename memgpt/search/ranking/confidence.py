"""How likely a hit answers the question: a score orders the hits of one search, this compares with other searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from memgpt.errors import ConfigurationError
from memgpt.search.ranking.candidates import Floats
from memgpt.search.ranking.features import FEATURES

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
    """The calibration that ships with this version."""
    text = resources.files("memgpt.search.ranking").joinpath("confidence.json").read_text("utf-8")
    return Calibration(**json.loads(text))


def measured(question: str) -> bool:
    """Tell whether a question is in the script of those that were learned from: Latin, or only numbers."""
    letters = [character for character in question if character.isalpha()]
    return sum(character < LATIN_ENDS for character in letters) * 2 >= len(letters)
