"""The palette's answers: agents, core memory blocks and entities whose names begin with what is typed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BeforeValidator
from starlette.responses import JSONResponse, Response

from memgpt import validation
from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.console import addresses, escape, visits
from memgpt.server.console.texts import say, word
from memgpt.server.console.visits import FormMoment
from memgpt.server.service import NamedThing

router: Final = visits.router()
EACH: Final = 8
"""Names of a kind that are offered; where there are more, the list of the kind goes on."""


def _agent_of(text: object) -> object:
    return addresses.name_of(text) if isinstance(text, str) and text else None


@router.get("/palette")
def find_names(
    service: TheService,
    caller: AnyCaller,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    agent: Annotated[str | None, BeforeValidator(_agent_of)] = None,
    at: FormMoment = None,
) -> Response:
    """Answer what the palette adds to the commands of its page, by one statement; ``at`` stays on the agent's links."""
    prefix = validation.text(q.strip(), "q")
    reached = agent if agent is not None and caller.may("read", agent) else None
    things = service.named(caller, prefix, reached, limit=EACH + 1)
    offered: list[dict[str, Any]] = []
    for kind in ("block", "entity", "agent"):
        ones = [thing for thing in things if thing.kind == kind]
        offered += [_offer(thing, reached, at) for thing in ones[:EACH]]
        if kind == "agent" and len(ones) > EACH:
            offered.append({"name": say("palette.more_agents"), "href": addresses.address(prefix=prefix)})
    return JSONResponse(offered)


def _offer(thing: NamedThing, agent: str | None, at: datetime | None) -> dict[str, Any]:
    if agent is None or thing.kind == "agent":
        about, address = say("agents.agent"), addresses.address("agents", thing.name)
    else:
        section, place = ("blocks", thing.name) if thing.id is None else ("entities", thing.id)
        about, address = word("row", thing.kind), addresses.address("agents", agent, section, place, at=at)
    return {"name": escape.visible(thing.name), "about": about, "href": address}
