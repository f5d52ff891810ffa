"""Pages of a search: what is ranked together, and how much deeper a later page looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from memgpt.database.codes import code_type
from memgpt.models import Hit, Kind

FIRST_DEPTH: Final = 20
"""Hits that are ranked together at least."""

DEEPER: Final = 4
"""A page beyond what is ranked together searches anew for so many times as many. A search costs something before its
first row: at twice as many a deep page pays that too often; at ten times as many most pages rank more than they need.
"""

NEARLY_THE_SAME: Final = 10
"""Rows beyond the last one wanted whose vectors may differ from its by less than two bytes a number tell."""

PASSAGES: Final = 8
"""A file is one hit, whatever passages of it match: a page is filled from so many times as many passages at most."""


def paged(
    limit: int, offset: int, search: Callable[[int], Sequence[Hit]], *, first: int = FIRST_DEPTH
) -> Sequence[Hit]:
    """One page. The order of what is ranked together depends on how much that is, so a page beyond the first depth
    appends what a deeper search finds beside it: pages of one ``limit`` fit together.
    """
    depth = first
    while depth < limit:
        depth *= 2
    hits: dict[tuple[Kind, int], Hit] = {}

    def deepened() -> bool:
        """Append what a search of this depth finds beside the hits; tell whether there may be more."""
        found = search(depth)
        for each in found:
            if len(hits) < depth:
                hits.setdefault((each.kind, each.id), each)
        return len(found) == depth

    while deepened() and len(hits) < offset + limit and depth < PASSAGES * (offset + limit):
        depth *= DEEPER
    return [*hits.values()][offset : offset + limit]


def candidates(rows: int, dimensions: int, limit: int, *, narrowed: bool = False) -> int:
    """Return how many rows the codes must propose for the exact distances to hold the true nearest at recall 0.99.

    Codes with two bytes a number order rows as the vectors do, but for the last digits. Fewer bits say less, and the
    order of more rows needs more of them. The constants of bits are measured on real sentence vectors of 256 dimensions
    (5,000 and 18,000 rows) and on vectors of 1,536 without structure (to 100,000 rows); ``benchmarks/search.py``
    measures them again. ``narrowed``: words that are demanded or excluded leave only a part of the rows, so the pool is
    the same for both.
    """
    if code_type(dimensions) == "halfvec" and not narrowed:
        return limit + NEARLY_THE_SAME
    if rows <= 500:
        return max(500, limit)
    spread = 11.0 * math.pow(256 / dimensions, 0.4)
    return max(math.ceil(spread * math.sqrt(rows) * max(1.0, math.sqrt(limit / 10))), 5 * limit)
