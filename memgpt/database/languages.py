"""The language of a text, as the text search configuration that reads it.

A script of one language says it; of a script that several share, the pieces of its words do (naive Bayes over
``languages.tsv``, made by ``benchmarks/learn_languages.py``). What is too short to tell, and may be English, is left to
the texts beside it. ``docs/memory.md`` says how often that is wrong.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memgpt.config import AUTOMATIC
from memgpt.database import queries

SQL = queries.beside(__name__)

DEFAULT: Final = "english"
"""Where nothing tells."""

PLAIN: Final = "simple"
"""The configuration of languages that PostgreSQL has no stemmer for."""

CONFIGURATIONS: Final = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "en": "english", "es": "spanish", "eu": "basque",
    "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nb": "norwegian", "nl": "dutch", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
"""Of languages that share a script with others, those that every PostgreSQL since 16 has a stemmer for."""

SCRIPTS: Final = {
    "latin": r"A-Za-z\u00aa\u00b5\u00ba\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": r"\u0400-\u052f",
    "arabic": r"\u0600-\u06ff\u0750-\u077f",
    "devanagari": r"\u0900-\u097f",
}
"""Scripts that several languages share."""
_ONE_LANGUAGE: Final = {"greek": r"\u0370-\u03ff\u1f00-\u1fff", "armenian": r"\u0531-\u058f", "tamil": r"\u0b80-\u0bff"}
_LETTERS: Final = {name: re.compile(f"[{letters}]") for name, letters in {**SCRIPTS, **_ONE_LANGUAGE}.items()}
_WORD: Final = re.compile(r"[^\W\d_]+(?:[\u0900-\u0dff]+[^\W\d_]*)*")

LONGEST_PIECE: Final = 4
FIRST_READ: Final = 80
MOST_READ: Final = 400
"""Characters that are read: more say the same."""
CERTAIN: Final = 20.0
"""Lead, in nats, with which no more is read."""
LEAD: Final = 8.0
"""Lead that another language needs before English: of a few words in Latin letters most are English, or names."""
LIKELY: Final = 1.4
"""What each character of a short text says at least, in nats, where it is of that language and not a row of names."""
FEWEST_WORDS: Final = 3
"""Two words tell too little."""
STEP: Final = 0.1
"""What a letter of the table counts, in nats."""
ZERO: Final = "O"
"""The letter that counts nothing."""
COMMON: Final = frozenset({*CONFIGURATIONS, "pl", "uk", "vi"} - {"ca", "da", "eu", "fi", "ga", "hu", "lt", "sr"})
"""Languages of most texts; others need as much of a lead before these."""


@dataclass(frozen=True, slots=True)
class _Table:
    """How much each piece of a word speaks for each language of a script."""

    languages: Sequence[str]
    places: dict[str, int]
    weights: NDArray[np.float32]
    handicaps: NDArray[np.float32]

    def scores(self, text: str) -> NDArray[np.float32]:
        places = [place for piece in pieces(text) if (place := self.places.get(piece)) is not None]
        scores: NDArray[np.float32] = self.weights[places].sum(axis=0) - self.handicaps
        return scores


def configurations(texts: Sequence[str], setting: str = AUTOMATIC) -> list[str]:
    """Return the configuration of each text: what the setting says or, if it is automatic, the text's own; of one that
    does not tell, that of most others."""
    if setting != AUTOMATIC:
        return [setting] * len(texts)
    own = [detected(text) for text in texts]
    told = Counter(name for name in own if name is not None)
    usual = told.most_common(1)[0][0] if told else DEFAULT
    return [usual if name is None else name for name in own]


def noted(names: Iterable[str]) -> list[str]:
    """Return the configurations that an agent's searches have to be made in beside the default one."""
    return sorted({*names} - {DEFAULT})


def detected(text: str) -> str | None:
    """Return the configuration of a text's language; None where it does not tell."""
    sample = unicodedata.normalize("NFC", text[:MOST_READ])
    script = _script(sample)
    if script not in SCRIPTS:
        return script and (script if script in _ONE_LANGUAGE else PLAIN)
    table = _tables()[script]
    scores = table.scores(sample[:FIRST_READ])
    if len(sample) > FIRST_READ and float(np.diff(np.sort(scores)[-2:])[0]) < CERTAIN:
        scores = table.scores(sample)
    best = int(scores.argmax())
    if script == "latin":
        lead = float(scores[best] - scores[table.languages.index("en")])
        short = len(sample) < FIRST_READ and scores[best] < LIKELY * len(sample)
        if lead > 0 and (lead < LEAD or short or sample.count(" ") + 1 < FEWEST_WORDS):
            return None
    return CONFIGURATIONS.get(table.languages[best], PLAIN)


def _script(text: str) -> str | None:
    """Return the script of most letters: one of those above, or ``other``; None without any letter."""
    if text.isascii():
        return "latin" if any(map(str.isalpha, text)) else None
    found = {name: len(letters.findall(text)) for name, letters in _LETTERS.items()}
    others = sum(map(str.isalpha, text)) - sum(found.values())
    best = max(found, key=lambda name: found[name])
    if others > found[best]:
        return "other"
    return best if found[best] else None


def pieces(text: str) -> Iterator[str]:
    """Yield the words of a text in pieces of up to four letters; ``_`` is the end of a word."""
    for word in _WORD.findall(text.lower()):
        marked = f"_{word}_"
        for size in range(1, LONGEST_PIECE + 1):
            for start in range(len(marked) - size + 1):
                yield marked[start : start + size]


@cache
def _tables() -> dict[str, _Table]:
    """Read the table: for each script a line of its languages, then for each piece a letter a language."""
    tables: dict[str, _Table] = {}
    for part in Path(__file__).with_suffix(".tsv").read_text("utf-8").split("\n\n"):
        head, *lines = [line for line in part.splitlines() if not line.startswith("#")]
        script, *languages = head.split()
        columns = [line.split("\t") for line in lines]
        letters = "".join(column[1] for column in columns).encode("ascii")
        weights = (np.frombuffer(letters, np.uint8).astype(np.float32) - ord(ZERO)) * STEP
        places = {column[0]: place for place, column in enumerate(columns)}
        handicaps = np.array([0 if name in COMMON else LEAD for name in languages], np.float32)
        tables[script] = _Table(languages, places, weights.reshape(len(columns), len(languages)), handicaps)
    return tables
