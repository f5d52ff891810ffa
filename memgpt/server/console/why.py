"""Why a hit was found: the rank in each arm, and what each part added to its score, as bars of one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from memgpt.models import Hit
from memgpt.server.console.texts import say, texts

WIDTH: Final = 240
"""Of all bars of a page, in pixels of the drawing."""
LEAST: Final = 0.005
"""A part that adds less than this shows as 0.00."""


@dataclass(frozen=True, slots=True)
class ScorePart:
    """Part of a score that one feature added."""

    name: str
    label: str
    added: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A part with its place in the drawing."""

    part: ScorePart
    x: float
    width: float

    @property
    def side(self) -> str:
        return "more" if self.part.added >= 0 else "less"


@dataclass(frozen=True, slots=True)
class Why:
    """The account of one hit."""

    arms: Sequence[str]
    bars: Sequence[Bar]
    """Largest first; together they are the score."""
    zero: float
    """Where the bars begin."""
    above: Sequence[ScorePart]
    """What puts it above the next hit, or holds it down, largest first."""


def explained(hits: Sequence[Hit]) -> list[Why]:
    """Explain the hits of a page, on one scale."""
    parts = [score_parts(hit) for hit in hits]
    least = min([0.0, *(part.added for of_hit in parts for part in of_hit)])
    most = max([0.0, *(part.added for of_hit in parts for part in of_hit)])
    scale = WIDTH / ((most - least) or 1.0)
    zero = -least * scale
    return [
        Why(
            arms=_arms(hit),
            bars=[_bar(part, zero, scale) for part in sorted(parts[n], key=lambda part: -abs(part.added))],
            zero=round(zero, 1),
            above=_above(parts[n], parts[n + 1]) if n + 1 < len(hits) else (),
        )
        for n, hit in enumerate(hits)
    ]


def score_parts(hit: Hit) -> list[ScorePart]:
    """Return what each part added; their sum is the score."""
    explain: dict[str, Any] = hit.explain or {}
    added: dict[str, float] = dict(explain.get("features") or {})
    added |= {name: explain[name] for name in ("relevance", "recency", "importance") if name in explain}
    if (graph := explain.get("graph")) and "hops" in graph:
        added["graph"] = graph["score"]
    rest = hit.score - sum(added.values())
    if abs(rest) >= LEAST:
        added["rest"] = rest
    return [ScorePart(name, label(name), value) for name, value in added.items() if abs(value) >= LEAST]


def label(name: str) -> str:
    """Return a part's name in words; one that has none is called as it is."""
    return say(f"part.{name}") if f"part.{name}" in texts() else name


def _bar(part: ScorePart, zero: float, scale: float) -> Bar:
    width = abs(part.added) * scale
    return Bar(part, round(zero if part.added >= 0 else zero - width, 1), round(max(width, 1.0), 1))


def _above(parts: Sequence[ScorePart], others: Sequence[ScorePart]) -> list[ScorePart]:
    mine, theirs = ({part.name: part.added for part in side} for side in (parts, others))
    names = sorted({*mine, *theirs})
    differences = [ScorePart(name, label(name), mine.get(name, 0.0) - theirs.get(name, 0.0)) for name in names]
    return [part for part in sorted(differences, key=lambda part: -abs(part.added)) if abs(part.added) >= 0.05][:4]


def _arms(hit: Hit) -> list[str]:
    explain: dict[str, Any] = hit.explain or {}
    arms = []
    for name in ("vector", "text"):
        if name in explain:
            arm = explain[name]
            arms.append(say(f"arm.{name}", **arm) if arm else say(f"arm.no_{name}"))
    if "newest" in explain:
        arms.append(say("arm.newest", **explain["newest"]))
    if graph := explain.get("graph"):
        arms.append(say("arm.hops", n=graph["hops"]) if "hops" in graph else say("arm.links", rank=graph["rank"]))
    return arms
