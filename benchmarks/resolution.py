"""How well entities that are one are found: ``make bench-resolution``, or ``python -m benchmarks.resolution``.

Every name of ``benchmarks/data/resolution.json`` becomes an entity of its own, so that every pair is a chance to be
wrong; names in one list are one thing. The set is small, full of look-alikes, and by the hand that wrote the rules: the
figures tell thresholds apart, not what to expect of your data. The thresholds were chosen on its first half.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

from benchmarks.fixtures import database, own_server
from memgpt import Memory
from memgpt.config import settings
from memgpt.graph.merges_store import MergeStore, Pair
from memgpt.graph.merging import SURE, UNSURE, proposed
from memgpt.memory import scope_of

DATA = Path(__file__).parent / "data" / "resolution.json"
THRESHOLDS = (0.5, 0.55, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SIMILARITIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

Things = dict[str, list[list[str]]]


def main() -> None:
    sets: dict[str, Things] = json.loads(DATA.read_text(encoding="utf-8"))
    with own_server() as server:
        dsn = database(server, "resolution", model=settings().embedding_model, dimensions=256)
        for name, things in sets.items():
            with Memory(name, dsn=dsn) as memory:
                _tell(memory, name, things)


def _tell(memory: Memory, name: str, things: Things) -> None:
    same = _filled(memory, things)
    print(f"\n{name}: {sum(len(t) for of in things.values() for t in of)} names, {len(same)} pairs that are one")
    for similarity in SIMILARITIES:
        found = {(p.one, p.other) for p in _pairs(memory, similarity)}
        print(
            f"  candidates of cosine {similarity:.1f} and more: {len(found):4d} pairs, {_of(found & same, same)} found"
        )
    made = {(p.one, p.other): proposed(p) for p in _pairs(memory, min(SIMILARITIES))}
    print("  score   proposed   right   precision   recall")
    for least in THRESHOLDS:
        chosen = {pair for pair, proposal in made.items() if proposal is not None and (proposal.score or 0) >= least}
        mark = {UNSURE: "  proposed from here", SURE: "  merged at once from here"}.get(least, "")
        right = chosen & same
        print(
            f"  {least:5.2f} {len(chosen):10d} {len(right):7d} {_of(right, chosen):>11s} {_of(right, same):>8s}{mark}"
        )


def _filled(memory: Memory, things: Things) -> set[tuple[int, int]]:
    same: set[tuple[int, int]] = set()
    with memory.graph.together():
        for type, lists in things.items():
            for names in lists:
                ids = sorted(memory.graph.add_entity(name, type).id for name in names)
                same.update(combinations(ids, 2))
    return same


def _pairs(memory: Memory, similarity: float) -> list[Pair]:
    scope = scope_of(memory)
    return list(scope.read(
        lambda c: MergeStore(c, scope.author).pairs(similarity=similarity, among=10_000, nearest=5, untyped="thing")
    ))  # fmt: skip


def _of(part: set[tuple[int, int]], whole: set[tuple[int, int]]) -> str:
    return f"{len(part) / len(whole):.0%}" if whole else "-"


if __name__ == "__main__":
    main()
