"""The graph: a neighbourhood drawn, and as a table; never everything at once."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from memgpt.errors import NotFoundError
from memgpt.models import GraphOverview
from memgpt.server.console import visits
from memgpt.server.console.drawing import Drawing, GraphForm, draw, starts_of
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Visit

router: Final = visits.router("/agents/{agent}/graph")
JSON: Final = "application/json"
ROWS: Final = 100
"""Of the table on one page."""

_WORDS: Final = (
    *(
        "more",
        "more_facts",
        "expand",
        "fold",
        "start",
        "path",
        "open_page",
        "from",
        "to",
        "ended",
        "always",
        "no_facts",
    ),
    *("chosen", "drawn", "failed", "now", "any_time", "legend"),
)
"""What the script says."""

_PLACES: Final = {name: f"{{{name}}}" for name in ("n", "m", "name", "type", "time")}
"""What the script fills in."""

Form = Annotated[GraphForm, Query()]


@router.get("")
def show_graph(visit: Reading, form: Form) -> Response:
    """Show a neighbourhood: of what a search names, or of things; without either, where one can begin.

    Who accepts JSON is answered what the script draws.
    """
    if form.from_ and visit.request.headers.get("accept") == JSON:
        return _as_json(visit, form)
    if form.q and not form.from_:
        starts = _search(visit, form.q)
        if starts:
            return RedirectResponse(visit.url("graph", **form.query(from_=starts)), 303)
    overview = visit.memory.graph.overview(valid_at=None, known_at=form.at)
    drawing, shown, problem = _drawn(visit, form)
    values = {
        "section": "graph",
        "form": form,
        "overview": overview,
        "drawing": drawing,
        "problem": problem,
        "spans": _spans(overview),
        "words": {name: say(f"graph.word.{name}", **_PLACES) for name in _WORDS},
        "rows": [] if drawing is None else drawing.facts[form.row : form.row + ROWS],
        "data": visit.url("graph", **shown.query(view="")),
        "page_size": ROWS,
    }
    return visit.page("graph.html", values, part="picture")


def _as_json(visit: Visit, form: GraphForm) -> Response:
    """Return a view as data in which nothing could be taken for an element, whoever reads it."""
    drawing = draw(visit.memory.graph, form)
    text = json.dumps(drawing.as_json(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Response(text, media_type=JSON, headers={"Vary": "Accept"})


def _search(visit: Visit, q: str) -> list[int]:
    starts = starts_of(visit.memory.graph, [], q)
    if not starts:
        hits = visit.memory.search(q, kinds=["fact"], limit=10)
        ends = [(str(hit.source["source"]), str(hit.source["target"])) for hit in hits]
        starts = starts_of(visit.memory.graph, ends, q)
    return [*starts]


def _drawn(visit: Visit, form: GraphForm) -> tuple[Drawing | None, GraphForm, str]:
    """Return what is drawn, of which view, and what is wrong: a name that nothing has leaves the rest of the view."""
    if not form.from_:
        return None, form, say("graph.nothing_found", q=form.q) if form.q else ""
    try:
        return draw(visit.memory.graph, form), form, ""
    except NotFoundError as error:
        if not form.to:
            raise
        without = form.model_copy(update={"to": ""})
        return draw(visit.memory.graph, without), without, str(error)


def _spans(overview: GraphOverview) -> dict[str, Any]:
    """Return where the sliders begin and end, by the names of their fields."""
    return {
        "true_at": (overview.true_from, overview.true_to),
        "at": (overview.known_from, overview.known_to),
    }
