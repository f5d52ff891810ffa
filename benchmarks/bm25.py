"""The floor: plain BM25 (k1 = 0.9, b = 0.3) over stemmed words, or over pairs of characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from memgpt.database import queries
from memgpt.database.connection import connect

SQL = queries.beside("benchmarks.bm25")
K1, B = 0.9, 0.3
_RUN = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]+")

Terms = Callable[[Sequence[str]], list[Counter[str]]]
"""The terms of each text, with their numbers."""


class BM25:
    """Orders texts by the words of a query."""

    def __init__(self, texts: Sequence[str], terms: Terms) -> None:
        self._terms = terms
        counted = terms(texts)
        lengths = np.array([sum(words.values()) for words in counted], float)
        self._count = len(texts)
        self._norms = K1 * (1 - B + B * lengths / max(float(lengths.mean()), 1e-9))
        self._postings: dict[str, list[tuple[int, int]]] = {}
        for place, words in enumerate(counted):
            for word, frequency in words.items():
                self._postings.setdefault(word, []).append((place, frequency))

    def best(self, queries: Sequence[str], limit: int) -> list[list[int]]:
        """Return for each query the places of the best texts, best first."""
        return [self._best(words, limit) for words in self._terms(queries)]

    def _best(self, words: Counter[str], limit: int) -> list[int]:
        scores = np.zeros(self._count)
        for word in words:
            postings = self._postings.get(word, [])
            idf = np.log1p((self._count - len(postings) + 0.5) / (len(postings) + 0.5))
            for place, frequency in postings:
                scores[place] += idf * frequency * (K1 + 1) / (frequency + self._norms[place])
        order = np.argsort(-scores, kind="stable")[:limit]
        return [int(place) for place in order if scores[place] > 0]


def stemmed(dsn: str, language: str) -> Terms:
    """Terms as a text search configuration of PostgreSQL reads them."""
    return partial(_stems, dsn, language)


def _stems(dsn: str, language: str, texts: Sequence[str]) -> list[Counter[str]]:
    counted = [Counter[str]() for _ in texts]
    with connect(dsn, autocommit=True) as connection:
        for n, lexeme, frequency in connection.execute(SQL.stems, {"texts": [*texts], "language": language}):
            counted[n][lexeme] = frequency
    return counted


def bigrams(texts: Sequence[str]) -> list[Counter[str]]:
    """Words in lower case; of a run of a script without blanks, each two neighbours."""
    return [Counter(_bigrams(text.lower())) for text in texts]


def _bigrams(text: str) -> list[str]:
    terms: list[str] = []
    for run in _UNSPACED.findall(text):
        terms += [run[n : n + 2] for n in range(max(1, len(run) - 1))]
    return terms + _RUN.findall(_UNSPACED.sub(" ", text))
