"""Lines that two texts share, found in about the time it takes to read them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import Match, SequenceMatcher
from typing import Final

_COMPARED: Final = 10_000
"""Pairs of lines that difflib compares: it may take the square of their number."""

_DEEPEST: Final = 8
"""How often a stretch between matched lines is looked through again for lines that are alone in it."""


class LineMatcher(SequenceMatcher[str]):
    """difflib's matcher for lines, whose time grows with their number and not with its square.

    What two stretches have at both ends is matched first, then lines that occur once in each, in the longest common
    order; between those again, a few times. Only short stretches without such lines are left to difflib.
    """

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new, autojunk=False)
        self._old, self._new = old, new

    def get_matching_blocks(self) -> list[Match]:
        """Return the stretches both texts have, in order, and an empty one at their ends."""
        blocks: list[Match] = []
        for a, b in sorted(_pairs(self._old, self._new)):
            last = blocks[-1] if blocks else None
            if last and (last.a + last.size, last.b + last.size) == (a, b):
                blocks[-1] = Match(last.a, last.b, last.size + 1)
            else:
                blocks.append(Match(a, b, 1))
        return [*blocks, Match(len(self._old), len(self._new), 0)]


def _pairs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    stretches = [(0, len(old), 0, len(new), 0)]
    while stretches:
        a, b, c, d, depth = stretches.pop()
        while a < b and c < d and old[a] == new[c]:
            yield a, c
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
            yield b, d
        if a == b or c == d:
            continue
        alone = _alone(old, new, a, b, c, d) if depth < _DEEPEST else []
        if alone:
            yield from alone
            starts = [(a, c), *((x + 1, y + 1) for x, y in alone)]
            stretches += [(a, b, c, d, depth + 1) for (a, c), (b, d) in zip(starts, [*alone, (b, d)], strict=True)]
        elif (b - a) * (d - c) <= _COMPARED:
            matcher = SequenceMatcher(None, old[a:b], new[c:d], autojunk=False)
            for match in matcher.get_matching_blocks():
                yield from ((a + match.a + n, c + match.b + n) for n in range(match.size))


def _alone(old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int) -> list[tuple[int, int]]:
    """Return lines that occur once in each of two stretches: the most that are in the same order in both."""
    there = _places(old, a, b)
    pairs = [(there[line], place) for line, place in _places(new, c, d).items() if line in there]
    ends: list[int] = []
    """The smallest last place, in the old text, of an increasing series of each length; and which pair that is."""
    last: list[int] = []
    before: list[int] = []
    for n, (place, _) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [n]
    longest: list[tuple[int, int]] = []
    n = last[-1] if last else -1
    while n >= 0:
        longest.append(pairs[n])
        n = before[n]
    return longest[::-1]


def _places(lines: Sequence[str], start: int, end: int) -> Mapping[str, int]:
    counts = Counter(lines[start:end])
    return {line: start + n for n, line in enumerate(lines[start:end]) if counts[line] == 1}
