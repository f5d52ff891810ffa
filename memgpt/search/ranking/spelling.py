"""Slips of the keyboard: words that no text has, against those of the texts at one edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from memgpt.search.ranking.candidates import Statistics
from memgpt.search.ranking.languages.language import language_of
from memgpt.search.ranking.words import Lexicon

SHORTEST: Final = 5
"""Letters of a word that may be mistyped: shorter ones are one edit from too many others."""
LONGEST: Final = 24
PIECE: Final = 4.5
"""Letters that the pieces of a word have on average, if it is a word as it is: 2% of mistyped words have as many, and
two in three others. Both are measured by ``benchmarks/misspelling.py``."""
MOST: Final = 3
"""Words of a query that are looked for."""

_WORD = re.compile(r"\w+")


def respelled(
    text: str, statistics: Statistics, lexicon: Lexicon, look_up: Callable[[Sequence[str]], Sequence[Sequence[str]]]
) -> str | None:
    """Return a query with the words that no row has as the rows spell them; None where there are none at one edit.

    ``look_up`` tells which of many words rows have, those of one stem together: of all the plainest is taken.
    """
    counted = zip(statistics.terms, statistics.document_frequencies, strict=True)
    unknown = [term for term, rows in counted if not rows]
    mistyped = suspects(text, unknown, lexicon) if unknown else []
    if not mistyped:
        return None
    alphabet = language_of(text).alphabet
    found = {word: look_up(edits(word, alphabet)) for word in mistyped}
    corrections = {word: _plainest(near, lexicon) for word, near in found.items() if near}
    return corrected(text, corrections) if corrections else None


def suspects(text: str, unknown: Sequence[str], lexicon: Lexicon) -> list[str]:
    """Return the words of a text whose stems (`unknown`) no row has, and which may be mistyped: those that the
    vocabulary of the offline model cuts into small pieces."""
    words = dict.fromkeys(word.lower() for word in _WORD.findall(text) if word.isalpha())
    candidates = [
        word for word in words if SHORTEST <= len(word) <= LONGEST and any(_may_be_of(term, word) for term in unknown)
    ]
    pieces = lexicon.pieces(candidates) if candidates else []
    return [word for word, count in zip(candidates, pieces, strict=True) if len(word) < PIECE * count][:MOST]


def edits(word: str, alphabet: str) -> list[str]:
    """Return every word at one edit: a letter too many, too few or another one, or two that changed places."""
    letters = dict.fromkeys([*alphabet, *word])
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    found = [before + after[1:] for before, after in cuts if after]
    found += [before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1]
    found += [before + letter + after[1:] for before, after in cuts if after for letter in letters]
    found += [before + letter + after for before, after in cuts for letter in letters]
    return [edit for edit in dict.fromkeys(found) if edit != word]


def corrected(text: str, words: Mapping[str, str]) -> str:
    """Return the text with these words in the place of others."""
    return _WORD.sub(lambda match: _written_like(match, words), text)


def _plainest(stems: Sequence[Sequence[str]], lexicon: Lexicon) -> str:
    """Return the word of fewest pieces, of those the one of most rows: of "readding" and "reading" the one that is a
    word."""
    words = [(word, place) for place, stem in enumerate(stems) for word in stem]
    pieces = lexicon.pieces([word for word, _ in words])
    best = min(zip(words, pieces, strict=True), key=lambda pair: (pair[1], pair[0][1], -len(pair[0][0]), pair[0][0]))
    return best[0][0]


def _written_like(match: re.Match[str], words: Mapping[str, str]) -> str:
    word = words.get(match[0].lower())
    if word is None:
        return match[0]
    return word.capitalize() if match[0][0].isupper() else word


def _may_be_of(term: str, word: str) -> bool:
    """Tell whether a stem may be that of a word: stemming cuts an ending, or makes i of y."""
    return word.startswith(term) or (len(term) > 2 and term.endswith("i") and word.startswith(term[:-1] + "y"))
