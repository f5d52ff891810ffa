"""Blocks of core memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class Block:
    """A labelled piece of core memory, always in context."""

    agent_id: str
    id: int
    label: str
    value: str
    description: str
    limit: int
    """Most characters ``value`` may have."""
    read_only: bool
    shared_with: list[str]
    """Agents that see (and, unless read-only, edit) this block beside its owner ``agent_id``."""
    version: int
    """Grows by one with every edit."""
    metadata: Json
    created_at: datetime
    updated_at: datetime

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the value: what an editor expects to be replacing."""
        return hashlib.sha256(self.value.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BlockChange:
    """What was done to a block, with what it was before: None where the change made it."""

    change_id: UUID
    changed_at: datetime
    actor: str
    undoes: UUID | None
    value: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class BlameLine:
    """A line of a block, and the change that wrote it: None where that is older than what is known of the block."""

    line: int
    """From 1."""
    text: str
    version: int | None = None
    """Of the block after that change."""
    change_id: UUID | None = None
    actor: str | None = None
    changed_at: datetime | None = None
