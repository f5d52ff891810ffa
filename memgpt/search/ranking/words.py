"""The words of the candidates, and soft matching: how near they come to each word of the question."""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from memgpt.database import forks
from memgpt.search.ranking.candidates import Floats, Indexes


class WordTable(Protocol):
    """Vectors of the pieces that words are made of. The vector of a word is the sum of its pieces', *not* normalised:
    in a table trained by mean pooling the norm says how much a word matters."""

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each word's pieces, at least one."""
        ...

    def vectors(self, pieces: Indexes) -> NDArray[np.float32]:
        """Return one row per piece."""
        ...


_WORD = re.compile(r"[\w]+")  # as a class: a fifth faster
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_MOST_BYTES: Final = 6_000_000  # of one agent's lexicon
_BASE, _INTEGER, _HASH = 4_000, 32, 48  # bytes of an empty lexicon, of a number in a dictionary, and of a hash
_ONE_THREAD = 250_000  # multiplications of one product: OpenBLAS takes another thread from 262,144 on
_UNRELATED = 0.12  # cosine of two words that have nothing to do with each other
_SILENT, _WEIGHTY = 5.0, 12.0  # norms: function words are below the first, content words above the second


def split(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return _WORD.findall(normalize("NFC", text.lower()))


def unspaced(text: str) -> bool:
    """Tell whether a text is mostly in scripts that have no blanks between words: a character of those says as much as
    two letters."""
    return 2 * len(_UNSPACED.findall(text)) > sum(map(str.isalpha, _UNSPACED.sub("", text)))


class _Lists:
    """Lists of numbers, one after the other in one buffer: four bytes a number."""

    def __init__(self) -> None:
        self._values = array("I")
        self._starts = array("I", [0])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, values: Iterable[int]) -> None:
        self._values.extend(values)
        self._starts.append(len(self._values))

    def take(self, rows: Indexes) -> tuple[Indexes, Indexes]:
        """Return the values of the lists in these places, and how many each has."""
        starts = _view(self._starts)
        first = starts.take(rows).astype(np.intp)
        lengths = starts.take(rows + 1) - first
        before = np.cumsum(lengths) - lengths
        places = np.repeat(first - before, lengths) + np.arange(int(lengths.sum()))
        return _view(self._values).take(places).astype(np.intp), lengths

    @property
    def nbytes(self) -> int:
        return sys.getsizeof(self._values) + sys.getsizeof(self._starts)


def _view(values: array[int] | array[float]) -> NDArray[Any]:
    """Return the same memory as an array, for as long as nothing is appended."""
    return np.asarray(memoryview(values))


class Lexicon:
    """The distinct words of one agent's texts by number, and which of them each text has: finding them is most of the
    work, and the same texts come again. Threads may share it.

    A text is known by its hash, which is enough within one agent and keeps no text. A word costs 200 bytes, not the
    kilobyte of its vector: that is added up from its pieces' when it is compared.
    """

    def __init__(self, table: WordTable | None = None) -> None:
        """Without a table words are told apart only, not compared."""
        self.words: list[str] = []
        self._table = table
        self._lock = forks.lock()
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, int] = {}
        self._of_texts = _Lists()
        self._pieces = _Lists()
        self._norms = array("f")
        self._characters = 0

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        objects = (self.words, self._numbers, self._texts, self._norms)
        numbers = _INTEGER * (len(self._numbers) + len(self._texts)) + _HASH * len(self._texts)
        lists = self._of_texts.nbytes + self._pieces.nbytes
        return _BASE + sum(map(sys.getsizeof, objects)) + self._characters + numbers + lists

    def of(self, texts: Sequence[str]) -> tuple[Indexes, Indexes]:
        """Return the numbers of the distinct words of all texts, text by text, and how many each text has."""
        with self._lock:
            rows = [self._texts.get(hash(text)) for text in texts]
            if None in rows:
                rows = [self._row(text) if row is None else row for text, row in zip(texts, rows, strict=True)]
            return self._of_texts.take(np.array(rows, np.intp))

    def numbers(self, words: Sequence[str]) -> Indexes:
        """Return the numbers of these words."""
        with self._lock:
            return np.array([self._number(word) for word in words], np.intp)

    def pieces(self, words: Sequence[str]) -> list[int]:
        """Count the pieces that each of these words, at least one, is made of."""
        numbers = self.numbers(words)
        with self._lock:
            pieces, starts, _ = self._made_of(numbers)
        counts: list[int] = np.diff(starts, append=len(pieces)).tolist()
        return counts

    def vectors(self, numbers: Indexes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return unit vectors and norms of the words of these numbers, at least one."""
        with self._lock:
            pieces, starts, norms = self._made_of(numbers)
        sums = np.add.reduceat(self._compared.vectors(pieces), starts, axis=0)
        return np.asarray(sums / norms[:, None]), norms

    def nearness(self, numbers: Indexes, asked: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return cosines of the words of these numbers, at least one, with every row of ``asked``, and their norms."""
        with self._lock:
            pieces, starts, norms = self._made_of(numbers)
        present = np.flatnonzero(np.bincount(pieces))
        place = np.zeros(int(present[-1]) + 1, np.intp)
        place[present] = np.arange(len(present))
        near = _product(self._compared.vectors(present), asked.T)  # of each distinct piece, then added up
        sums = np.add.reduceat(near.take(place.take(pieces), axis=0), starts, axis=0)
        return np.asarray(sums / norms[:, None]), norms

    @property
    def _compared(self) -> WordTable:
        assert self._table is not None  # noqa: S101 - a matcher's lexicon has one
        return self._table

    def _row(self, text: str) -> int:
        key = hash(text)
        row = self._texts.get(key)
        if row is None:
            row = self._texts[key] = len(self._of_texts)
            self._of_texts.append([self._number(word) for word in set(split(text))])
        return row

    def _number(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.words)
            self.words.append(word)
            self._characters += _rounded(sys.getsizeof(word))
        return number

    def _made_of(self, numbers: Indexes) -> tuple[Indexes, Indexes, NDArray[np.float32]]:
        """Return the pieces of these words, where those of each begin, and the norms of the words."""
        if len(self._norms) < len(self.words):
            self._learn(self.words[len(self._norms) :])
        pieces, lengths = self._pieces.take(numbers)
        return pieces, np.cumsum(lengths) - lengths, _view(self._norms).take(numbers)

    def _learn(self, fresh: Sequence[str]) -> None:
        split_words = self._compared.pieces(fresh)
        for pieces in split_words:
            self._pieces.append(pieces)
        starts = np.cumsum([0, *map(len, split_words)])[:-1]
        rows = self._compared.vectors(np.array([piece for pieces in split_words for piece in pieces], np.intp))
        norms = np.linalg.norm(np.add.reduceat(rows, starts, axis=0), axis=1)
        self._norms.extend(np.maximum(norms, 1e-9).tolist())


def _rounded(size: int) -> int:
    return (size + 15) & ~15


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as distinct (text, word) pairs: `words` are indexes into the vocabulary, `owners` the texts, ascending."""

    count: int
    lexicon: Lexicon
    numbers: Indexes
    """Of the vocabulary's words in the lexicon, ascending."""
    words: Indexes
    owners: Indexes
    sizes: Indexes
    """Numbers of distinct words of the texts."""
    frequencies: Indexes
    """Of how many texts each word of the vocabulary is."""

    @classmethod
    def of(cls, texts: Sequence[str], lexicon: Lexicon | None = None) -> Texts:
        lexicon = lexicon or Lexicon()
        words, sizes = lexicon.of(texts)
        owners = np.repeat(np.arange(len(texts)), sizes)
        frequencies = np.bincount(words)
        numbers = np.flatnonzero(frequencies)
        place = np.zeros(len(frequencies), np.intp)
        place[numbers] = np.arange(len(numbers))
        return cls(len(texts), lexicon, numbers, place.take(words), owners, sizes, frequencies.take(numbers))

    @property
    def vocabulary(self) -> list[str]:
        """The words of all texts."""
        return [self.lexicon.words[number] for number in self.numbers.tolist()]

    def rarity(self) -> Floats:
        """For every word of the vocabulary the logarithm of one over the share of texts it is in."""
        return np.log(self.count / self.frequencies)

    def rarity_of(self, numbers: Indexes, rarity: Floats) -> Floats:
        """Return the rarity of the lexicon's words of these numbers; one that no text has is rarer than all."""
        places = np.searchsorted(self.numbers, numbers).clip(max=len(self.numbers) - 1)
        return np.where(self.numbers[places] == numbers, rarity[places], math.log(self.count + 1))

    def weighed(self, weights: Floats, cosines: Floats) -> Floats:
        """For every text the cosine of the sum of its words' vectors: ``weights`` are their lengths, ``cosines`` those
        of each alone. Words of one text are taken for orthogonal to each other, which spares their vectors."""
        own = weights.take(self.words)
        sums = np.bincount(self.owners, own * cosines.take(self.words), minlength=self.count)
        squares = np.bincount(self.owners, own * own, minlength=self.count)
        return np.asarray(sums / np.sqrt(np.maximum(squares, 1e-9)))

    def best(self, values: Floats) -> Floats:
        """For every text the largest value among its words, where `values` has one line per word; never below 0."""
        best = np.zeros((self.count, values.shape[1]))
        if len(self.owners):
            starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
            best[self.owners.take(starts)] = np.maximum.reduceat(values.take(self.words, axis=0), starts, axis=0)
        return best.clip(0.0)

    def count_of(self, telling: NDArray[np.bool_]) -> Floats:
        """Count in each text the words for which `telling` is true."""
        return np.bincount(self.owners[telling[self.words]], minlength=self.count).astype(float)

    def rarest(self, count: int) -> Floats:
        """For every text the sum of the rarity of its `count` rarest words, over `count`."""
        keys = np.sort(self.owners * (self.count + 1) + self.frequencies.take(self.words))  # numbers sort fastest
        place = np.arange(len(keys)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        owners, frequencies = np.divmod(keys[place < count], self.count + 1)
        return np.bincount(owners, np.log(self.count / frequencies), minlength=self.count) / count


def _product(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply matrices in pieces so small that OpenBLAS does not wake a second thread, which would wait in a loop."""
    most = max(1, _ONE_THREAD // max(1, columns.size))
    pieces = [rows[start : start + most] @ columns for start in range(0, len(rows), most)]
    return np.concatenate(pieces) if pieces else rows @ columns


class SoftMatcher:
    """Compares words of questions with those of texts, and remembers the words of texts it has seen: one for each
    agent, for they say what was written. Safe to share between threads."""

    def __init__(self, table: WordTable) -> None:
        self._table = table
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Forget: a thread of the parent may have been about to remember."""
        self._lexicon = Lexicon(self._table)

    @property
    def lexicon(self) -> Lexicon:
        """Return the remembered words; a new lexicon if they have become too many."""
        if self._lexicon.nbytes > _MOST_BYTES:
            self._lexicon = Lexicon(self._table)
        return self._lexicon

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self._lexicon.nbytes

    def match(self, question: Sequence[str], texts: Texts) -> tuple[Floats, Floats, Floats]:
        """For every text and every word of the question the nearness of the best word in the text, 0 to 1; the weight
        of each question word: rare here and weighty in general (weights sum to one, or to zero); and for every text
        the cosine with the question, of words' vectors that weigh more the rarer they are."""
        if not question or not len(texts.numbers):
            return np.zeros((texts.count, len(question))), np.zeros(len(question)), np.zeros(texts.count)
        words = texts.lexicon.numbers(question)
        asked, norms = texts.lexicon.vectors(words)
        rarity = texts.rarity()
        whole = (texts.rarity_of(words, rarity) * norms).astype(np.float32) @ asked
        whole /= max(float(np.linalg.norm(whole)), 1e-9)
        nearness, lengths = texts.lexicon.nearness(texts.numbers, np.vstack([asked, whole]))
        cosines = nearness.astype(float)
        near = np.clip((cosines[:, :-1] - _UNRELATED) / (1.0 - _UNRELATED), 0.0, 1.0)
        best = texts.best(near)
        soft_frequency = best.sum(axis=0)
        soft_rarity = np.log1p((texts.count - soft_frequency + 0.5) / (soft_frequency + 0.5))
        weights = soft_rarity * np.clip((norms - _SILENT) / (_WEIGHTY - _SILENT), 0.0, 1.0)
        total = float(weights.sum())
        weights = weights / total if total > 0 else np.zeros(len(question))
        return best, weights, texts.weighed(rarity * lengths, cosines[:, -1])
