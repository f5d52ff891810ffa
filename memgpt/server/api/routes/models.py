"""The models that can be asked: the upstream's, and the memory's own embedding model; one address for two protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from memgpt.config import NO_MODEL
from memgpt.models import Json
from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.api.problems import request_id
from memgpt.server.api.prompting import upstream_of
from memgpt.server.api.routes.anthropic import passed_on
from memgpt.server.protocols import anthropic_errors, openai_errors
from memgpt.server.protocols.upstream import FAILURES, listed, log
from memgpt.server.service import Service

router = APIRouter(prefix="/v1/models", tags=["openai", "anthropic"], responses=openai_errors.RESPONSES)

_LONG_AGO: Final = "1970-01-01T00:00:00Z"


@router.get("", response_model=None)
async def list_models(request: Request, service: TheService, caller: AnyCaller) -> Response:
    """List the models of the upstream, and the memory's own embedding model, in OpenAI's shape; to clients that send
    `anthropic-version` or `x-api-key` those of the upstream in Anthropic's."""
    caller.require("read")
    models = await _models(request, service)
    if not anthropic_errors.is_client(request.scope):
        return JSONResponse({"object": "list", "data": models})
    ends = {"first_id": models[0]["id"], "last_id": models[-1]["id"]} if models else {"first_id": None, "last_id": None}
    return JSONResponse({"data": models, "has_more": False, **ends})


@router.get("/{model:path}", response_model=None)
async def retrieve_model(request: Request, service: TheService, caller: AnyCaller, model: str) -> Response:
    """One of the models."""
    caller.require("read")
    listing = await _models(request, service)
    found = next((each for each in listing if each["id"] in (model, unquote(model))), None)
    if found is not None:
        return JSONResponse(found)
    detail = f"there is no model {model!r}"
    if anthropic_errors.is_client(request.scope):
        return anthropic_errors.response(404, detail, request_id=request_id(request))
    return openai_errors.response(404, detail, param="model", code="model_not_found")


async def _models(request: Request, service: Service) -> Sequence[Json]:
    """Return the models in the words of the client's protocol; the upstream may have listed them in the other's."""
    is_anthropic = anthropic_errors.is_client(request.scope)
    upstream = upstream_of(request, service)
    models: list[Json] = []
    if upstream.configured:
        asked = (
            upstream.anthropic("GET", "/models?limit=1000", headers=passed_on(request))
            if is_anthropic
            else upstream.openai("GET", "/models")
        )
        try:
            models = [each for each in await listed(await asked) if isinstance(each.get("id"), str)]
        except FAILURES as error:
            log.warning("upstream lists no models: %s", type(error).__name__)
    own = (service.options.chat_model or "").partition(":")[2] if not models else ""
    if is_anthropic:
        return [_for_anthropic(each) for each in [*models, *([{"id": own}] if own else [])]]
    names = [name for name in (own, service.embedder.name) if name and name != NO_MODEL]
    ours = ({"id": name, "object": "model", "created": 0, "owned_by": "memgpt"} for name in names)
    return [*map(_for_openai, models), *ours]


def _for_openai(model: Json) -> Json:
    if model.get("object") == "model":
        return model
    return {"id": model["id"], "object": "model", "created": 0, "owned_by": "upstream"}


def _for_anthropic(model: Json) -> Json:
    if model.get("type") == "model":
        return model
    return {"type": "model", "id": model["id"], "display_name": model["id"], "created_at": _LONG_AGO}
