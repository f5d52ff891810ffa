"""Answers of walks over the knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
    """A relationship as a walk sees it; :meth:`memgpt.graph.Graph.fact` tells the rest."""

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
