"""Anthropic's protocol with memory: what is known goes behind the system prompt, the turn is kept afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from memgpt.models import Json
from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.api.problems import request_id
from memgpt.server.api.prompting import AgentHeader, BudgetHeader, SessionHeader, upstream_of
from memgpt.server.protocols import anthropic_errors, anthropic_messages
from memgpt.server.protocols.relay import Dialect, relay
from memgpt.server.protocols.turn import agent_of, begin

router = APIRouter(prefix="/v1/messages", tags=["anthropic"], responses=anthropic_errors.RESPONSES)

_EXAMPLE: Final[dict[str, Any]] = {
    "model": "claude-sonnet-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "When does my train leave?"}],
}

CodeSessionHeader = Annotated[
    str | None, Header(description="The session of Claude Code, where none is named for the memory.", max_length=200)
]


class AnthropicMessage(BaseModel):
    """A message as Anthropic defines it; what is not named here is passed on."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: str | list[Json]


class CountRequest(BaseModel):
    """A request as Anthropic defines it; what is not named here is passed on."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_EXAMPLE]})
    model: Annotated[str, Field(min_length=1, max_length=1000)]
    messages: Annotated[list[AnthropicMessage], Field(min_length=1, max_length=100_000)]
    system: str | list[Json] | None = None


class MessagesRequest(CountRequest):
    """A request as Anthropic defines it; what is not named here is passed on."""

    max_tokens: int | None = None
    metadata: Json | None = None
    stream: bool | None = False


@router.post("", response_model=None, responses={200: {"content": {"text/event-stream": {}}}})
async def create_message(
    request: Request,
    service: TheService,
    caller: AnyCaller,
    body: MessagesRequest,
    memgpt_agent: AgentHeader = None,
    memgpt_session: SessionHeader = None,
    memgpt_budget: BudgetHeader = 2000,
    x_claude_code_session_id: CodeSessionHeader = None,
) -> Response:
    """Reply with memory: what is known goes behind the system prompt, the upstream model answers, the turn is kept. A
    request for one token asks whether the model is there, and is not kept."""
    probe = body.max_tokens is not None and body.max_tokens <= 1
    upstream = upstream_of(request, service)
    upstream.require()
    forwarded = body.model_dump(exclude_unset=True)
    session = memgpt_session or anthropic_messages.session_of(forwarded, x_claude_code_session_id) or "default"
    agent = request.state.agent_id = agent_of(service, caller, memgpt_agent)
    turn = await run_in_threadpool(
        begin, service, caller, agent, anthropic_messages.read(forwarded["messages"]),
        session=session, budget=memgpt_budget,
    )  # fmt: skip
    if turn.context:
        forwarded["system"] = anthropic_messages.with_context(turn.context, body.system)
    asked = upstream.anthropic("POST", _address(request, "/messages"), forwarded, passed_on(request))
    return await relay(_dialect(request), None if probe else turn.exchange, asked, stream=bool(body.stream))


@router.post("/count_tokens", response_model=None)
async def count_message_tokens(
    request: Request,
    service: TheService,
    caller: AnyCaller,
    body: CountRequest,
    memgpt_agent: AgentHeader = None,
    memgpt_session: SessionHeader = None,
    memgpt_budget: BudgetHeader = 2000,
) -> Response:
    """Count the tokens of a request, by the upstream, with the memory that it would be sent with."""
    upstream = upstream_of(request, service)
    upstream.require()
    forwarded = body.model_dump(exclude_unset=True)
    agent = request.state.agent_id = agent_of(service, caller, memgpt_agent)
    turn = await run_in_threadpool(
        begin, service, caller, agent, anthropic_messages.read(forwarded["messages"]),
        session=memgpt_session or "default", budget=memgpt_budget, keeps=False,
    )  # fmt: skip
    if turn.context:
        forwarded["system"] = anthropic_messages.with_context(turn.context, body.system)
    asked = upstream.anthropic("POST", _address(request, "/messages/count_tokens"), forwarded, passed_on(request))
    return await relay(_dialect(request), None, asked, stream=False)


def passed_on(request: Request) -> dict[str, str]:
    """Return the headers that name the version and the betas of the protocol, for the upstream."""
    named = {name: value for name, value in request.headers.items() if name.startswith("anthropic-")}
    named.pop("anthropic-dangerous-direct-browser-access", None)
    return {"anthropic-version": "2023-06-01", **named}


def _address(request: Request, path: str) -> str:
    return f"{path}?{request.url.query}" if request.url.query else path


def _dialect(request: Request) -> Dialect:
    def error(status: int, message: str, headers: Mapping[str, str]) -> Response:
        return anthropic_errors.response(status, message, request_id=request_id(request), headers=headers)

    return Dialect(anthropic_messages.whole, anthropic_messages.MessageReply, error, anthropic_errors.is_error)
