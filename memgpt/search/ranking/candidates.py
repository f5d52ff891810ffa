"""Candidates of the ranking, as the statement returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    ids of the turns next to this one in its session.
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
    before: int | None = None
    after: int | None = None
    cosine: float | None = None
    candidate: bool = True
    of_the_user: bool = False
    """Whether the user said it, or it is remembered: then it may be a preference or a standing instruction."""
