"""Entities, the facts between them, and where facts were extracted from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class Entity:
    """A named thing of the knowledge graph."""

    id: int
    name: str
    type: str
    aliases: list[str]
    """Its other names, those of the entities merged into it included."""
    description: str
    properties: Json
    created_at: datetime
    updated_at: datetime
    merged_into: int | None = None
    """The entity that it turned out to be."""
    merged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A typed, directed, dated statement between two entities."""

    id: int
    source_id: int
    target_id: int
    type: str
    fact: str
    """The fact in words."""
    weight: float
    properties: Json
    valid_from: datetime | None
    """When it became true in the world; None: always was."""
    valid_to: datetime | None
    recorded_at: datetime
    """When the memory learned it."""
    superseded_at: datetime | None
    provenance_kind: str | None
    provenance_id: int | None


Source = Literal["archival", "message", "chunk"]
"""What facts can be extracted from."""

SOURCES: tuple[Source, ...] = ("archival", "message", "chunk")


@dataclass(frozen=True, slots=True)
class ExtractionSpent:
    """Cost of one model's readings, and what became of its answers."""

    model: str
    texts: int
    applied: int
    """Whose facts are in the graph."""
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None when a price is unknown."""


@dataclass(frozen=True, slots=True)
class ExtractionFailure:
    """A text whose facts are not in the graph, and why; the next extraction tries it again."""

    model: str
    kind: str
    id: int
    reason: str
    attempts: int
