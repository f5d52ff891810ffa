"""Dependencies of the routes: the caller, and the memory they may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from memgpt.errors import MismatchError
from memgpt.jobs import Jobs
from memgpt.jobs.api import kind_of
from memgpt.memory import Memory
from memgpt.models import Permission
from memgpt.server.api.patterns import AGENT, AGENT_OR_EVERY
from memgpt.server.api.segments import Segment, named_segment
from memgpt.server.service import Caller, Service
from memgpt.validation import MAX_AGENT_ID

bearer: Final = HTTPBearer(auto_error=False, description="A key of memgpt: `Authorization: Bearer memgpt_…`.")

AgentId = Annotated[Segment, named_segment("The agent.", "assistant", most=MAX_AGENT_ID, pattern=AGENT)]
AgentOrEvery = Annotated[
    Segment,
    named_segment(
        "The agent; `*` for work that concerns every agent.", "assistant", most=MAX_AGENT_ID, pattern=AGENT_OR_EVERY
    ),
]
RowId = Annotated[int, Path(description="The row's id.", examples=[1], ge=1, le=2**63 - 1)]


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def get_caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,  # noqa: ARG001 - for OpenAPI
) -> Caller:
    """Return the caller, whom the edge identified by their key."""
    caller: Caller = request.state.caller
    return caller


AnyCaller = Annotated[Caller, Depends(get_caller)]
TheService = Annotated[Service, Depends(service_of)]


def _memory_for(permission: Permission) -> Callable[[Request, AgentId, AnyCaller], Awaitable[Memory]]:
    async def memory(request: Request, agent_id: AgentId, caller: AnyCaller) -> Memory:
        request.state.agent_id = agent_id
        return service_of(request).memory(caller, agent_id, permission)

    return memory


Reading = Annotated[Memory, Depends(_memory_for("read"))]
Writing = Annotated[Memory, Depends(_memory_for("write"))]
Administering = Annotated[Memory, Depends(_memory_for("admin"))]


def _jobs_for(permission: Permission) -> Callable[[Request, AgentOrEvery, AnyCaller], Jobs]:
    def jobs(request: Request, agent_id: AgentOrEvery, caller: AnyCaller) -> Jobs:
        request.state.agent_id = agent_id
        return service_of(request).jobs(caller, agent_id, permission)

    return jobs


ReadingJobs = Annotated[Jobs, Depends(_jobs_for("read"))]
WritingJobs = Annotated[Jobs, Depends(_jobs_for("write"))]


def allow(caller: Caller, agent_id: str, kind: str) -> None:
    """Refuse work of a kind that the caller's key may not ask for.

    Raises:
        ForbiddenError: this API key may not ask for work of this kind.
        InputError: there is no such kind, or it is not an agent's.
    """
    what = kind_of(kind)
    caller.require(what.permission, agent_id)
    if what.everywhere and agent_id != "*":
        raise MismatchError(f"work of kind {kind!r} concerns every agent: it is a job of the agent '*'")
