"""What the memory holds and answers, as frozen dataclasses. The fields have the names of the columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

Json: TypeAlias = dict[str, Any]

Kind = Literal["archival", "message", "chunk", "fact"]
"""What a search can find."""

KINDS: tuple[Kind, ...] = ("archival", "message", "chunk", "fact")

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks in a message."""

ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")


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
class Remembered:
    """What became of a text given to ``remember``."""

    id: int
    duplicate: bool
    """True when the same text was there already: ``id`` is the existing memory, which was left as it was."""
    similar: Sequence[int] = ()
    """Memories that say nearly the same (cosine similarity 0.95 and more), nearest first."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Within a session the order is (created_at, id)."""

    id: int
    session: str
    role: str
    name: str | None
    """Who spoke, where the role does not say it all."""
    content: str
    intent: str | None
    intent_confidence: float | None
    tokens: int | None
    tool_calls: list[Json] | None
    tool_call_id: str | None
    metadata: Json
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation: its name, how many messages it has, when it began and when it was last added to."""

    session: str
    messages: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """What a user wants with a message, as a classifier sees it."""

    intent: str
    """A label, or ``unknown``."""
    confidence: float
    """From 0 to 1: how much more alike it is to the label's examples than to those of the others."""


@dataclass(frozen=True, slots=True)
class IntentCount:
    """How often an intent occurs, and when."""

    intent: str
    messages: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """What a person ingested; its text is in its chunks."""

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
class Relationship:
    """A typed, directed, dated statement between two entities."""

    id: int
    source_id: int
    target_id: int
    type: str
    fact: str
    """The statement in words."""
    weight: float
    properties: Json
    valid_from: datetime | None
    """When it became true in the world; None: always was."""
    valid_to: datetime | None
    recorded_at: datetime
    """When we began to believe it."""
    superseded_at: datetime | None
    provenance_kind: str | None
    provenance_id: int | None


@dataclass(frozen=True, slots=True)
class Reached:
    """A thing a walk came to."""

    id: int
    name: str
    type: str
    depth: int
    """Edges from the nearest start."""
    capped: bool
    """It has more edges than the fan-out allows: some of its neighbours may be missing."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship as a walk sees it; :meth:`memgpt.graph.Graph.relationship` tells the rest."""

    id: int
    source_id: int
    target_id: int
    type: str
    weight: float


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What is near some things, and whether that is all."""

    start: Sequence[Reached]
    entities: Sequence[Reached]
    """Nearest first, without the starts."""
    complete: bool
    """Everything within the hops is here: neither the fan-out nor the limit left anything out."""
    edges: Sequence[Edge] = ()
    """Those between the entities and starts, where asked for."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from one thing to another."""

    entity_ids: Sequence[int]
    edges: Sequence[Edge]
    cost: float
    complete: bool
    """No better way of as many edges exists; False when the search looked at a part of the graph only."""


@dataclass(frozen=True, slots=True)
class RankedEntity:
    """A thing with its share of a random walk's time."""

    entity: Reached
    score: float


Source = Literal["archival", "message", "chunk"]
"""What facts can be extracted from."""

SOURCES: tuple[Source, ...] = ("archival", "message", "chunk")


@dataclass(frozen=True, slots=True)
class ExtractionSpent:
    """What was paid to one model for reading texts, and what became of its answers."""

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
    archival memory; the two entities and the type of a fact."""
    explain: Json | None = None
    """Rank and score in each arm, and what each added, when the search was asked to explain."""
    confidence: float | None = None
    """Chance, 0 to 1, that a best hit like this one answers the question; comparable between searches. None where it is
    not known: of a search by vector, of what is newest, of what links alone found, in other scripts than Latin."""


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


@dataclass(frozen=True, slots=True)
class Agent:
    """The owner of a memory, and how much it holds."""

    agent_id: str
    description: str
    metadata: Json
    created_at: datetime | None
    """None for an agent that was never described and exists by its rows only."""
    updated_at: datetime | None
    time_zone: str | None
    """Of its people; None: UTC."""
    rows: dict[str, int]
    """Rows per table; tables without any are absent."""
    bytes: int
    """About: its share, by rows, of the tables and their indexes."""


@dataclass(frozen=True, slots=True)
class KindStats:
    """How much of one kind of row an agent has."""

    kind: str
    rows: int
    embedded: int | None
    """Rows with a vector; None for kinds that have none."""
    hidden: int
    """Rows no search finds, because they are superseded or expired."""
    tokens: int | None
    """Of all of them; None for kinds whose tokens are not counted."""
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Stats:
    """What an agent's memory holds."""

    agent_id: str
    embedding_model: str
    dimensions: int
    kinds: Sequence[KindStats]
    sessions: int
    changes: int
    """Of the history: those ``undo`` can take back."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the lines of a file, per table."""

    agent_id: str
    inserted: dict[str, int]
    skipped: dict[str, int]
    """Rows that were there already, the same."""


@dataclass(frozen=True, slots=True)
class Author:
    """Whose memory a store works on, and in whose name: goes with every write into the history."""

    agent_id: str
    actor: str


Permission = Literal["read", "write", "admin", "metrics"]
"""What a key of the service may do; admin is forgetting for good."""

PERMISSIONS: tuple[Permission, ...] = ("read", "write", "admin", "metrics")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the service, without its secret, which nobody has but its holder."""

    key_id: str
    name: str
    permissions: list[Permission]
    agents: list[str]
    """Agents the key may touch: exact names, or beginnings that end in ``*``."""
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None
    """The key this one was rotated from."""


JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

JOB_STATUSES: tuple[JobStatus, ...] = ("queued", "running", "succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """Long work of an agent, done by a worker."""

    agent_id: str
    """``*`` for what concerns every agent."""
    id: int
    kind: str
    arguments: Json
    status: JobStatus
    done: int
    """Steps done of ``total``; it never goes back."""
    total: int | None
    """None until it is known."""
    message: str
    """What is being done."""
    result: Json | None
    error: str | None
    """Why it failed, or why its last attempt did and it waits for the next."""
    requested_by: str
    attempts: int
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None


ProposalKind = Literal["merge", "duplicates", "decay", "expiry", "consolidation", "tidying", "facts"]
"""What is proposed: an entity merge, duplicate memories to set aside, less importance for unused memories, expired
memories to set aside, several memories as one, a shorter block, facts from conversations."""

PROPOSAL_KINDS: tuple[ProposalKind, ...] = (
    "merge",
    "duplicates",
    "decay",
    "expiry",
    "consolidation",
    "tidying",
    "facts",
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
