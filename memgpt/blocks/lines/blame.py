"""Who wrote which line of a block: its history is followed back until each line is found to be new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from memgpt.blocks.lines.line_matching import LineMatcher
from memgpt.models import BlameLine, Block
from memgpt.models.block import BlockChange

MOST_CHANGES: Final = 1000
MOST_REPLACED: Final = 10_000_000
"""How far the history of a block is followed: the latest changes, with so many bytes of replaced values together."""


def blame(block: Block, changes: Sequence[BlockChange]) -> Sequence[BlameLine]:
    """Return the lines of a block with the changes that wrote them, as far as these changes, newest first, say."""
    value, version = block.value, block.version
    lines = _lines(value)
    written: list[BlameLine] = [BlameLine(n, line) for n, line in enumerate(lines, 1)]
    places = {n: n for n in range(len(lines))}
    """Of each line nobody is known to have written yet, where it is in the value that is looked at."""
    changes = [change for change in changes if change.version is None or change.version < version]
    first = {change.change_id: n for n, change in enumerate(changes)}
    n = 0
    while places and n < len(changes):
        change = changes[n]
        undone = first.get(change.undoes, -1) if change.undoes else -1
        if undone > n and changes[undone].value == value:  # what is back was written before the change it undoes
            change, n = changes[undone], undone
        elif change.value != value:
            there = _matched(change.value, value)
            for line in [line for line, place in places.items() if place not in there]:
                del places[line]
                who = (version, change.change_id, change.actor, change.changed_at)
                written[line] = BlameLine(line + 1, lines[line], *who)
            places = {line: there[place] for line, place in places.items()}
        value, version, n = change.value or "", change.version or 0, n + 1
    return written


def _matched(old: str | None, new: str) -> dict[int, int]:
    """Return where in the old value each line of the new one is that both have."""
    blocks = LineMatcher(_lines(old or ""), _lines(new)).get_matching_blocks()
    return {match.b + n: match.a + n for match in blocks for n in range(match.size)}


def _lines(value: str) -> list[str]:
    return value.split("\n") if value else []
