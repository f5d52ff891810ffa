"""Answers of walks over the knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class ReachedFact:
    """A fact a walk followed; :meth:`memgpt.graph.Graph.fact` returns it whole."""

    id: int
    source_id: int
    target_id: int
    type: str
    weight: float


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
