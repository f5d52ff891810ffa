"""Documents and their chunks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class Document:
    """Document that a person ingested; its text is in its chunks."""

    id: int
    title: str
    source: str | None
    media_type: str | None
    content_hash: str | None
    tokens: int | None
    metadata: Json
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document."""

    id: int
    document_id: int | None
    chunk_index: int
    chunk_text: str
    heading_path: list[str]
    page: int | None
    char_start: int | None
    """``documents.text(document_id)[char_start:char_end]`` is ``chunk_text``."""
    char_end: int | None
    tokens: int | None
    metadata: Json
    created_at: datetime
