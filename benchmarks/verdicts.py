"""What the measured numbers say of the specification's claims, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.fixtures import Ratio
from memgpt.embeddings.catalog import find

FINDS_LESS = 0.02
OLD_MODEL, NEW_MODEL = "text-embedding-ada-002", "text-embedding-3-small"


@dataclass(frozen=True)
class Measured:
    """One question on both sides. ``change`` is the time after 002 as a share of the time before it."""

    name: str
    of: str
    claim: tuple[int, int] | None
    change: Ratio
    recall_before: float | None = None
    recall_after: float | None = None
    reads_before: str = ""
    reads_after: str = ""
    own: Ratio | None = None
    """The same for the statement of this library."""
    recall_own: float | None = None

    @property
    def less(self) -> tuple[float, float, float]:
        """Less time, in %: the value, and its interval."""
        return percent(self.change)

    @property
    def finds_less(self) -> bool:
        return (
            self.recall_before is not None
            and self.recall_after is not None
            and self.recall_after < self.recall_before - FINDS_LESS
        )

    def short(self) -> str:
        less, low, high = self.less
        fewer = f"; but recall {self.recall_before:.2f} became {self.recall_after:.2f}" if self.finds_less else ""
        return f"{less:.0f}% ({low:.0f} to {high:.0f}; claimed {claimed(self.claim)}{fewer})"

    def cells(self, milliseconds: Mapping[str, str]) -> list[object]:
        return [
            *(f"{self.name}, {self.of}", claimed(self.claim)),
            *(milliseconds["old"], _recall(self.recall_before), self.reads_before),
            *(milliseconds["new"], _recall(self.recall_after), self.reads_after, _interval(self.change)),
            *(milliseconds.get("ours", ""), _recall(self.recall_own), _interval(self.own) if self.own else ""),
        ]


def percent(change: Ratio) -> tuple[float, float, float]:
    return 100 * (1 - change.value), 100 * (1 - change.high), 100 * (1 - change.low)


def claimed(claim: tuple[int, int] | None) -> str:
    return "" if claim is None else f"{claim[0]}%" if claim[0] == claim[1] else f"{claim[0]}-{claim[1]}%"


def verdict(measured: Measured) -> str:
    """Does the claim hold, why, and what this library does instead."""
    assert measured.claim is not None
    parts = [f"{measured.name[0].upper()}{measured.name[1:]}, {measured.of}: {_holds(measured)}", _why(measured)]
    if measured.own:
        less, low, high = percent(measured.own)
        found = (
            ""
            if measured.recall_own is None
            else f" at recall {measured.recall_own:.2f}, where that found {measured.recall_before or 0:.2f}"
        )
        way = f"{less:.0f}% less time ({low:.0f} to {high:.0f})" if less >= 0 else f"{-less:.0f}% more time"
        parts.append(f"The statement of this library takes {way} than the one before 002{found}.")
    return " ".join(part for part in parts if part)


def _holds(measured: Measured) -> str:
    less, low, high = measured.less
    wanted = measured.claim[0] if measured.claim else 0
    interval = f"({low:.0f} to {high:.0f}; claimed {claimed(measured.claim)})"
    if low <= 0 <= high:
        return f"**does not hold**, no difference beyond the noise {interval}."
    if less < 0:
        return f"**does not hold**, it takes {-less:.0f}% more time {interval}."
    if measured.finds_less:
        recall = f"recall falls from {measured.recall_before:.2f} to {measured.recall_after:.2f}"
        return f"**does not hold** for the same answers: {less:.0f}% less time {interval}, but {recall}."
    if less < wanted:
        within = " (the claim lies within the interval)" if high >= wanted else ""
        return f"**holds in part**, {less:.0f}% less time {interval}{within}."
    return f"**holds**, {less:.0f}% less time {interval}."


def _why(measured: Measured) -> str:
    before, after = (
        reads.replace(" + ", " and ") or "no index" for reads in (measured.reads_before, measured.reads_after)
    )
    if before != after:
        return f"The planner reads {after} instead of {before}."
    lists = " Its lists are 200 instead of 100, so a probe reads half as many rows." if "embedding" in before else ""
    return f"The planner reads {before} before and after.{lists}"


def average(measured: Sequence[Measured], claim: tuple[int, int] = (25, 40)) -> str:
    """Over the questions that find the same on both sides: others are not the same work."""
    same = [m for m in measured if not m.finds_less]
    less = sum(m.less[0] for m in same) / len(same)
    holds = "holds" if less >= claim[0] else "does not hold"
    return (
        f"Average query time: **{holds}**, {less:.0f}% less over the {len(same)} questions above that find as much as "
        f"before (claimed {claimed(claim)}), from {min(m.less[0] for m in same):.0f}% to "
        f"{max(m.less[0] for m in same):.0f}%. An average over questions says little: look at yours."
    )


def round_trips(trips: float) -> str:
    fewer = 100 * (1 - 1 / trips)
    holds = "holds" if fewer >= 90 else "holds in part"
    return (
        f"Round trips of the graph: **{holds}**, but not by an index: indexes save none. A traversal in one "
        f"statement does: {trips:.0f} become 1, {fewer:.0f}% fewer (claimed: up to 90%)."
    )


def embedding_cost() -> str:
    """A price list, not a measurement."""
    old, new = ((found.price if (found := find(name)) else None) for name in (OLD_MODEL, NEW_MODEL))
    assert old is not None
    assert new is not None
    less = 100 * (1 - new / old)
    holds = "holds" if round(less) >= 80 else "does not hold"
    return (
        f"Cost of embedding: **{holds}**, by the price list: {NEW_MODEL} costs ${new:.2f} a million tokens, "
        f"{OLD_MODEL} ${old:.2f}, {less:.0f}% less for the same tokens. Nothing to "
        "measure. This library's offline model costs nothing, and its cache asks no provider twice for the same text."
    )


def _interval(change: Ratio) -> str:
    less, low, high = percent(change)
    return f"{less:.0f} ({low:.0f} to {high:.0f})"


def _recall(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
