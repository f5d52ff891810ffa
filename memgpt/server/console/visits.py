"""One request for a page of an agent, or of the operator: what its key reaches, and the way back after a change."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from memgpt import validation
from memgpt.errors import AccessError, ForbiddenError, NotFoundError
from memgpt.memory import Memory
from memgpt.models import AgentRow, Permission
from memgpt.server.api.callers import AnyCaller, TheService, service_of
from memgpt.server.console import addresses, pages
from memgpt.server.console.addresses import Name
from memgpt.server.console.sessions import SignIn
from memgpt.server.operations import Operations
from memgpt.server.service import Caller, Service

_READS: Final = ("GET", "HEAD")


def _of_form(text: object) -> object:
    return text or None


def aware(moment: datetime | None) -> datetime | None:
    """Return a time of a form, which is in UTC."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def plain_lines(text: str) -> str:
    """Return a text with plain line breaks: browsers write CR LF, and some files have those themselves."""
    return text.replace("\r\n", "\n")


FormMoment = Annotated[datetime | None, BeforeValidator(_of_form), AfterValidator(aware)]
"""A time of a form: empty is none, and one without a zone is in UTC."""


class GuardedRoute(APIRoute):
    """A route that changes nothing unless the form, or a header, has the token of the session."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            if request.method not in _READS:
                await _check_token(request)
            return await handler(request)

        return guarded


async def _check_token(request: Request) -> None:
    session: SignIn = request.state.session
    token = request.headers.get("x-csrf-token") or (await request.form()).get("token", "")
    if isinstance(token, UploadFile) or not session.is_token(token):
        raise ForbiddenError(pages.say("failure.token"))


def router(prefix: str = "") -> APIRouter:
    """Return a router of pages; every one of its routes is guarded."""
    return APIRouter(prefix=prefix, route_class=GuardedRoute, include_in_schema=False)


def session_of(request: Request) -> SignIn:
    session: SignIn = request.state.session
    return session


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page of one agent."""

    request: Request
    memory: Memory
    agent: AgentRow
    caller: Caller
    waiting: int = 0
    """Proposals to be decided, at most a hundred."""

    @property
    def at(self) -> datetime | None:
        """The time at which the agent is looked at, where that is in the past."""
        return aware(validation.moment(self.request.query_params.get("at") or None, "at"))

    def page(
        self, template: str, values: Mapping[str, Any], *, status: int = 200, part: str | None = None
    ) -> HTMLResponse:
        """Render a page of the agent."""
        about = {
            "agent_id": self.agent.agent_id,
            "agent": self.agent,
            "waiting": self.waiting,
            "looks_at": None if values.get("section") == "graph" else self.at,  # it has times of its own
            "past": False,
            "done": done_of(self.request),
        }
        return pages.page(self.request, template, {**about, **values}, status=status, part=part)

    def url(self, *parts: str | int, **query: addresses.Values) -> str:
        """Return the address of a page of the agent."""
        return addresses.address("agents", self.agent.agent_id, *parts, **query)

    def back(self, text: str, change_id: UUID | None, *parts: str | int, **query: addresses.Value) -> RedirectResponse:
        """Lead to a page that says what was just done, and offers to undo it."""
        return self.back_to(self.url(*parts, **query), text, change_id)

    def back_to(self, address: str, text: str, change_id: UUID | None) -> RedirectResponse:
        """Do the same with an address that is ready."""
        return _lead_to(self.request, address, text, change_id)

    def last_change(self, kind: str, id: int) -> UUID | None:
        """Return the change that this caller has just made to a row."""
        return next((c.change_id for c in self.memory.history(kind, id, limit=1) if c.actor == self.caller.name), None)


@dataclass(frozen=True, slots=True)
class OperatorVisit:
    """A request for a page of the operator's."""

    request: Request
    operations: Operations
    service: Service

    def page(
        self, template: str, values: Mapping[str, Any], *, status: int = 200, part: str | None = None
    ) -> HTMLResponse:
        """Render a page of the operator's."""
        about = {"operating": True, "done": done_of(self.request)}
        return pages.page(self.request, template, {**about, **values}, status=status, part=part)

    def back(self, text: str, *parts: str | int, **query: addresses.Value) -> RedirectResponse:
        """Lead to a page that says what was just done."""
        return _lead_to(self.request, addresses.address("operations", *parts, **query), text, None)


def _lead_to(request: Request, address: str, text: str, change_id: UUID | None) -> RedirectResponse:
    mark = session_of(request).sign(f"{change_id}\n{text}")
    fields = {"did": text, "mark": mark} | ({} if change_id is None else {"done": str(change_id)})
    return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}", 303)


def done_of(request: Request) -> pages.DoneChange | None:
    """Return the change that the page before made; only what this session has signed is one."""
    query = request.query_params
    change, text = query.get("done"), query.get("did", "")
    if not text or not session_of(request).is_signed(f"{change}\n{text}", query.get("mark", "")):
        return None
    return pages.DoneChange(text, change)


def _visit(permission: Permission) -> Callable[[Request, Name, AnyCaller], Visit]:
    def visit(request: Request, agent: Name, caller: AnyCaller) -> Visit:
        if not caller.may("read", agent):
            raise NotFoundError(f"there is no agent {agent!r}")  # as of one that is unknown
        request.state.agent_id = agent
        service = service_of(request)
        memory = service.memory(caller, agent, permission)
        row, waiting = service.visited(caller, agent)
        return Visit(request, memory, row, caller, waiting)

    return visit


Reading = Annotated[Visit, Depends(_visit("read"))]
Writing = Annotated[Visit, Depends(_visit("write"))]
Administering = Annotated[Visit, Depends(_visit("admin"))]


def confirm(request: Request, key: str) -> None:
    """Let somebody go on who signed in a moment ago, or shows a key again: what follows concerns everybody, or cannot
    be undone, and cookies of one host go to all its ports.

    Raises:
        ForbiddenError: they did not, or it is another one's.
    """
    session = session_of(request)
    if session.fresh or not session.kept:
        return
    try:
        shown = Caller(service_of(request).keys.authenticate(key.strip()))
    except AccessError:
        raise ForbiddenError(pages.say("confirm.wrong")) from None
    signed_in = session.caller
    if not (shown.may("admin", "*") if signed_in.key is None else shown.name == signed_in.name):
        raise ForbiddenError(pages.say("confirm.other"))


def _operator_visit(request: Request, service: TheService, caller: AnyCaller) -> OperatorVisit:
    return OperatorVisit(request, Operations(service, caller), service)


Operating = Annotated[OperatorVisit, Depends(_operator_visit)]
"""Whoever administers every agent."""


def _confirmed(visit: Operating, key: Annotated[str, Form(max_length=1000)] = "") -> OperatorVisit:
    confirm(visit.request, key)
    return visit


Confirmed = Annotated[OperatorVisit, Depends(_confirmed)]
"""Whoever has just shown their key."""
