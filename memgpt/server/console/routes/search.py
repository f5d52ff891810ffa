"""Search over everything, why each hit was found, what a model would see, and two searches side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import PlainTextResponse, Response

from memgpt.llm.context import Context
from memgpt.models import KINDS, Hit, Kind
from memgpt.server.console import visits
from memgpt.server.console.changes import row_address
from memgpt.server.console.texts import say
from memgpt.server.console.token_bar import BAR, Share, bar
from memgpt.server.console.visits import Reading, Visit, aware
from memgpt.server.console.why import Why, explained

router: Final = visits.router("/agents/{agent}/search")
PAGE: Final = 10
MOST_OFFSET: Final = 9000
MOST_LINKED: Final = 500
"""Characters of a query in the address of a document."""
DEEP: Final = 200
"""Hits among which one is looked for that somebody expected."""

Words = Annotated[str, Query(max_length=20_000)]
Weight = Annotated[float, Query(ge=0, le=100)]
FormMoment = Annotated[datetime | None, BeforeValidator(lambda text: text or None)]


@dataclass(frozen=True, slots=True)
class ShownHit:
    """One hit as the page shows it."""

    rank: int
    hit: Hit
    href: str | None
    why: Why


class SearchForm(BaseModel):
    """The fields of the search box and its settings."""

    q: Annotated[str, Field(max_length=20_000)] = ""
    kinds: list[Kind] = []
    tag: Annotated[str, Field(max_length=1000)] = ""
    since: FormMoment = None
    until: FormMoment = None
    recency: Annotated[float, Field(ge=0, le=100)] = 0.0
    importance: Annotated[float, Field(ge=0, le=100)] = 0.0
    offset: Annotated[int, Field(ge=0, le=MOST_OFFSET)] = 0


@router.get("")
def search(visit: Reading, form: Annotated[SearchForm, Query()]) -> Response:
    """Search by words and meaning; without words the newest come first."""
    asked = "q" in visit.request.query_params
    options = _options(form.recency, form.importance) | {
        "kinds": form.kinds or None,
        "tags": [form.tag] if form.tag else None,
        "since": aware(form.since),
        "until": aware(form.until),
    }
    hits = visit.memory.search(form.q, limit=PAGE, offset=form.offset, **options) if asked else []
    following = form.offset + PAGE
    values = {
        "section": "search",
        **form.model_dump(),
        "asked": asked,
        "all_kinds": KINDS,
        "results": _found(visit, hits, form.offset, form.q),
        "following": following if len(hits) == PAGE and following <= MOST_OFFSET else None,
        "query": {"q": form.q, "tag": form.tag, "recency": form.recency, "importance": form.importance},
    }
    return visit.page("search.html", values, part="results")


@router.get("/expected")
def expected(
    visit: Reading,
    q: Words,
    kind: Kind,
    id: Annotated[int, Query(ge=1, le=2**63 - 1)],
    recency: Weight = 0.0,
    importance: Weight = 0.0,
) -> Response:
    """Say where a row is that somebody expected among the hits, and why."""
    hits = visit.memory.search(q, limit=DEEP, **_options(recency, importance))
    place = next((n for n, hit in enumerate(hits) if (hit.kind, hit.id) == (kind, id)), None)
    around = [] if place is None else _found(visit, hits, 0, q)[max(place - 1, 0) : place + 2]
    values = {"section": "search", "q": q, "kind": kind, "id": id, "place": place, "results": around, "deep": DEEP}
    return visit.page("expected.html", values)


@router.get("/context")
def preview_context(
    visit: Reading,
    q: Words = "",
    budget: Annotated[int, Query(ge=1, le=1_000_000)] = 2000,
    session: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """Show what a model would see, piece by piece, and what was left out."""
    context = visit.memory.context(q, budget_tokens=budget, session=session or None)
    values = {
        "section": "search",
        "q": q,
        "budget": budget,
        "session": session,
        "context": context,
        "shares": _shares(context),
        "left_out": _left_out(context),
        "links": [_href(visit, item.part, item.id, {}) for item in context.items],
        "bar": BAR,
    }
    return visit.page("context.html", values, part="context")


@router.get("/context/text")
def context_text(
    visit: Reading,
    q: Words = "",
    budget: Annotated[int, Query(ge=1, le=1_000_000)] = 2000,
    session: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """Answer exactly the text, for the clipboard."""
    return PlainTextResponse(visit.memory.context(q, budget_tokens=budget, session=session or None).text)


def _shares(context: Context) -> list[Share]:
    by_part: dict[str, int] = {str(part): tokens for part, tokens in context.by_part().items()}
    by_part["titles"] = context.tokens - sum(by_part.values())
    by_part["free"] = context.budget_tokens - context.tokens
    return bar(by_part, context.budget_tokens)


def _left_out(context: Context) -> list[Any]:
    """Return what did not go in, best first, and each piece once."""
    seen: set[tuple[str, int]] = set()
    first = []
    for one in sorted(context.left_out, key=lambda one: -(one.item.score or 0.0)):
        if (one.item.part, one.item.id) not in seen:
            seen.add((one.item.part, one.item.id))
            first.append(one)
    return first


@dataclass(frozen=True, slots=True)
class Compared:
    """A hit of one search, and its rank in the other."""

    found: ShownHit
    other_rank: int | None

    @property
    def moved(self) -> str:
        """Say in words how its rank differs."""
        if self.other_rank is None:
            return say("compare.only")
        if self.other_rank == self.found.rank:
            return say("compare.same")
        return say("compare.moved", n=self.other_rank)


@router.get("/compare")
def compare(
    visit: Reading,
    a: Words = "",
    b: Words = "",
    a_recency: Weight = 0.0,
    b_recency: Weight = 0.0,
    a_importance: Weight = 0.0,
    b_importance: Weight = 0.0,
) -> Response:
    """Show two searches side by side."""
    sides = [
        _found(visit, visit.memory.search(q, limit=PAGE, **_options(recency, importance)), 0, q) if q else []
        for q, recency, importance in ((a, a_recency, a_importance), (b, b_recency, b_importance))
    ]
    ranks = [{(one.hit.kind, one.hit.id): one.rank for one in side} for side in sides]
    columns = [
        [Compared(one, ranks[1 - n].get((one.hit.kind, one.hit.id))) for one in side] for n, side in enumerate(sides)
    ]
    settings = [("a", a, a_recency, a_importance), ("b", b, b_recency, b_importance)]
    return visit.page("compare.html", {"section": "search", "settings": settings, "columns": columns})


def _options(recency: float, importance: float) -> Any:
    return {"recency": recency, "importance": importance, "explain": True, "spans": True}


def _found(visit: Visit, hits: Sequence[Hit], offset: int, q: str) -> list[ShownHit]:
    whys = explained(hits)
    return [
        ShownHit(offset + n + 1, hit, _href(visit, hit.kind, hit.id, hit.source, q), whys[n])
        for n, hit in enumerate(hits)
    ]


def _href(visit: Visit, kind: str, id: int, source: dict[str, Any], q: str = "") -> str | None:
    """Return the page that shows a hit in its place, a document's with the words of the query."""
    if kind == "fact" and source.get("source"):
        return visit.url("graph", q=source["source"])
    return row_address(kind, source, id, visit.url, q=q[:MOST_LINKED])
