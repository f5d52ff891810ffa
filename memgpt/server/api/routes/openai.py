"""The OpenAI protocol with memory: what is known goes in front of the messages, the turn is kept afterwards."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from memgpt.config import NO_MODEL
from memgpt.embeddings.catalog import shortens
from memgpt.errors import InputError, MissingExtraError, NoModelError
from memgpt.models import Json
from memgpt.server.api.bodies import Body
from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.api.json_types import NUMBER, described
from memgpt.server.api.prompting import AgentHeader, BudgetHeader, SessionHeader, upstream_of
from memgpt.server.protocols import openai_chat, openai_errors, openai_responses, token_ids
from memgpt.server.protocols.relay import Dialect, relay
from memgpt.server.protocols.turn import agent_of, begin

router = APIRouter(prefix="/v1", tags=["openai"], responses=openai_errors.RESPONSES)

_STREAM: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/event-stream": {}}}}
_PASSED_ON: Final = ("openai-beta", "x-client-request-id")
"""Headers of a request that the upstream is sent too."""


def _error(status: int, message: str, headers: Mapping[str, str]) -> Response:
    return openai_errors.response(status, message, headers=headers)


_CHAT: Final = Dialect(openai_chat.whole, openai_chat.ChatReply, _error, openai_errors.is_error)
_RESPONSES: Final = Dialect(openai_responses.whole, openai_responses.ResponseReply, _error, openai_errors.is_error)


class ChatMessage(BaseModel):
    """A message as OpenAI defines it; what is not named here is passed on."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: str | list[Json] | None = None


def _passes_on(**example: Any) -> ConfigDict:
    return ConfigDict(extra="allow", json_schema_extra={"examples": [example]})


class ChatRequest(BaseModel):
    """A request as OpenAI defines it; what is not named here is passed on."""

    model_config = _passes_on(model="gpt-5-mini", messages=[{"role": "user", "content": "When does my train leave?"}])
    model: Annotated[str, Field(min_length=1, max_length=1000)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    stream: bool | None = False
    user: Annotated[str | None, Field(max_length=255)] = None


class ResponseRequest(BaseModel):
    """A request as OpenAI defines it; what is not named here is passed on."""

    model_config = _passes_on(model="gpt-5-mini", input="When does my train leave?")
    model: Annotated[str | None, Field(max_length=1000)] = None
    input: str | Annotated[list[Json], Field(max_length=10_000)] | None = None
    instructions: str | None = None
    previous_response_id: Annotated[str | None, Field(max_length=200)] = None
    stream: bool | None = False
    user: Annotated[str | None, Field(max_length=255)] = None


MOST_ID: Final = 100_255
"""Of the tokenizer of OpenAI's embedding models; others, which a request may name, have more."""
Tokens = Annotated[list[Annotated[int, Field(ge=0), described(maximum=MOST_ID), NUMBER]], Field(min_length=1)]


class EmbeddingRequest(Body):
    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [{"input": ["Ann likes trains"]}]})
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
        | Tokens
        | Annotated[list[Tokens], Field(min_length=1, max_length=2048)]
    )
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int | None, Field(ge=1), NUMBER] = None


@router.post("/chat/completions", response_model=None, responses=_STREAM)
async def create_chat_completion(
    request: Request,
    service: TheService,
    caller: AnyCaller,
    body: ChatRequest,
    memgpt_agent: AgentHeader = None,
    memgpt_session: SessionHeader = None,
    memgpt_budget: BudgetHeader = 2000,
) -> Response:
    """Reply with memory: what is known goes in front, the upstream model answers, the turn is kept."""
    upstream = upstream_of(request, service)
    upstream.require()
    forwarded = body.model_dump(exclude_unset=True)
    agent = request.state.agent_id = agent_of(service, caller, memgpt_agent or body.user)
    turn = await run_in_threadpool(
        begin, service, caller, agent, openai_chat.read(forwarded["messages"]),
        session=memgpt_session or "default", budget=memgpt_budget,
    )  # fmt: skip
    forwarded["messages"] = openai_chat.with_context(turn.context, forwarded["messages"])
    asked = upstream.openai("POST", "/chat/completions", forwarded, _passed_on(request))
    return await relay(_CHAT, turn.exchange, asked, stream=bool(body.stream))


@router.post("/responses", response_model=None, responses=_STREAM)
async def create_response(
    request: Request,
    service: TheService,
    caller: AnyCaller,
    body: ResponseRequest,
    memgpt_agent: AgentHeader = None,
    memgpt_session: SessionHeader = None,
    memgpt_budget: BudgetHeader = 2000,
) -> Response:
    """Respond with memory, as OpenAI's Responses do: what is known joins the instructions, the upstream model answers,
    the turn is kept. Replies before it are referred to by their ids, if they are of the same agent and session."""
    upstream = upstream_of(request, service)
    upstream.require()
    forwarded = body.model_dump(exclude_unset=True)
    if refused := openai_responses.refused(forwarded):
        return openai_errors.response(400, refused[1], param=refused[0], code="unsupported_parameter")
    agent = request.state.agent_id = agent_of(service, caller, memgpt_agent or body.user)
    turn = await run_in_threadpool(
        begin, service, caller, agent, openai_responses.read(body.input),
        session=memgpt_session or "default", budget=memgpt_budget, previous=body.previous_response_id,
    )  # fmt: skip
    if turn.unknown is not None:
        return JSONResponse(openai_responses.not_kept(turn.unknown), 400)
    if turn.context:
        forwarded["instructions"] = "\n\n".join(filter(None, [body.instructions, turn.context]))
    asked = upstream.openai("POST", "/responses", forwarded, _passed_on(request))
    return await relay(_RESPONSES, turn.exchange, asked, stream=bool(body.stream))


@router.post("/embeddings", response_model=None)
def create_embeddings(service: TheService, caller: AnyCaller, body: EmbeddingRequest) -> Response:
    """Embeddings by the memory's own model, in OpenAI's shape."""
    caller.require("read")
    if service.embedder.name == NO_MODEL:
        raise NoModelError("no embedding model is configured: the caller brings the vectors")
    try:
        written = token_ids.texts(body.input, body.model or "")
    except (InputError, MissingExtraError) as error:
        return openai_errors.response(400, str(error), param="input", code="invalid_token_ids")
    vectors = np.asarray(service.embedder.embed(written, purpose="document"), dtype=np.float32)
    if body.dimensions is not None and body.dimensions != vectors.shape[1]:
        if body.dimensions > vectors.shape[1] or not shortens(service.embedder.name):
            detail = f"the model {service.embedder.name} gives {vectors.shape[1]} dimensions, not {body.dimensions}"
            return openai_errors.response(400, detail, param="dimensions", code="invalid_dimensions")
        vectors = _shortened(vectors, body.dimensions)
    tokens = sum(service.embedder.count_tokens(written))
    data = [
        {
            "object": "embedding",
            "index": n,
            "embedding": base64.b64encode(vector.tobytes()).decode()
            if body.encoding_format == "base64"
            else [float(x) for x in vector],
        }
        for n, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": service.embedder.name, "usage": usage})


def _shortened(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    cut = vectors[:, :dimensions]
    shortened: NDArray[np.float32] = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), np.float32(1e-12))
    return shortened


def _passed_on(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
