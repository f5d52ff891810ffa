"""Two edits of one text, merged by lines: what only one side changed is taken, what both changed is for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from memgpt.blocks.lines.line_matching import LineMatcher
from memgpt.errors import InputError
from memgpt.server.console.texts import say

Taken = Literal["same", "theirs", "mine", "conflict"]
Choice = Literal["theirs", "mine", "both"]


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of the text, as it was, as it is now and as somebody wants it."""

    taken: Taken
    base: Sequence[str]
    theirs: Sequence[str]
    mine: Sequence[str]

    def lines(self, choice: Choice = "mine") -> Sequence[str]:
        """Return the lines of the result."""
        if self.taken == "conflict" and choice == "both":
            return [*self.theirs, *self.mine]
        return self.theirs if self.taken == "theirs" or (self.taken == "conflict" and choice == "theirs") else self.mine


Hunk = tuple[int, int, Sequence[str]]
"""Where the old text is replaced, and by which lines."""


def merge(base: str, theirs: str, mine: str) -> list[Region]:
    """Cut three texts into stretches that somebody changed, or nobody."""
    old = base.split("\n")
    now, wanted = _hunks(old, theirs.split("\n")), _hunks(old, mine.split("\n"))
    regions: list[Region] = []
    at = 0
    for start, end in _changed([*now, *wanted]):
        if at < start:
            regions.append(Region("same", old[at:start], old[at:start], old[at:start]))
        regions.append(_region(old[start:end], _applied(old, now, start, end), _applied(old, wanted, start, end)))
        at = end
    if at < len(old):
        regions.append(Region("same", old[at:], old[at:], old[at:]))
    return regions


def merged(regions: Sequence[Region], choices: Mapping[int, Choice]) -> str:
    """Return the text, with what was chosen for each stretch that both sides changed."""
    return "\n".join(line for n, region in enumerate(regions) for line in region.lines(choices.get(n, "mine")))


def chosen(text: str) -> tuple[int, Choice]:
    """Read what a form says of one stretch: ``3:both``."""
    number, _, side = text.partition(":")
    if not number.isdigit() or side not in ("theirs", "mine", "both"):
        raise InputError(say("blocks.bad_choice"))
    return int(number), side  # type: ignore[return-value]


def _hunks(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    opcodes = LineMatcher(old, new).get_opcodes()
    return [(a, b, new[c:d]) for tag, a, b, c, d in opcodes if tag != "equal"]


def _changed(hunks: Sequence[Hunk]) -> list[tuple[int, int]]:
    """Return the stretches of the old text that were changed: hunks that overlap, or begin at one place, are one."""
    stretches: list[tuple[int, int]] = []
    for start, end, _ in sorted(hunks, key=lambda hunk: hunk[:2]):
        if stretches and (start < stretches[-1][1] or start == stretches[-1][0]):
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((start, end))
    return stretches


def _applied(old: Sequence[str], hunks: Sequence[Hunk], start: int, end: int) -> Sequence[str]:
    """Return a stretch of the old text with the hunks inside of it."""
    lines: list[str] = []
    at = start
    for a, b, new in hunks:
        if a == start or start < a < end:
            lines += [*old[at:a], *new]
            at = b
    return [*lines, *old[at:end]]


def _region(base: Sequence[str], theirs: Sequence[str], mine: Sequence[str]) -> Region:
    if mine == base:
        return Region("theirs", base, theirs, mine)
    return Region("mine" if theirs in (base, mine) else "conflict", base, theirs, mine)
