"""Errors as ``application/problem+json`` (RFC 9457). What a caller sent is not echoed back."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from memgpt.errors import (
    AccessError,
    BusyError,
    ChatError,
    ConfigurationError,
    ConflictError,
    ContentionError,
    DatabaseError,
    DeniedError,
    EmbeddingError,
    ForbiddenError,
    InputError,
    MemgptError,
    MismatchError,
    NoModelError,
    NotFoundError,
)
from memgpt.server.protocols import anthropic_errors, openai_errors

log = logging.getLogger("memgpt.server.api")


class ProblemDetails(BaseModel):
    """Error for people (``detail``) and for machines (``status``, ``title``)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str | None = None


STATUSES: Final[Mapping[type[MemgptError], int]] = {
    ForbiddenError: 403,
    AccessError: 401,
    NotFoundError: 404,
    ConflictError: 409,
    MismatchError: 409,
    InputError: 422,
    DatabaseError: 503,
    ContentionError: 409,
    DeniedError: 403,
    EmbeddingError: 502,
    ChatError: 502,
    BusyError: 429,
    ConfigurationError: 503,
    NoModelError: 404,
}
"""The nearest ancestor of an error decides."""


class PreconditionFailed(Exception):
    """If-Match names another version than the one there is."""


class Refused(Exception):
    """A request that is answered before it reaches a route. ``seconds``: after which it may pass."""

    def __init__(self, status: int, detail: str, *, seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.status = status
        self.seconds = seconds


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with why a request is refused."""
    request_id = scope["state"].get("request_id")
    headers = {"Retry-After": str(math.ceil(refused.seconds))} if refused.status in (429, 503) else {}
    answer = response(refused.status, str(refused), request_id=request_id, headers=headers, scope=scope)
    await answer(scope, receive, send)


def response(
    status: int,
    detail: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    scope: Scope | None = None,
) -> JSONResponse:
    """Make the response of a problem, to OpenAI's and Anthropic's clients in the words of theirs; one that may pass by
    itself says when to try again."""
    extra = dict(headers or {})
    if status in (429, 503):
        extra.setdefault("Retry-After", "1")
    if status == 401:
        extra.setdefault("WWW-Authenticate", 'Bearer realm="memgpt"')
    if scope is not None and anthropic_errors.speaks(scope):
        return anthropic_errors.response(status, detail, request_id=request_id, headers=extra)
    if scope is not None and openai_errors.speaks(scope):
        return openai_errors.response(status, detail, headers=extra)
    problem = ProblemDetails(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail.encode("utf-8", "replace").decode(),
        request_id=request_id,
    )
    return JSONResponse(problem.model_dump(), status, extra, media_type="application/problem+json")


def handle(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.add_exception_handler(MemgptError, _of_ours)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(PreconditionFailed, _of_precondition)
    app.add_exception_handler(Exception, _unexpected)


def status_of(error: Exception) -> int:
    """Return the status an error is answered with."""
    if isinstance(error, MemgptError):
        return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    return 500


def detail_of(error: Exception) -> str:
    """Return what a caller is told of an error; PostgreSQL's own words only where they are about the request."""
    if isinstance(error, DatabaseError) or isinstance(error.__cause__, psycopg.Error):
        log.warning("database: %s", error)
        details = {
            403: "this key may not do this",
            409: "somebody else is changing the same rows: try again",
            422: "a value cannot be stored",
        }
        return details.get(status_of(error), "the database cannot do this at the moment")
    return str(error)


def request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    return response(status_of(error), detail_of(error), request_id=request_id(request), scope=request.scope)


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    details = {404: "there is nothing at this address", 405: "this address has no such method"}
    detail = details.get(error.status_code, str(error.detail))
    headers = {**(error.headers or {}), **({"Allow": _methods(request)} if error.status_code == 405 else {})}
    return response(error.status_code, detail, request_id=request_id(request), scope=request.scope, headers=headers)


def _methods(request: Request) -> str:
    """Return the methods of all routes at an address; the first of them knows its own only."""
    contexts = [c for c in iter_route_contexts(request.app.routes) if c.methods]
    here = [c.methods for c in contexts if c.path_regex.match(request.scope["path"])]
    return ", ".join(sorted({method for methods in here for method in methods or ()}))


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    problems = [_words(e) for e in error.errors()]
    status = 400 if any(e["type"] == "json_invalid" for e in error.errors()) else 422
    if openai_errors.speaks(request.scope) and not anthropic_errors.speaks(request.scope):
        param = ".".join(str(part) for part in error.errors()[0]["loc"][1:2])
        return openai_errors.response(status, problems[0], param=param or None)
    return response(status, "; ".join(problems), request_id=request_id(request), scope=request.scope)


def _words(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}"


async def _of_precondition(request: Request, error: Exception) -> JSONResponse:
    return response(412, str(error), request_id=request_id(request), scope=request.scope)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    detail = "an unexpected error; the log has it under this request id"
    return response(500, detail, request_id=request_id(request), scope=request.scope)
