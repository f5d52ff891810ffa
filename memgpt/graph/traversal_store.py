"""Walks over the graph: each is one statement, so one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg import Connection

from memgpt.database import queries
from memgpt.database.driver import hidden_operators
from memgpt.graph.facts_store import Moments
from memgpt.models import Author, ConnectedEntity, GraphOverview, ReachedEntity, ReachedFact, TypeCount

SQL = queries.beside(__name__)

NOW: Final = Moments()


@dataclass(frozen=True, slots=True)
class Walk:
    """Starts of a walk, its length, and the facts it takes."""

    start: Sequence[int]
    names: Sequence[str]
    """In lower case: things called so are starts too."""
    hops: int
    limit: int
    """Most things beside the starts."""
    fan_out: int | None = None
    """Most facts of one thing in one direction; None takes them all."""
    out: bool = True
    into: bool = True
    types: Sequence[str] | None = None
    min_weight: float | None = None
    moments: Moments = NOW
    ended: bool = False
    """Also what had ended at that time."""
    strongest: bool = False
    """What is followed of a thing is what weighs most; else what comes first."""

    def parameters(self) -> dict[str, Any]:
        return {
            "start": [*self.start],
            "names": [*self.names],
            "hops": self.hops,
            "limit": self.limit,
            "fan_out": self.fan_out,
            "out": self.out,
            "in": self.into,
            "types": None if self.types is None else [*self.types],
            "min_weight": self.min_weight,
            "ended": self.ended,
            **asdict(self.moments),
        }


class TraversalStore:
    """Walks over one agent's graph on a connection of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._agent_id = author.agent_id

    def within(self, walk: Walk) -> list[ReachedEntity]:
        """Return the starts (depth 0) and what is near them, nearest first, at most one beyond the limit."""
        return [ReachedEntity(*row) for row in self._rows("within", walk)]

    def around(
        self, walk: Walk, *, facts: int, counted: int | None = None
    ) -> tuple[list[ReachedEntity], list[ReachedFact]]:
        """Return the same as :meth:`within`, with at most so many facts between them.

        Counted, ``more`` of each entity is the number of its facts, up to so many in each direction.
        """
        rows = self._rows("around", walk, facts=facts, counted=counted)
        reached = [ReachedEntity(*row[:6]) for row in rows if row[6] is None]
        facts_between = [
            ReachedFact(id, int(source_id), target_id, type, weight, *valid)
            for id, source_id, type, _, _, _, target_id, weight, *valid in rows
            if target_id is not None
        ]
        return sorted(reached, key=lambda r: (r.depth, r.id)), facts_between

    def between(self, walk: Walk, *, facts: int) -> list[ReachedFact]:
        """Return the facts of everything within the hops of the walk's starts, at most so many."""
        return [ReachedFact(*row) for row in self._rows("between", walk, facts=facts)]

    def overview(self, moments: Moments, *, limit: int, most: int) -> GraphOverview:
        """Return the graph at a glance, with the entities that have most facts."""
        parameters = {**Walk([], [], 0, limit, moments=moments).parameters(), "agent_id": self._agent_id, "most": most}
        statement = queries.compose(SQL.overview, fact=_fact(of_types=False))
        row = self._connection.execute(statement, parameters, binary=True).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        entities, facts, looked_at, entity_types, fact_types, connected, *times = row
        return GraphOverview(
            min(entities, most),
            min(facts, most),
            max(entities, looked_at) <= most,
            [TypeCount(**each) for each in entity_types],
            [TypeCount(**each) for each in fact_types],
            [ConnectedEntity(**each) for each in connected],
            *times,
        )

    def _rows(self, form: str, walk: Walk, **more: Any) -> list[tuple[Any, ...]]:
        parameters = {"agent_id": self._agent_id, **walk.parameters(), **more}
        statement = _statement(
            form,
            walk.types is not None,
            hidden_operators(self._connection),
            strongest=walk.strongest,
            counted=more.get("counted") is not None,
        )
        return self._connection.execute(statement, parameters, binary=True).fetchall()


_FORMS: Final = {"within": SQL.within, "around": SQL.around, "between": SQL.between}


def _statement(
    form: str,
    of_types: bool,
    hidden: frozenset[str] = frozenset(),
    *,
    strongest: bool = False,
    counted: bool = False,
) -> bytes:
    fact = _fact(of_types)
    named = SQL.named_looked_up if "@@" in hidden else SQL.named
    walk = queries.compose(SQL.walk, named=named, fact=fact, strongest=SQL.strongest if strongest else b"")
    number = queries.compose(SQL.counted, fact=fact) if counted else SQL.not_counted
    return queries.compose(_FORMS[form], walk=walk, fact=fact, **({"counted": number} if form == "around" else {}))


def _fact(of_types: bool) -> bytes:
    return queries.compose(SQL.fact, types=SQL.of_types if of_types else b"")
