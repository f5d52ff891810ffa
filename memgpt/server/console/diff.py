"""Differences between two texts: by lines, and by words inside lines that changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from memgpt.blocks.lines.line_matching import LineMatcher

_PIECE = re.compile(r"\w+|\s+|[^\w\s]")

BY_LINES_ONLY: Final = 200_000
"""Characters from which words inside of lines are not compared."""
AROUND: Final = 3
"""Lines shown around what changed."""

LineKind = Literal["same", "added", "removed", "left-out"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line; its parts are texts, and whether each differs from the line in its place."""

    kind: LineKind
    parts: Sequence[tuple[str, bool]]
    skipped: int = 0
    """Lines in the place of this one that both texts have."""


def difference(old: str, new: str) -> list[DiffLine]:
    """Compare two texts; stretches that both have are left out but for their ends."""
    before, after = old.splitlines(), new.splitlines()
    by_words = len(old) + len(new) <= BY_LINES_ONLY
    lines: list[DiffLine] = []
    for group in LineMatcher(before, after).get_grouped_opcodes(AROUND):
        skipped = group[0][1] - _end_of(lines)
        if skipped > 0:
            lines.append(DiffLine("left-out", (), skipped))
        for tag, a, b, c, d in group:
            lines += _lines(tag, before[a:b], after[c:d], by_words)
    return lines


def _end_of(lines: Sequence[DiffLine]) -> int:
    """Return how many lines of the old text are told already."""
    return sum(line.skipped or line.kind != "added" for line in lines)


def _lines(tag: str, before: Sequence[str], after: Sequence[str], by_words: bool) -> Iterator[DiffLine]:
    if tag == "equal":
        yield from (DiffLine("same", ((line, False),)) for line in before)
        return
    pairs = list(zip(before, after, strict=False)) if by_words and tag == "replace" else []
    compared = [_words(old, new) for old, new in pairs]
    for n, line in enumerate(before):
        yield DiffLine("removed", compared[n][0] if n < len(compared) else ((line, False),))
    for n, line in enumerate(after):
        yield DiffLine("added", compared[n][1] if n < len(compared) else ((line, False),))


def _words(old: str, new: str) -> tuple[Sequence[tuple[str, bool]], Sequence[tuple[str, bool]]]:
    a, b = _PIECE.findall(old), _PIECE.findall(new)
    if len(a) + len(b) > 2000:
        return ((old, True),), ((new, True),)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        left.append(("".join(a[i:j]), tag != "equal"))
        right.append(("".join(b[k:m]), tag != "equal"))
    return [part for part in left if part[0]], [part for part in right if part[0]]
