"""The words of the candidates, and soft matching: how near they come to each word of the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from memgpt.database import forks
from memgpt.search.ranking.candidates import Floats, Indexes

WordVectors = Callable[[Sequence[str]], NDArray[np.float32]]
"""Words to one row each, *not* normalised: in a table trained by mean pooling the norm says how much a word matters."""

_WORD = re.compile(r"[\w]+")  # as a class: a fifth faster
_MOST_BYTES = 16_000_000  # of the words of texts, and again of the vectors of words: of one agent
_OVERHEAD = 200  # bytes of an entry beside its content
_SPARSE = 6  # from so many known words for one of the candidates on, their rows are copied before they are multiplied
_UNRELATED = 0.12  # cosine of two words that have nothing to do with each other
_SILENT, _WEIGHTY = 5.0, 12.0  # norms: function words are below the first, content words above the second


def split(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(normalize("NFC", text.lower()))


class Splits:
    """Remembers the distinct words of texts it has seen, which is most of the work: one agent's texts come again.

    A text is known by its hash, which is enough within one agent and keeps no text.
    """

    def __init__(self) -> None:
        self._lock = forks.ForkSafeLock()
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Forget: a thread of the parent may have been about to remember."""
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._texts: dict[tuple[int, int], NDArray[np.int32]] = {}
        self.nbytes = 0

    def of(self, texts: Sequence[str]) -> tuple[list[str], list[NDArray[np.int32]]]:
        """All words known, and for every text the numbers of its own."""
        with self._lock:
            if self.nbytes > _MOST_BYTES:
                self._forget()
            keys = [(hash(text), len(text)) for text in texts]
            for key, text in zip(keys, texts, strict=True):
                if key not in self._texts:
                    self._texts[key] = self._split(text)
            return self._words, [self._texts[key] for key in keys]

    def _split(self, text: str) -> NDArray[np.int32]:
        numbers, words = self._numbers, self._words
        own = set(split(text))
        for word in own.difference(numbers):
            numbers[word] = len(words)
            words.append(word)
            self.nbytes += _OVERHEAD + 4 * len(word)
        self.nbytes += _OVERHEAD + 4 * len(own)
        return np.fromiter((numbers[word] for word in own), np.int32, len(own))


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as distinct (text, word) pairs: `words` are indexes into `vocabulary`, `owners` the texts, ascending."""

    count: int
    vocabulary: list[str]
    words: Indexes
    owners: Indexes

    @classmethod
    def of(cls, texts: Sequence[str], splits: Splits | None = None) -> Texts:
        known, pieces = (splits or Splits()).of(texts)
        words = np.concatenate(pieces) if pieces else np.zeros(0, np.int32)
        owners = np.repeat(np.arange(len(texts)), [len(piece) for piece in pieces])
        present = np.flatnonzero(np.bincount(words, minlength=len(known)))
        place = np.zeros(len(known), np.intp)
        place[present] = np.arange(len(present))
        return cls(len(texts), [known[n] for n in present.tolist()], place[words], owners)

    def rarity(self) -> Floats:
        """For every word of the vocabulary the logarithm of one over the share of texts it is in."""
        return np.log(self.count / np.bincount(self.words, minlength=len(self.vocabulary)))

    def best(self, values: Floats) -> Floats:
        """For every text the largest value among its words, where `values` has one line per word; never below 0."""
        found = np.zeros((self.count, values.shape[1]))
        if len(self.owners):
            starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
            found[self.owners[starts]] = np.maximum.reduceat(values[self.words], starts, axis=0)
        return found.clip(0.0)

    def count_of(self, telling: NDArray[np.bool_]) -> Floats:
        """How many of the words for which `telling` is true each text has."""
        return np.bincount(self.owners[telling[self.words]], minlength=self.count).astype(float)

    def mean_of_largest(self, values: Floats, count: int) -> Floats:
        """For every text the sum of the `count` largest values of its words, over `count`."""
        own = values[self.words]
        order = np.argsort(self.owners * (float(own.max(initial=0.0)) + 1.0) - own)
        first = np.searchsorted(self.owners, self.owners)
        kept = order[np.arange(len(order)) - first < count]
        return np.bincount(self.owners[kept], own[kept], minlength=self.count) / count


def _grown(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    larger = np.zeros(shape, np.float32)
    if len(array):
        larger[: len(array)] = array
    return larger


class SoftMatcher:
    """Remembers the words of texts it has seen, and their vectors: one for each agent, for both say what was written.
    Safe to share between threads."""

    def __init__(self, vectors: WordVectors) -> None:
        self.splits = Splits()
        self._vectors = vectors
        self._lock = forks.ForkSafeLock()
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Forget: a thread of the parent may have been about to remember."""
        self._index: dict[str, int] = {}
        self._unit = np.zeros((0, 0), np.float32)
        self._norms = np.zeros(0, np.float32)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return self.splits.nbytes + self._unit.nbytes + self._norms.nbytes + len(self._index) * _OVERHEAD

    def lookup(self, words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Unit vectors and norms of `words` (at least one)."""
        with self._lock:
            self._know(words)
            rows = [self._index[word] for word in words]
            return self._unit[rows], self._norms[rows]

    def nearness(self, words: Sequence[str], asked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines of every word (a line) with every row of ``asked``."""
        with self._lock:
            self._know(words)
            rows = [self._index[word] for word in words]
            unit, known = self._unit, len(self._index)
        if known > _SPARSE * len(rows):
            return np.asarray(unit[rows] @ asked.T)
        return np.asarray((unit[:known] @ asked.T)[rows])  # copying the rows of words costs more than multiplying all

    def _know(self, words: Sequence[str]) -> None:
        if self._unit.nbytes > _MOST_BYTES:
            self._index, self._unit = {}, self._unit[:0]
        if fresh := [word for word in dict.fromkeys(words) if word not in self._index]:
            self._remember(fresh)

    def _remember(self, fresh: Sequence[str]) -> None:
        vectors = np.asarray(self._vectors(fresh), np.float32)
        norms = np.linalg.norm(vectors, axis=1)
        unit = vectors / np.maximum(norms, 1e-9)[:, None]
        start, end = len(self._index), len(self._index) + len(fresh)
        if start == 0 or end > len(self._unit):  # room for as many again: not a copy for every new word
            room = (2 * end, unit.shape[1])
            self._unit, self._norms = _grown(self._unit[:start], room), _grown(self._norms[:start], room[:1])
        self._unit[start:end], self._norms[start:end] = unit, norms
        self._index.update({word: start + i for i, word in enumerate(fresh)})

    def match(self, question: Sequence[str], texts: Texts) -> tuple[Floats, Floats]:
        """For every text and every word of the question the nearness of the best word in the text, 0 to 1;
        and the weight of each question word: rare here and weighty in general. Weights sum to one, or to zero."""
        if not question or not texts.vocabulary:
            return np.zeros((texts.count, len(question))), np.zeros(len(question))
        asked, norms = self.lookup(question)
        near = self.nearness(texts.vocabulary, asked)
        near = np.clip((near - _UNRELATED) / (1.0 - _UNRELATED), 0.0, 1.0).astype(float)
        best = texts.best(near)
        soft_frequency = best.sum(axis=0)
        rarity = np.log1p((texts.count - soft_frequency + 0.5) / (soft_frequency + 0.5))
        weights = rarity * np.clip((norms - _SILENT) / (_WEIGHTY - _SILENT), 0.0, 1.0)
        total = float(weights.sum())
        return best, weights / total if total > 0 else np.zeros(len(question))
