"""Shares of callers in one process: places for requests, and bytes of bodies that are on their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from memgpt.server.api.problems import Refused


class Pool:
    """A number of places. Nobody may hold more of them than stay free: one caller alone gets half, two a third each,
    and somebody new always finds some (dynamic thresholds, Choudhury and Hahne 1998). For one event loop."""

    def __init__(self, what: str, places: int) -> None:
        self._what = what
        self._places = places
        self._held: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def place(self, holders: Sequence[str], size: int = 1) -> Iterator[None]:
        """Hold a place, or ``size`` of them, for each of the holders.

        Raises:
            Refused: there is none, or a holder has its share.
        """
        self._check(holders, size)
        self._take(holders, size)
        try:
            yield
        finally:
            self._take(holders, -size)

    def _check(self, holders: Sequence[str], size: int) -> None:
        free = self._places - self.taken
        if size > free:
            raise Refused(503, f"too many {self._what} at the same time: try again in a moment")
        for holder in holders:
            if self._held[holder] + size > free:
                raise Refused(
                    429, f"too many {self._what} of this {holder.partition(' ')[0]} at the same time: try again"
                )

    def _take(self, holders: Sequence[str], size: int) -> None:
        self.taken += size
        for holder in holders:
            self._held[holder] += size
            if not self._held[holder]:
                del self._held[holder]
