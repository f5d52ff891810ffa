"""Entities of the graph: the list, and one with what is known of it, where that is from, and merges to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import Form, Query
from starlette.responses import Response

from memgpt.graph import PlacedText
from memgpt.models import Entity, Fact
from memgpt.server.api import pages as cursors
from memgpt.server.api.callers import RowId
from memgpt.server.console import visits
from memgpt.server.console.changes import row_address
from memgpt.server.console.texts import say
from memgpt.server.console.visits import FormMoment, Reading, Visit, Writing

router: Final = visits.router("/agents/{agent}/entities")
PAGE: Final = 50
ALIKE: Final = 100
"""Names of an entity by which texts are looked for."""

RowNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class ShownFact:
    """A fact about an entity, with the other end and the text it is from."""

    fact: Fact
    state: Literal["holds", "ended", "future", "superseded"]
    outward: bool
    other_id: int
    other: str | None
    evidence: PlacedText | None
    href: str | None


@router.get("")
def list_entities(
    visit: Reading, type: Annotated[str, Query(max_length=1000)] = "", after: cursors.After = None
) -> Response:
    """Show the entities, by name."""
    rows = visit.memory.graph.list(type=type or None, limit=PAGE + 1, after=cursors.after(after, Entity))
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    values = {
        "section": "graph",
        "entities": rows[:PAGE],
        "type": type,
        "filtered": bool(type or after),
        "following": None if last is None else cursors.written(id=last.id, name=last.name),
    }
    return visit.page("entities.html", values, part="results")


@router.get("/{id}")
def show_entity(visit: Reading, id: RowId, at: FormMoment = None, after: cursors.After = None) -> Response:
    """Show one entity: what is and was known of it, texts that name it, merges to judge, and its history."""
    graph = visit.memory.graph
    entity = graph.get(id)
    gone = entity.merged_at is not None and (at is None or entity.merged_at <= at)
    last = cursors.after(after, Fact)
    rows = [] if gone else graph.facts(id, superseded=at is None, known_at=at, limit=PAGE + 1, after=last)
    about = f"entity:{id}"
    values = {
        "section": "graph",
        "entity": entity,
        "at": at,
        "gone": gone,
        "facts": _shown(visit, id, rows[:PAGE], at),
        "following": _following(rows),
        "paged": after is not None,
        "texts": [(text, _href(visit, text)) for text in graph.texts_naming([entity.name, *entity.aliases][:ALIKE])],
        "proposals": visit.memory.proposals.list("proposed", kind="merge", about=about, limit=20),
        "changes": visit.memory.history("entity", id, limit=20),
    }
    return visit.page("entity.html", values)


@router.post("/{id}/retract")
def retract_fact(visit: Writing, id: RowId, fact: RowNumber) -> Response:
    """Retract a fact about the entity from now on."""
    retracted = visit.memory.graph.retract_fact(fact)
    said = say("entity.retracted", fact=retracted.fact)
    return visit.back(said, visit.last_change("fact", fact), "entities", id)


@router.post("/{id}/merge")
def judge_merge(
    visit: Writing, id: RowId, proposal: RowNumber, verdict: Annotated[Literal["same", "different"], Form()]
) -> Response:
    """Decide whether two entities are one: apply the proposal, or reject it."""
    if verdict == "different":
        visit.memory.proposals.reject(proposal)
        return visit.back(say("entity.rejected"), None, "entities", id)
    applied = visit.memory.proposals.apply(proposal)
    survivor, merged = applied.change["survivor"], applied.change["merged"]
    said = say("entity.merged", merged=merged["name"], survivor=survivor["name"])
    return visit.back(said, applied.change_id, "entities", survivor["id"])


def _shown(visit: Visit, id: int, facts: Sequence[Fact], at: datetime | None) -> list[ShownFact]:
    """Return the facts with the names of their other ends and where they are from, in two statements for all."""
    graph = visit.memory.graph
    names = graph.names([end for fact in facts for end in (fact.source_id, fact.target_id)]) if facts else {}
    behind = {(text.kind, text.id): text for text in graph.texts_behind(facts)}
    shown = []
    for fact in facts:
        outward = fact.source_id == id
        other = fact.target_id if outward else fact.source_id
        evidence = behind.get((fact.provenance_kind or "", fact.provenance_id or 0))
        href = None if evidence is None else _href(visit, evidence)
        shown.append(ShownFact(fact, _state(fact, at), outward, other, names.get(other), evidence, href))
    return shown


def _state(fact: Fact, at: datetime | None) -> Literal["holds", "ended", "future", "superseded"]:
    now = datetime.now(UTC)
    if fact.superseded_at is not None and fact.superseded_at <= (at or now):
        return "superseded"
    if fact.valid_to is not None and fact.valid_to <= now:
        return "ended"
    return "future" if fact.valid_from is not None and fact.valid_from > now else "holds"


def _href(visit: Visit, text: PlacedText) -> str | None:
    """Return the page that shows a text in its place."""
    place = {"session": text.place, "label": text.place, "document_id": text.document_id}
    return row_address(text.kind, place, text.id, visit.url)


def _following(rows: Sequence[Fact]) -> str | None:
    if len(rows) <= PAGE:
        return None
    return cursors.written(id=rows[PAGE - 1].id, recorded_at=rows[PAGE - 1].recorded_at)
