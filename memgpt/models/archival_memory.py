"""Archival memories, and what became of a text that was remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from memgpt.models.json_object import Json


class MemoryFields(TypedDict, total=False):
    """Fields that may be kept with a text, as keywords or in a mapping."""

    tags: Sequence[str] | None
    importance: float
    """From 0 to 1; 0.5 when absent."""
    source: str | None
    metadata: Json | None
    created_at: datetime | str | None
    """Now when absent; a datetime or an ISO 8601 text."""
    expires_at: datetime | str | None
    """Never when absent."""
    embedding: Any
    """A ready vector: numbers, an array or a pgvector ``Vector``; when absent, the text is embedded."""


@dataclass(frozen=True, slots=True)
class ArchivalMemory:
    """A free text the agent keeps for good."""

    id: int
    text: str
    tags: list[str]
    importance: float
    """From 0 to 1; 0.5 when nobody said."""
    source: str | None
    metadata: Json
    language: str
    created_at: datetime
    expires_at: datetime | None
    superseded_at: datetime | None
    superseded_by: int | None
    accessed_at: datetime
    access_count: int


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A memory that says nearly the same as another one, or as a text."""

    memory: ArchivalMemory
    similarity: float
    """Cosine similarity, 1 at most."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Outcome of ``remember`` for one text."""

    id: int
    duplicate: bool
    """True when the same text was there already: ``id`` is the existing memory, which was left as it was."""
    similar: Sequence[int] = ()
    """Memories that say nearly the same (cosine similarity 0.95 and more), nearest first."""
