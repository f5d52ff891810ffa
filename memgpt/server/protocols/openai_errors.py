"""Errors in OpenAI's shape, for the addresses that OpenAI's clients know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Scope

from memgpt.server.protocols.reply import loaded


class OpenAIErrorDetail(BaseModel):
    """Error in the words of OpenAI's protocol."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """An error of OpenAI's protocol."""

    error: OpenAIErrorDetail


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": OpenAIError, "description": "The request cannot be served as it is; `message` says why."},
    "5XX": {"model": OpenAIError, "description": "The service, or the upstream, cannot serve it now."},
}

_ADDRESSES: Final = re.compile(r"/v1/(?:chat/completions|embeddings|models|responses)(?:/(?s:.*+))?")
_KINDS: Final[Mapping[int, tuple[str, str | None]]] = {
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
"""Type and code of a status; others below 500 are the request's, and from 500 on the server's."""


def speaks(scope: Scope) -> bool:
    """Tell whether a request is answered in OpenAI's protocol."""
    return _ADDRESSES.fullmatch(scope["path"]) is not None


def error(status: int, message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the body of an error."""
    kind, usual = _KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    text = message.encode("utf-8", "replace").decode()
    return {"error": {"message": text, "type": kind, "param": param, "code": code or usual}}


def response(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make the response of an error. OpenAI answers what it cannot read with 400, not with 422."""
    status = 400 if status == 422 else status
    return JSONResponse(error(status, message, param=param, code=code), status, headers)


def is_error(content: bytes) -> bool:
    """Tell whether an upstream's response is an error in this shape."""
    value = loaded(content)
    return isinstance(value, dict) and isinstance(value.get("error"), dict) and "message" in value["error"]
