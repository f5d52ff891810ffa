"""Entries of the history, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class Author:
    """Whose memory a store works on, and in whose name: goes with every write into the history."""

    agent_id: str
    actor: str


Action = Literal["insert", "update", "delete"]
"""What was done to a row; the undo of a deletion is an insert."""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history: what somebody did to one row."""

    id: int
    change_id: UUID
    """Rows changed by one call share it; ``undo`` takes it back as a whole."""
    changed_at: datetime
    actor: str
    kind: str
    row_id: int
    action: str
    old: Json | None
    """The row before; None for an insert."""
    new: Json | None
    """The row after; None for a delete."""
    undoes: UUID | None
    undone_by: UUID | None = None
    """The change that took this one back, unless that was taken back itself."""
