"""What the candidate statement returns, and the same as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """True collection statistics of one agent, for BM25: one value per query term, in the order of `terms`."""

    terms: Sequence[str]
    document_frequencies: Sequence[int]
    total: int
    mean_length: float


@dataclass(slots=True, kw_only=True)  # not frozen: hundreds are made for every search, and freezing triples that
class Candidate:
    """One row of the candidate statement.

    Rows with ``candidate = False`` are there only as neighbours: they lend context and are not ranked.
    `frequencies`, `session_frequencies` and `in_name` have one value per query term; `before` and `after` are the
    ids of up to two turns next to this one in its session, the nearest first.
    """

    id: int
    content: str
    frequencies: Sequence[int]
    length: int
    created_at: datetime | None = None
    name: str | None = None
    role: str | None = None
    session: str | None = None
    session_frequencies: Sequence[int] = ()
    in_name: Sequence[bool] = ()
    before: Sequence[int] = ()
    after: Sequence[int] = ()
    cosine: float | None = None
    candidate: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows as arrays. `neighbours[k]` holds for each row the index of its neighbour, or -1."""

    rows: Sequence[Candidate]
    frequencies: Floats
    session_frequencies: Floats
    lengths: Floats
    cosines: Floats
    speaker_terms: NDArray[np.bool_]
    neighbours: dict[int, Indexes] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Candidate], terms: int) -> Columns:
        count = len(rows)
        in_session = [row.session_frequencies or (0,) * terms for row in rows]
        named = [row.in_name for row in rows if len(row.in_name)]
        speaker_terms = np.array(named, bool).any(axis=0) if named else np.zeros(terms, bool)
        return cls(
            rows=rows,
            frequencies=np.array([row.frequencies for row in rows], float).reshape(count, terms),
            session_frequencies=np.array(in_session, float).reshape(count, terms),
            lengths=np.array([row.length for row in rows], float),
            cosines=np.array([np.nan if row.cosine is None else row.cosine for row in rows], float),
            speaker_terms=speaker_terms.reshape(terms),
            neighbours=_neighbours(rows),
        )

    def shifted(self, values: Floats, distance: int) -> Floats:
        """The values of the turn at `distance` (negative: before) for every row; zero where there is none."""
        index = self.neighbours[distance]
        moved = values[index]
        moved[index < 0] = 0.0
        return moved

    def around(self, values: Floats, reach: int) -> Floats:
        """The largest value among the turn and its neighbours up to `reach` turns away."""
        best = values
        for distance in range(1, reach + 1):
            best = np.maximum(best, np.maximum(self.shifted(values, -distance), self.shifted(values, distance)))
        return best


def _neighbours(rows: Sequence[Candidate]) -> dict[int, Indexes]:
    position = {row.id: index for index, row in enumerate(rows)}
    found: dict[int, Indexes] = {}
    for distance in (1, 2):
        before = [position.get(row.before[distance - 1], -1) if len(row.before) >= distance else -1 for row in rows]
        after = [position.get(row.after[distance - 1], -1) if len(row.after) >= distance else -1 for row in rows]
        found[-distance], found[distance] = np.array(before, np.intp), np.array(after, np.intp)
    return found
