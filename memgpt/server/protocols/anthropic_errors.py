"""Errors in Anthropic's shape, for the addresses that Anthropic's clients know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.types import Scope

from memgpt.server.protocols.reply import loaded


class AnthropicErrorDetail(BaseModel):
    """Error in the words of Anthropic's protocol."""

    type: str
    message: str


class AnthropicError(BaseModel):
    """An error of Anthropic's protocol."""

    type: str
    error: AnthropicErrorDetail
    request_id: str | None


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": AnthropicError, "description": "The request cannot be served as it is; `message` says why."},
    "5XX": {"model": AnthropicError, "description": "The service, or the upstream, cannot serve it now."},
}

_ADDRESSES: Final = re.compile(r"/v1/messages(?:/(?s:.*+))?")
_SHARED: Final = re.compile(r"/v1/models(?:/(?s:.*+))?")
_KINDS: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Others below 500 are the request's, and from 500 on the server's."""


def speaks(scope: Scope) -> bool:
    """Tell whether a request is answered in Anthropic's protocol: by its address, or at one that OpenAI's clients have
    too by the headers that only Anthropic's send."""
    path = scope["path"]
    return _ADDRESSES.fullmatch(path) is not None or (_SHARED.fullmatch(path) is not None and is_client(scope))


def is_client(scope: Scope) -> bool:
    """Tell whether a request is from a client of Anthropic's protocol."""
    headers = Headers(scope=scope)
    return "anthropic-version" in headers or ("x-api-key" in headers and "authorization" not in headers)


def error(status: int, message: str, *, request_id: str | None = None) -> dict[str, Any]:
    """Return the body of an error."""
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    text = message.encode("utf-8", "replace").decode()
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}


def response(
    status: int, message: str, *, request_id: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Make the response of an error. Anthropic answers what it cannot read with 400, not with 422."""
    status = 400 if status == 422 else status
    named = {"request-id": request_id} if request_id else {}
    return JSONResponse(error(status, message, request_id=request_id), status, {**named, **(headers or {})})


def is_error(content: bytes) -> bool:
    """Tell whether an upstream's response is an error in this shape."""
    value = loaded(content)
    return isinstance(value, dict) and isinstance(value.get("error"), dict) and "message" in value["error"]
