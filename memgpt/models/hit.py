"""Results of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from memgpt.models.json_object import Json

Kind = Literal["archival", "message", "chunk", "fact", "item", "file"]
"""What a search can find."""

KINDS: tuple[Kind, ...] = ("archival", "message", "chunk", "fact", "item", "file")

IN_PROMPTS: tuple[Kind, ...] = ("archival", "message", "chunk", "fact", "item")
"""What a prompt recalls without being asked for a kind: who keeps files reads them when they are needed."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search."""

    kind: Kind
    id: int
    score: float
    """Higher is better; comparable within one search only."""
    text: str
    metadata: Json
    created_at: datetime
    source: Json = field(default_factory=dict)
    """Where it is from: session, role and name of a message; document, page, headings and span of a chunk; tags of an
    archival memory; the two entities and the type of a fact; namespace and key of a store item;
    path and headings of a file, whose best passage is ``text``."""
    explain: Json | None = None
    """Rank and score in each arm, and what each added, when the search was asked to explain."""
    confidence: float | None = None
    """Chance, 0 to 1, that a best hit like this one answers the question; comparable between searches. None where it is
    not known: of a search by vector, of what is newest, of what links alone found, in other scripts than Latin."""
    spans: Sequence[tuple[int, int]] | None = None
    """Where ``text`` has words and phrases of the query, if the search was asked for that: (start, end) in characters,
    in order and apart. Empty where the hit was found by its meaning alone."""
