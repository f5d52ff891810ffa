"""Reports on what was ingested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["new", "changed", "unchanged", "duplicate", "skipped", "failed"]

OUTCOMES: tuple[Outcome, ...] = ("new", "changed", "unchanged", "duplicate", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Ingested:
    """Outcome of one document."""

    source: str | None
    outcome: Outcome
    """``duplicate``: the same content is a document already, from another source."""
    document_id: int | None = None
    chunks: int = 0
    """How many it has now."""
    kept: int = 0
    """How many of them were there before, and kept their ids and embeddings."""
    added: int = 0
    removed: int = 0
    tokens: int = 0
    """Of the chunks added."""
    reason: str | None = None
    """Why it failed or was skipped; otherwise what its reader should know."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Outcomes of one run."""

    results: Sequence[Ingested]
    seconds: float

    @property
    def counts(self) -> dict[Outcome, int]:
        """Return the number of documents by outcome."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    @property
    def failed(self) -> Sequence[Ingested]:
        return [result for result in self.results if result.outcome == "failed"]

    @property
    def added(self) -> int:
        """Chunks."""
        return sum(result.added for result in self.results)
