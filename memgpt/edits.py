"""Edits of a block's value, with errors that show where a text does not fit."""

from __future__ import annotations

import difflib
import heapq
import unicodedata
from itertools import accumulate, pairwise
from typing import Final

from memgpt import inputs
from memgpt.errors import InputError

_SHOWN: Final = 60
"""Characters of a text quoted in an error."""

_PLACES: Final = 10
"""Occurrences that are counted and shown."""

_COMPARED: Final = 200
_COMPARED_LINES: Final = 10
"""Characters of a line, and lines, compared character by character, which takes time with the square of them."""


def replaced(label: str, value: str, old: str, new: str) -> str:
    """Return the value of a block with ``new`` in the place of ``old``, which must occur exactly once."""
    old = _as_written(value, old)
    first = value.find(old)
    if first < 0:
        raise InputError(_not_there(label, value, old))
    if value.find(old, first + 1) < 0:
        return value[:first] + new + value[first + len(old) :]
    places: list[int] = []
    while first >= 0 and len(places) <= _PLACES:
        places.append(first)
        first = value.find(old, first + 1)
    more = len(places) > _PLACES
    shown = "; ".join(_place(value, place) for place in places[:_PLACES])
    times = f"more than {_PLACES}" if more else str(len(places))
    raise InputError(
        f"{_quoted(old)} occurs {times} times in block {label!r}: {shown}{'; …' if more else ''}. "
        "Give more of the text around the one you mean"
    )


def _as_written(value: str, old: str) -> str:
    """Return the part of a value that reads like ``old``, in the Unicode form that the value has it in."""
    if old in value or inputs.normal(old) not in inputs.normal(value):
        return old
    starts = [n for n, character in enumerate(value) if not n or not _continues(character)]
    ends = [*starts[1:], len(value)]
    normal = [inputs.normal(value[start:end]) for start, end in zip(starts, ends, strict=True)]
    first = "".join(normal).find(inputs.normal(old))
    at = dict(zip(accumulate(map(len, normal), initial=0), [*starts, len(value)], strict=True))
    start, end = at.get(first), at.get(first + len(inputs.normal(old)))
    return old if start is None or end is None else value[start:end]


def _continues(character: str) -> bool:
    """Whether a character is composed with the one before: an accent, the later letters of a Korean syllable."""
    return unicodedata.combining(character) > 0 or "\u1160" <= character <= "\u11ff"


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
    """The pairs of neighbouring characters: a quick look at what may be alike."""
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
        raise InputError(
            f"line must be a whole number from 1 to {len(lines) + 1}, not {line!r}: "
            f"block {label!r} has {len(lines)} lines"
        )
    return "\n".join([*lines[: line - 1], text, *lines[line - 1 :]])
