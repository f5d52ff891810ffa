"""Changes that wait to be decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from memgpt.models.json_object import Json

ProposalKind = Literal["merge", "duplicates", "decay", "expiry", "consolidation", "tidying", "facts", "standing"]
"""What is proposed: an entity merge, duplicate memories to set aside, less importance for unused memories, expired
memories to set aside, several memories as one, a shorter block, facts from conversations, standing instructions."""

PROPOSAL_KINDS: tuple[ProposalKind, ...] = (
    "merge",
    "duplicates",
    "decay",
    "expiry",
    "consolidation",
    "tidying",
    "facts",
    "standing",
)


ProposalStatus = Literal["proposed", "applied", "rejected", "reverted"]

PROPOSAL_STATUSES: tuple[ProposalStatus, ...] = ("proposed", "applied", "rejected", "reverted")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that somebody may make: nothing happens until it is applied, and what happened can be reverted."""

    id: int
    kind: ProposalKind
    status: ProposalStatus
    reason: str
    """In words, for whoever decides."""
    score: float | None
    """From 0 to 1: how sure the proposer is; None where that cannot be said."""
    about: list[str]
    """The rows it is about or from: ``entity:4``. Forgetting one of them takes the proposal along."""
    evidence: Json
    change: Json
    """What applying does."""
    change_id: UUID | None
    """Of the history, once it was applied."""
    actor: str
    created_at: datetime
    decided_at: datetime | None
