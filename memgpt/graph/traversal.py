"""Walks over the graph. Each is one statement and one round trip, names included."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Final, Literal, TypedDict, Unpack

import numpy as np

from memgpt import validation
from memgpt.errors import MismatchError, NotFoundError
from memgpt.graph.entities import Entities, EntityRef
from memgpt.graph.facts import Direction
from memgpt.graph.facts_store import Moments
from memgpt.graph.traversal_store import TraversalStore, Walk
from memgpt.models import Entity, GraphOverview, Neighbourhood, Path, RankedEntity, ReachedEntity, ReachedFact
from memgpt.scope.scope import AgentScope
from memgpt.search.graph_arm import names_in

FAN_OUT: Final = 25
"""Facts of one thing a walk takes in each direction unless told otherwise: a hub would drown what else is near."""

MOST_HOPS: Final = 10
MOST_FACTS: Final = 100_000
"""Facts one walk brings back."""

COUNTED: Final = 10_000
"""Facts of one thing that are counted in each direction."""

_DAMPING: Final = 0.85
_ROUNDS: Final = 30

Cost = Literal["hops", "weight", "strength"]


class WalkFilters(TypedDict, total=False):
    """Facts that a walk takes."""

    direction: Direction
    types: Sequence[str] | None
    """Only facts of these types."""
    min_weight: float | None
    valid_at: datetime | str | None
    """Only what was true at this time."""
    known_at: datetime | str | None
    """As it was known at this time; absent, as it is known now."""
    ended: bool
    """Also what had ended by ``valid_at``."""


class Traversal:
    """Walks over the entities and facts of one agent."""

    def __init__(self, scope: AgentScope, entities: Entities) -> None:
        self._scope = scope
        self._entities = entities

    def neighbours(
        self, entity: EntityRef, *, limit: int = 100, fan_out: int | None = FAN_OUT, **filters: Unpack[WalkFilters]
    ) -> Neighbourhood:
        """Return what is one fact away; see :meth:`within`."""
        return self.within(entity, hops=1, limit=limit, fan_out=fan_out, **filters)

    def within(
        self,
        entity: EntityRef | Sequence[EntityRef],
        *,
        hops: int = 2,
        limit: int = 100,
        fan_out: int | None = FAN_OUT,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood:
        """Return what is within some hops of one or several entities, nearest first.

        Args:
            limit: most entities.
            fan_out: most facts of one thing in each direction; None takes all. What it leaves out is flagged: the
                entity is ``capped`` and the answer not ``complete``.

        Raises:
            NotFoundError: no entity goes by a given name.
        """
        walk = _walk(_refs(entity), hops, limit, fan_out, filters)
        reached = self._scope.read(lambda c: TraversalStore(c, self._scope.author).within(walk))
        self._refuse_nothing(entity, reached)
        return _neighbourhood(reached, limit)

    def around(
        self,
        entity: EntityRef | Sequence[EntityRef],
        *,
        hops: int = 1,
        limit: int = 100,
        fan_out: int | None = FAN_OUT,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood:
        """Return the subgraph within some hops: the entities, and the facts between them.

        Of a hub the facts that weigh most are followed. What is left out is counted: ``more`` of each entity is how
        many of its facts lead elsewhere. ``hops=0`` is the subgraph of the entities themselves.
        """
        walk = replace(_walk(_refs(entity), hops, limit, fan_out, filters), strongest=True)
        subgraph = self._around(walk, limit, counted=COUNTED)
        self._refuse_nothing(entity, subgraph.start)
        return subgraph

    def about(
        self,
        query: str,
        *,
        hops: int = 1,
        limit: int = 100,
        fan_out: int | None = FAN_OUT,
        **filters: Unpack[WalkFilters],
    ) -> Neighbourhood:
        """Return the subgraph around the entities that a text names, by name or alias; empty if it names none."""
        names = names_in(validation.text(query, "query"))
        return self._around(_walk(((), names), hops, limit, fan_out, filters), limit)

    def path(
        self,
        source: EntityRef,
        target: EntityRef,
        *,
        by: Cost = "hops",
        max_hops: int = 6,
        **filters: Unpack[WalkFilters],
    ) -> Path | None:
        """Return the shortest way (``by="hops"``) or the cheapest: the sum of weights, or of 1 / weight (``strength``).

        Facts are taken in both directions unless ``direction`` says otherwise. None when no way of at most
        ``max_hops`` facts exists.
        """
        validation.choice(by, ("hops", "weight", "strength"), "by")
        hops = validation.limit(max_hops, "max_hops", most=MOST_HOPS)
        known_at = validation.moment(filters.get("known_at"), "known_at")
        ids = [self._entities.id_at(end, known_at) for end in (source, target)]
        walk = _walk((ids, ()), (hops + 1) // 2 - 1, MOST_FACTS, None, {**filters, "direction": "both"})
        facts = self._scope.read(lambda c: TraversalStore(c, self._scope.author).between(walk, facts=MOST_FACTS))
        cost = _costs(by)
        return cheapest(facts, ids[0], ids[1], cost, hops, filters.get("direction", "both"))

    def overview(
        self, *, limit: int = 20, valid_at: datetime | str | None = None, known_at: datetime | str | None = None
    ) -> GraphOverview:
        """Return the graph at a glance: its size, its types, the ``limit`` best connected entities, and the times over
        which it reaches.

        Sizes and entities are those of what was known and true at these times; looks at 100,000 entities and facts at
        most, and says so (``complete``).
        """
        moments = Moments(validation.moment(valid_at, "valid_at"), validation.moment(known_at, "known_at"))
        limit = validation.limit(limit)
        return self._scope.read(
            lambda c: TraversalStore(c, self._scope.author).overview(moments, limit=limit, most=MOST_FACTS)
        )

    def rank(
        self,
        seeds: EntityRef | Sequence[EntityRef] | Mapping[str, float],
        *,
        hops: int = 2,
        limit: int = 20,
        among: int = 1000,
        fan_out: int | None = FAN_OUT,
        **filters: Unpack[WalkFilters],
    ) -> list[RankedEntity]:
        """Rank the ``among`` entities nearest to some entities by personalised PageRank.

        ``seeds`` may weigh names: ``{"Ann": 2.0, "Acme": 1.0}``. Facts count by their weight, in both directions.
        """
        limit = validation.limit(limit)
        starts = _refs(list(seeds) if isinstance(seeds, Mapping) else seeds)
        subgraph = self._around(_walk(starts, hops, among, fan_out, filters), among)
        self._refuse_nothing("seeds", subgraph.start)
        weights = {name.lower(): weight for name, weight in seeds.items()} if isinstance(seeds, Mapping) else {}
        start = {r.id: weights.get(r.name.lower(), 1.0) for r in subgraph.start}
        nodes = [*subgraph.start, *subgraph.entities]
        scores = pagerank([n.id for n in nodes], subgraph.facts, start)
        order = sorted(nodes, key=lambda n: (-scores[n.id], n.id))
        return [RankedEntity(n, scores[n.id]) for n in order[:limit]]

    def _around(self, walk: Walk, limit: int, *, counted: int | None = None) -> Neighbourhood:
        reached, facts = self._scope.read(
            lambda c: TraversalStore(c, self._scope.author).around(walk, facts=MOST_FACTS, counted=counted)
        )
        return _neighbourhood(reached, limit, facts)

    def _refuse_nothing(self, starts: object, reached: Sequence[ReachedEntity]) -> None:
        if not reached:
            raise NotFoundError(f"agent {self._scope.agent_id!r} has no entity {starts!r}")


def cheapest(
    facts: Sequence[ReachedFact],
    source: int,
    target: int,
    cost: Callable[[ReachedFact], float],
    hops: int,
    direction: Direction,
) -> Path | None:
    """Dijkstra over (entity, facts used), so that the way has at most ``hops`` facts."""
    leaving: dict[int, list[tuple[int, ReachedFact]]] = defaultdict(list)
    for fact in facts:
        if direction != "in":
            leaving[fact.source_id].append((fact.target_id, fact))
        if direction != "out":
            leaving[fact.target_id].append((fact.source_id, fact))
    best: dict[tuple[int, int], float] = {}
    number = count()  # decides between equals: facts have no order
    queue: list[tuple[float, int, int, int, tuple[int, ...], tuple[ReachedFact, ...]]]
    queue = [(0.0, 0, next(number), source, (source,), ())]
    while queue:
        spent, used, _, here, ids, way = heapq.heappop(queue)
        if here == target:
            return Path(ids, way, spent, complete=len(facts) < MOST_FACTS)
        if used == hops or any(best.get((here, u), np.inf) <= spent for u in range(used + 1)):
            continue
        best[here, used] = spent
        for other, fact in leaving[here]:
            if other not in ids:
                heapq.heappush(queue, (spent + cost(fact), used + 1, next(number), other, (*ids, other), (*way, fact)))
    return None


def pagerank(ids: Sequence[int], facts: Sequence[ReachedFact], start: Mapping[int, float]) -> dict[int, float]:
    """Power iteration; a walker with nowhere to go starts again."""
    place = {id: n for n, id in enumerate(ids)}
    seed = np.zeros(len(ids))
    for id, share_of_start in start.items():
        seed[place[id]] = share_of_start
    seed /= seed.sum() or 1.0
    ends = np.array([(place[e.source_id], place[e.target_id]) for e in facts], np.intp).reshape(-1, 2)
    source, target = np.concatenate([ends, ends[:, ::-1]]).T
    weight = np.tile(np.array([max(e.weight, 0.0) for e in facts]), 2)
    total = np.bincount(source, weight, minlength=len(ids))
    share = np.divide(weight, total[source], out=np.zeros_like(weight), where=total[source] > 0)
    scores = seed.copy()
    for _ in range(_ROUNDS):
        moved = np.bincount(target, scores[source] * share, minlength=len(ids))
        scores = _DAMPING * moved + (1 - _DAMPING * moved.sum()) * seed
    return dict(zip(ids, scores.tolist(), strict=True))


def _costs(by: Cost) -> Callable[[ReachedFact], float]:
    def weight(fact: ReachedFact) -> float:
        if fact.weight <= 0:
            raise MismatchError(f"fact {fact.id} has weight {fact.weight:g}: a cost must be positive")
        return fact.weight if by == "weight" else 1 / fact.weight

    return (lambda _: 1.0) if by == "hops" else weight


def _refs(entities: EntityRef | Sequence[EntityRef]) -> tuple[list[int], list[str]]:
    refs = [entities] if isinstance(entities, (Entity, int, str)) else list(entities)
    ids = [ref.id if isinstance(ref, Entity) else ref for ref in refs if not isinstance(ref, str)]
    return ids, [" ".join(ref.split()).lower() for ref in refs if isinstance(ref, str)]


def _walk(
    starts: tuple[Sequence[int], Sequence[str]], hops: int, limit: int, fan_out: int | None, filters: WalkFilters
) -> Walk:
    direction = validation.choice(filters.get("direction", "both"), ("both", "out", "in"), "direction")
    types, weight = filters.get("types"), filters.get("min_weight")
    return Walk(
        *starts,
        hops=validation.limit(hops + 1, "hops + 1", most=MOST_HOPS + 1) - 1,
        limit=validation.limit(limit, most=MOST_FACTS),
        fan_out=None if fan_out is None else validation.limit(fan_out, "fan_out", most=MOST_FACTS),
        out=direction != "in",
        into=direction != "out",
        types=None if types is None else validation.texts(types, "types"),
        min_weight=None if weight is None else validation.number(weight, "min_weight"),
        moments=Moments(
            validation.moment(filters.get("valid_at"), "valid_at"),
            validation.moment(filters.get("known_at"), "known_at"),
        ),
        ended=bool(filters.get("ended")),
    )


def _neighbourhood(reached: Sequence[ReachedEntity], limit: int, facts: Sequence[ReachedFact] = ()) -> Neighbourhood:
    start = [r for r in reached if r.depth == 0]
    near = [r for r in reached if r.depth > 0]
    within = near[:limit]
    ids = {r.id for r in (*start, *within)}
    complete = len(near) <= limit and len(facts) < MOST_FACTS and not any(r.capped for r in reached)
    inside = [e for e in facts if e.source_id in ids and e.target_id in ids]
    shown = Counter(id for e in inside for id in (e.source_id, e.target_id))
    rest = lambda r: replace(r, more=max(r.more - shown[r.id], 0)) if r.more else r  # noqa: E731
    return Neighbourhood([*map(rest, start)], [*map(rest, within)], complete, inside)
