"""Row counts of agents between their searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from memgpt.search.store import Counts

OUTGROWN: Final = 1.1
"""All are counted anew when there are so many times as many, and a hundred: rows that are gone go unnoticed before."""


@dataclass
class KnownCounts:
    """Row counts of an agent, as far as this process knows them."""

    counts: Counts | None = None
    at_first: Counts | None = None
    """When all were counted."""
    sessions: bool = False
    """Whether it has memories of sessions."""

    @property
    def nbytes(self) -> int:
        return 1000

    def take(self, before: Counts, now: Counts) -> None:
        """Know them ``now``; where none were known, all were counted ``before``."""
        first = self.at_first if self.counts and self.at_first else before
        outgrown = any(rows > OUTGROWN * first.rows[kind] + 100 for kind, rows in now.rows.items())
        self.counts, self.at_first, self.sessions = None if outgrown else now, first, now.sessions
