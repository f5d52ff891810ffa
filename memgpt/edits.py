"""Edits of a block's value, with errors that show where a text does not fit."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import Final

from memgpt import inputs
from memgpt.errors import InputError

_SHOWN: Final = 60
"""Characters of a text quoted in an error."""


def replaced(label: str, value: str, old: str, new: str) -> str:
    """Return the value of a block with ``new`` in the place of ``old``, which must occur exactly once."""
    old = _as_written(value, old)
    first = value.find(old)
    if first < 0:
        raise InputError(_not_there(label, value, old))
    if value.find(old, first + 1) < 0:
        return value[:first] + new + value[first + len(old) :]
    places = []
    while first >= 0:
        places.append(first)
        first = value.find(old, first + 1)
    shown = "; ".join(_place(value, place) for place in places[:10])
    raise InputError(
        f"{_quoted(old)} occurs {len(places)} times in block {label!r}: {shown}{'; …' if len(places) > 10 else ''}. "
        "Give more of the text around the one you mean"
    )


def _as_written(value: str, old: str) -> str:
    """Return the part of a value that reads like ``old``, in the Unicode form that the value has it in."""
    if old in value or inputs.normal(old) not in inputs.normal(value):
        return old
    forms = ({c, unicodedata.normalize("NFD", c)} for c in inputs.normal(old))
    written = re.search("".join(f"(?:{'|'.join(map(re.escape, sorted(form, reverse=True)))})" for form in forms), value)
    return written[0] if written else old


def _not_there(label: str, value: str, old: str) -> str:
    message = f"{_quoted(old)} does not occur in block {label!r}"
    if not value.strip():
        return f"{message}, which is empty"
    wanted = max(old.splitlines(), key=len, default=old)
    lines = [(number, line) for number, line in enumerate(value.splitlines(), 1) if line.strip()]
    matcher = difflib.SequenceMatcher(autojunk=False, b=wanted.strip().lower())

    def likeness(numbered: tuple[int, str]) -> float:
        matcher.set_seq1(numbered[1].lower())
        matching = sum(match.size for match in matcher.get_matching_blocks())
        return matching / max(len(wanted), 1) + matcher.ratio()

    number, line = max(lines, key=likeness)
    return f"{message}; the nearest is line {number}: {_quoted(line)}"


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
