"""Pages of a search: what is ranked together, and how much deeper a later page looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from memgpt.models import Hit, Kind

FIRST_DEPTH: Final = 20
"""Hits that are ranked together at least."""

DEEPER: Final = 4
"""A page beyond what is ranked together searches anew for so many times as many. A search costs something before its
first row: at twice as many a deep page pays that too often; at ten times as many most pages rank more than they need.
"""

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
