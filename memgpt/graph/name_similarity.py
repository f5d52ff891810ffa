"""Similarity of names, by rules that people use: initials, acronyms, short forms, slips of the pen."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from typing import Final

_WORD = re.compile(r"[^\W_]+")
_LONGEST: Final = 200
"""Characters of names that are compared letter by letter, which takes time with the square of them."""

_IDLE: Final = frozenset({
    "inc", "ltd", "llc", "corp", "corporation", "co", "company", "gmbh", "ag", "plc", "limited", "incorporated",
    "group", "the", "of", "and", "mr", "mrs", "ms", "dr", "prof", "sir", "jr", "sr",
})  # fmt: skip
"""Words that do not tell two things apart."""


def key(name: str) -> str:
    """Reduce a name to what tells two things apart; the same as SQL's ``memory_plain_name``."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", name).lower()))


def signs(name: str) -> str:
    """Return the signs of a name that tell two things apart though its words do not: C, C++ and C#, A+ and A-."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(sorted(c for c in plain if c in "#*%" or unicodedata.category(c) in ("Sm", "Sc")))


def agreement(one: str, other: str) -> tuple[float, str]:
    """From 0 to 1 how much two names speak for being one thing's, and why."""
    first, second = key(one).split(), key(other).split()
    if not first or not second or _numbers(first) != _numbers(second):
        return 0.0, "different numbers"
    if signs(one) != signs(other):
        return 0.5 if first == second else 0.0, f"{one!r} and {other!r} differ in signs only"
    telling = [w for w in first if w not in _IDLE] or first, [w for w in second if w not in _IDLE] or second
    shorter, longer = sorted(telling, key=lambda words: (len(words), sum(map(len, words))))
    if shorter is not telling[0]:
        one, other = other, one
    if _plain(shorter) == _plain(longer):
        return 0.9, f"{one!r} and {other!r} differ in accents, spaces or a word like 'Inc' only"
    if len(shorter) > 1 and sorted(map(_bare, shorter)) == sorted(map(_bare, longer)):
        return 0.85, f"{one!r} and {other!r} have the same words in another order"
    if _initials(shorter, longer):
        return 0.7, f"{one!r} abbreviates {other!r}"
    if len(shorter) == 1 and len(longer) > 1 and shorter[0] == "".join(word[0] for word in longer):
        return 0.7, f"{one!r} and {other!r} are an acronym and its words"
    if _slip(_plain(shorter), _plain(longer)):
        return 0.75 if len(shorter) > 1 else 0.6, f"{one!r} and {other!r} differ in a letter or two"
    if set(shorter) < set(longer):
        return 0.55, f"{one!r} and {other!r} are a name and a part of it"
    return 0.0, "different words"


def _slip(one: str, other: str) -> bool:
    """Tell whether two names differ in a letter or two."""
    if not 6 <= min(len(one), len(other)) <= max(len(one), len(other)) <= _LONGEST:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.9


def _numbers(words: list[str]) -> list[str]:
    roman = {"ii", "iii", "iv", "vi", "vii", "viii", "ix"}
    return [w for w in words if any(c.isdigit() for c in w) or w in roman]


def _bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _plain(words: list[str]) -> str:
    return _bare("".join(words))


def _initials(shorter: list[str], longer: list[str]) -> bool:
    """J Smith and John Smith: the last words are the same, those before are the same or begin so."""
    if len(shorter) < 2 or _bare(shorter[-1]) != _bare(longer[-1]):
        return False
    pairs = list(zip(shorter[:-1], longer[:-1], strict=False))
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in pairs)
