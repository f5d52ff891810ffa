"""Agents: what they hold, and what was imported into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent as it was described."""

    agent_id: str
    description: str
    metadata: Json
    time_zone: str | None
    """Of its people; null: UTC."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """The owner of a memory, and how much it holds."""

    agent_id: str
    description: str
    metadata: Json
    created_at: datetime | None
    """None for an agent that was never described and exists by its rows only."""
    updated_at: datetime | None
    time_zone: str | None
    """Of its people; None: UTC."""
    last_active_at: datetime | None
    """Of its newest change; else when it was described."""
    rows: dict[str, int]
    """Rows per table; tables without any are absent."""
    more_rows: list[str]
    """Tables with more rows than that: a list counts up to 10,000 of each."""
    bytes: int
    """About: the share of ``rows`` in the tables and their indexes."""
    waiting: int
    """Proposals that wait to be decided, counted to 100."""


@dataclass(frozen=True, slots=True)
class KindStats:
    """Number of rows of one kind, and how many of them have a vector."""

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
    """Numbers of rows in an agent's memory."""

    agent_id: str
    embedding_model: str
    dimensions: int
    kinds: Sequence[KindStats]
    sessions: int
    changes: int
    """Of the history: those ``undo`` can take back."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Outcome of an import: lines of each table that were inserted, and that were there already."""

    agent_id: str
    inserted: dict[str, int]
    skipped: dict[str, int]
    """Rows that were there already, the same."""
