"""A budget of tokens as a bar of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BAR: Final = 600
"""Width of the drawing."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the budget, in tokens and in the drawing."""

    part: str
    tokens: int
    x: float
    width: float


def bar(by_part: Mapping[str, int], whole: int) -> list[Share]:
    """Return the parts that take something, side by side."""
    shares, at = [], 0.0
    for part, tokens in by_part.items():
        if tokens > 0:
            width = BAR * tokens / whole
            shares.append(Share(part, tokens, round(at, 1), round(max(width, 1.0), 1)))
            at += width
    return shares
