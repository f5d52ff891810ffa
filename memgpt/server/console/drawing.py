"""The part of a graph that a page draws: a neighbourhood, what was opened in it, and a way between two things."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from memgpt.errors import NotFoundError
from memgpt.graph import Graph
from memgpt.graph.traversal import FAN_OUT, MOST_HOPS, WalkFilters
from memgpt.models import Path, ReachedEntity, ReachedFact
from memgpt.server.console.escape import beginning, visible
from memgpt.server.console.visits import FormMoment

MOST_NODES: Final = 5000
MOST_LINES: Final = 20_000
MOST_STARTS: Final = 100

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Type = Annotated[str, Field(max_length=255)]


class GraphForm(BaseModel):
    """The address of a view of the graph."""

    from_: Annotated[list[Id], Field(alias="from", max_length=MOST_STARTS)] = []
    q: Annotated[str, Field(max_length=20_000)] = ""
    hops: Annotated[int, Field(ge=0, le=MOST_HOPS)] = 1
    open: Annotated[list[Id], Field(max_length=200)] = []
    """What was opened, in this order; each time 25 facts more of it in each direction."""
    types: Annotated[list[Type], Field(max_length=100)] = []
    things: Annotated[list[Type], Field(max_length=100)] = []
    path: Id | None = None
    to: Annotated[str, Field(max_length=255)] = ""
    true_at: FormMoment = None
    at: FormMoment = None
    only_true: bool = False
    view: Literal["", "table"] = ""
    row: Annotated[int, Field(ge=0, le=MOST_LINES)] = 0

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return what the address of a view says after some changes."""
        return {
            "from_": self.from_,
            "hops": None if self.hops == 1 else self.hops,
            "open": self.open,
            "types": self.types,
            "things": self.things,
            "path": self.path,
            "to": self.to,
            "true_at": self.true_at,
            "at": self.at,
            "only_true": self.only_true,
            "view": self.view,
            **changes,
        }

    @property
    def filters(self) -> WalkFilters:
        """The facts that count."""
        return {
            "types": self.types or None,
            "valid_at": self.true_at,
            "known_at": self.at,
            "ended": not self.only_true,
        }


@dataclass(frozen=True, slots=True)
class Drawing:
    """Things and the facts between them."""

    nodes: Sequence[ReachedEntity]
    facts: Sequence[ReachedFact]
    starts: Sequence[int]
    hops: int
    way: Path | None
    target: int | None
    """Where the way leads."""
    complete: bool
    hidden: int
    """Things within the hops that are of other types than those asked for."""
    moment: datetime

    @property
    def names(self) -> dict[int, str]:
        return {node.id: node.name for node in self.nodes}

    @property
    def folded(self) -> Sequence[ReachedEntity]:
        """Things with facts that are not drawn, those with most first."""
        return sorted((node for node in self.nodes if node.more), key=lambda node: (-node.more, node.id))

    def ended(self, fact: ReachedFact) -> bool:
        """Tell whether a fact had ended at the time of the view."""
        return fact.valid_to is not None and fact.valid_to <= self.moment

    def as_json(self) -> dict[str, Any]:
        """Return what the script draws; the texts as they may be shown."""
        return {
            "nodes": [[n.id, _shown(n.name), _shown(n.type), n.depth, n.more] for n in self.nodes],
            "facts": [
                [f.id, f.source_id, f.target_id, _shown(f.type), _day(f.valid_from), _day(f.valid_to), self.ended(f)]
                for f in self.facts
            ],
            "starts": [*self.starts],
            "hops": self.hops,
            "way": None if self.way is None else [fact.id for fact in self.way.facts],
        }


def draw(graph: Graph, form: GraphForm) -> Drawing:
    """Return what a view shows. As many statements for a large graph as for a small one.

    Raises:
        NotFoundError: a thing to begin at, or to open, is unknown.
    """
    near = graph.around(form.from_, hops=form.hops, limit=MOST_NODES, fan_out=FAN_OUT, **form.filters)
    target = form.path or _named(graph, form.to)
    way = None if target is None else graph.path(form.from_[0], target, **form.filters)
    depths = {node.id: node.depth for node in (*near.start, *near.entities)}
    whole = near
    if form.open or way:
        parts = [_opened(graph, form, depths), [] if way is None else way.entity_ids]
        for id in (id for part in parts for id in part):
            depths.setdefault(id, form.hops + 1)
        ids = [*depths][:MOST_NODES]
        whole = graph.around(ids, hops=0, limit=1, **form.filters)
    nodes = [replace(node, depth=depths.get(node.id, 0)) for node in (*whole.start, *whole.entities)]
    starts = [node.id for node in near.start]
    kept = {*starts, *(way.entity_ids if way else ())} if form.things else {node.id for node in nodes}
    shown = [node for node in nodes if node.id in kept or node.type in form.things]
    ids_shown = {node.id for node in shown}
    facts = [fact for fact in whole.facts if fact.source_id in ids_shown and fact.target_id in ids_shown]
    return Drawing(
        nodes=sorted(shown, key=lambda node: (node.depth, node.id)),
        facts=sorted(facts, key=lambda fact: (-fact.weight, fact.id))[:MOST_LINES],
        starts=starts,
        hops=form.hops,
        way=way,
        target=target,
        complete=near.complete and len(facts) <= MOST_LINES,
        hidden=len(nodes) - len(shown),
        moment=form.true_at or datetime.now(UTC),
    )


def starts_of(graph: Graph, facts: Sequence[tuple[str, str]], q: str) -> Sequence[int]:
    """Return the things that a text names, or else those that facts found by it are about."""
    named = graph.about(q, hops=0, limit=1).start
    if not named and facts:
        ends = list(dict.fromkeys(end for fact in facts for end in fact))
        named = graph.within(ends, hops=0, limit=1).start
    return [node.id for node in named][:MOST_STARTS]


def _opened(graph: Graph, form: GraphForm, depths: dict[int, int]) -> Sequence[int]:
    """Return what opening adds, nearest to what was there first: one walk for all that were opened equally often."""
    by_fan_out: dict[int, list[int]] = defaultdict(list)
    for id, times in Counter(form.open).items():
        walked = depths.get(id, form.hops) < form.hops
        by_fan_out[FAN_OUT * (times + walked)].append(id)
    added: list[int] = []
    for fan_out, ids in by_fan_out.items():
        part = graph.around(ids, hops=1, limit=MOST_NODES, fan_out=fan_out, **form.filters)
        added += [node.id for node in (*part.start, *part.entities)]
    return added


def _named(graph: Graph, name: str) -> int | None:
    """Return the thing of a name that somebody typed."""
    if not name.strip():
        return None
    found = graph.find(name)
    if not found:
        raise NotFoundError(f"nothing is called {name!r}")
    return found[0].id


def _shown(text: str) -> str:
    return visible(beginning(text, 100))


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
