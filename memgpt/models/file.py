"""Files: texts at paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memgpt.models.json_object import Json

SyncSide = Literal["folder", "memory"]
"""The two sides of a synchronization."""


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


@dataclass(frozen=True, slots=True)
class SyncedFile:
    """A change that a synchronization carried from one side to the other."""

    path: str
    """Of the memory."""
    action: Literal["create", "update", "delete"]
    to: SyncSide
    """The side that was changed."""


@dataclass(frozen=True, slots=True)
class SyncConflict:
    """A file that a synchronization left as it is on both sides."""

    path: str
    """Of the memory."""
    reason: str
    folder: str | None
    """The text in the folder; None where it is not there."""
    memory: str | None
    """The text in the memory; None where it is not there."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a synchronization did."""

    changed: Sequence[SyncedFile]
    conflicts: Sequence[SyncConflict]
    left_out: Mapping[str, str]
    """Why, by the name in the folder, or the path of the memory, which begins with a slash."""
    dry_run: bool
    """Whether that is what it would do."""
