"""Files: texts at paths."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class File:
    """A text at a path."""

    id: int
    path: str
    content: str
    version: int
    """Goes up with every change of path, content or metadata."""
    metadata: Json
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as a list of files has it, without its content."""

    id: int
    path: str
    size: int
    """Bytes of the content in UTF-8."""
    sha256: str
    """Of the content in UTF-8, in hexadecimal digits."""
    version: int
    metadata: Json
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A passage of a file, as search finds it; passages that say the same are one."""

    id: int
    file_id: int
    chunk_text: str
    heading_path: list[str]
    tokens: int | None
    metadata: Json
    created_at: datetime
