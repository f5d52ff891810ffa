"""Edits of a block's value, with errors that show where a text does not fit."""

from __future__ import annotations

import difflib
import heapq
import sys
import unicodedata
from collections.abc import Iterator, Sequence, Set
from functools import cache
from itertools import islice, pairwise
from typing import Final

from memgpt import validation
from memgpt.errors import MismatchError

_SHOWN: Final = 60
"""Characters of a text quoted in an error."""

_PLACES: Final = 10
"""Occurrences that are counted and shown."""

_COMPARED: Final = 200
_COMPARED_LINES: Final = 10
"""Characters of a line, and lines, compared character by character, which takes time with the square of them."""


def replaced(label: str, value: str, old: str, new: str) -> str:
    """Return the value of a block with ``new`` in the place of ``old``, which must occur exactly once, in any Unicode
    form."""
    places = [*islice(_occurrences(value, old), _PLACES + 1)]
    if not places:
        raise MismatchError(_not_there(label, value, old))
    if len(places) == 1:
        [(start, end)] = places
        return value[:start] + new + value[end:]
    more = len(places) > _PLACES
    shown = "; ".join(_place(value, start) for start, _ in places[:_PLACES])
    times = f"more than {_PLACES}" if more else len(places)
    raise MismatchError(
        f"{_quoted(old)} occurs {times} times in block {label!r}: {shown}{'; …' if more else ''}. "
        "Give more of the text around the one you mean"
    )


def _occurrences(value: str, old: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a value that read like ``old``, as (start, end)."""
    text, origins = _normal(value)
    wanted = validation.normal(old)
    place = text.find(wanted)
    while place >= 0:
        start, end = origins[place], origins[place + len(wanted)]
        if start is not None and end is not None:
            yield start, end
        place = text.find(wanted, place + 1)


def _normal(value: str) -> tuple[str, Sequence[int | None]]:
    """Return a text in NFC, and the position of each of its characters in the original; None between what was composed
    of one."""
    if unicodedata.is_normalized("NFC", value):
        return value, range(len(value) + 1)
    starts = [n for n, character in enumerate(value) if not n or not _continues(character)]
    normal: list[str] = []
    origins: list[int | None] = []
    for start, end in pairwise([*starts, len(value)]):
        written = value[start:end]
        normal.append(validation.normal(written))
        origins += range(start, end) if normal[-1] == written else [start, *[None] * (len(normal[-1]) - 1)]
    return "".join(normal), [*origins, len(value)]


def _continues(character: str) -> bool:
    """Tell whether a character may be composed with, or change places with, those before it."""
    first = unicodedata.normalize("NFD", character)[0]
    return unicodedata.combining(first) > 0 or first in _composed()


@cache
def _composed() -> Set[str]:
    """Return the characters that are the second of two which NFC makes one: accents, vowel signs, Korean letters."""
    pairs = (unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1))
    seconds = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    return seconds | {chr(code) for code in range(0x1160, 0x1200)}


def _not_there(label: str, value: str, old: str) -> str:
    message = f"{_quoted(old)} does not occur in block {label!r}"
    if not value.strip():
        return f"{message}, which is empty"
    wanted = max(old.splitlines(), key=len, default=old)[:_COMPARED]
    numbered = [(number, line[:_COMPARED]) for number, line in enumerate(value.splitlines(), 1) if line.strip()]
    pairs = _pairs(wanted)
    lines = heapq.nlargest(_COMPARED_LINES, numbered, key=lambda numbered: len(pairs & _pairs(numbered[1])))
    matcher = difflib.SequenceMatcher(autojunk=False, b=wanted.strip().lower())

    def likeness(numbered: tuple[int, str]) -> float:
        matcher.set_seq1(numbered[1].lower())
        matching = sum(match.size for match in matcher.get_matching_blocks())
        return matching / max(len(wanted), 1) + matcher.ratio()

    number, line = max(lines, key=likeness)
    return f"{message}; the nearest is line {number}: {_quoted(line)}"


def _pairs(line: str) -> set[str]:
    """Return the pairs of neighbouring characters: a quick test of what may be alike."""
    return {first + second for first, second in pairwise(line.lower())}


def _place(value: str, position: int) -> str:
    """Line number and text of the line around a position."""
    start = value.rfind("\n", 0, position) + 1
    end = value.find("\n", position)
    line = value[start : end if end >= 0 else len(value)]
    around = max(0, min(position - start - _SHOWN // 3, len(line) - _SHOWN))
    excerpt = ("…" if around else "") + line[around : around + _SHOWN] + ("…" if around + _SHOWN < len(line) else "")
    return f"line {value.count(chr(10), 0, position) + 1}: {excerpt!r}"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def inserted(label: str, value: str, text: str, line: int) -> str:
    """Return the value of a block with a text that begins at that line, counted from 1."""
    lines = value.split("\n") if value else []
    if isinstance(line, bool) or not isinstance(line, int) or not 1 <= line <= len(lines) + 1:
        raise MismatchError(
            f"line must be a whole number from 1 to {len(lines) + 1}, not {line!r}: "
            f"block {label!r} has {len(lines)} lines"
        )
    return "\n".join([*lines[: line - 1], text, *lines[line - 1 :]])
