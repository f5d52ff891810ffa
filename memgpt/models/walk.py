"""Answers of walks over the knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ReachedEntity:
    """An entity a walk came to."""

    id: int
    name: str
    type: str
    depth: int
    """Facts from the nearest start."""
    capped: bool
    """It has more facts than the fan-out allows: some of its neighbours may be missing."""
    more: int = 0
    """Facts of it beside those it comes with, counted to 10,000 each way; 0 where it comes without facts."""


@dataclass(frozen=True, slots=True)
class ReachedFact:
    """A fact a walk followed; :meth:`memgpt.graph.Graph.fact` returns it whole."""

    id: int
    source_id: int
    target_id: int
    type: str
    weight: float
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Entities near some entities, and whether these are all."""

    start: Sequence[ReachedEntity]
    entities: Sequence[ReachedEntity]
    """Nearest first, without the starts."""
    complete: bool
    """Everything within the hops is here: neither the fan-out nor the limit left anything out."""
    facts: Sequence[ReachedFact] = ()
    """Those between the entities and starts, where asked for."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from one thing to another."""

    entity_ids: Sequence[int]
    facts: Sequence[ReachedFact]
    cost: float
    complete: bool
    """No better way of as many facts exists; False when the search looked at a part of the graph only."""


@dataclass(frozen=True, slots=True)
class RankedEntity:
    """A thing with its share of a random walk's time."""

    entity: ReachedEntity
    score: float


@dataclass(frozen=True, slots=True)
class TypeCount:
    """A type of entities or of facts, and how many there are."""

    type: str
    count: int


@dataclass(frozen=True, slots=True)
class ConnectedEntity:
    """An entity, and how many facts it has."""

    id: int
    name: str
    type: str
    facts: int


@dataclass(frozen=True, slots=True)
class GraphOverview:
    """The graph at a glance: how much there is, of which types, and over which times."""

    entities: int
    facts: int
    complete: bool
    """Everything was counted; False for a graph of more than 100,000 entities or facts, of which so many were."""
    entity_types: Sequence[TypeCount]
    """The most frequent first, at most 100; the types of facts too."""
    fact_types: Sequence[TypeCount]
    most_connected: Sequence[ConnectedEntity]
    true_from: datetime | None
    """The earliest and the latest time at which a fact began or ended to be true, whenever that was known."""
    true_to: datetime | None
    known_from: datetime | None
    """The same of when facts became known, or were superseded."""
    known_to: datetime | None
