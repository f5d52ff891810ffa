"""``Idempotency-Key``: a write that is sent again is answered as the first time, and not done again.

A claim on the key is committed first, so that of two requests at once one works. The answer is kept in the transaction
of the write: a process that is killed leaves both or neither. A claim whose answer never came is given up after a
minute; should its holder still be at work, its write is taken back, for then the claim is somebody else's. Forgetting
anything of an agent empties the answers about it: who repeats one of those requests is told so, and nothing is written.
"""

from __future__ import annotations

import functools
import hashlib
import typing
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from memgpt import inputs
from memgpt.api import access, segments
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, ForgottenError, InputError
from memgpt.jobs import Jobs
from memgpt.memory import Memory
from memgpt.scope import Scope
from memgpt.service import Service
from memgpt.stores.keys import Answer, Claim, KeyStore

HEADER: Final = "Idempotency-Key"
_KEPT: Final = ("content-type", "etag", "location")


class _Pending:
    """A request that has a claim, until its answer is kept."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.kept = False

    def keep(self, connection: Connection, answer: Response) -> None:
        headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
        if not KeyStore(connection).keep_answer(self.claim, answer.status_code, headers, bytes(answer.body)):
            raise ConflictError(f"this took too long, and its repetition has the {HEADER} by now: nothing was written")
        self.kept = True


_pending: ContextVar[_Pending | None] = ContextVar("pending", default=None)


class IdempotentRoute(APIRoute):
    """A route that honours the header on everything but reads."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        writes = set(given.get("methods") or ()) - {"GET", "HEAD"}
        wrapped = hasattr(endpoint, "keeps_answers")  # included from another router
        if writes and not wrapped:
            endpoint = _with_its_answer(endpoint, given.get("status_code") or 200)
        super().__init__(path, endpoint, **given)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            given = request.headers.get(HEADER)
            if given is None or request.method in ("GET", "HEAD"):
                return await handle(request)
            return await _once(request, given, handle)

        return handler


def _with_its_answer(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    """The endpoint; for a request with a claim, what it writes and its answer are one transaction."""
    answers: TypeAdapter[Any] = TypeAdapter(typing.get_type_hints(endpoint, include_extras=True)["return"])

    @functools.wraps(endpoint)
    def called(**given: Any) -> Any:
        pending, scope = _pending.get(), _scope(given)
        if pending is None or scope is None:
            return endpoint(**given)
        with scope.together():
            result = endpoint(**given)
            answer = result if isinstance(result, Response) else _answer(answers, result, status, given)
            with scope.transaction() as connection, connection.as_owner():
                pending.keep(connection, answer)
        return answer

    called.keeps_answers = True  # type: ignore[attr-defined]
    return called


def _scope(given: dict[str, Any]) -> Scope | None:
    """What the endpoint writes to; None for one that puts a whole row, which may be done twice."""
    return next((value.scope for value in given.values() if isinstance(value, (Memory, Jobs))), None)


def _answer(answers: TypeAdapter[Any], result: Any, status: int, given: dict[str, Any]) -> Response:
    answer = Response(status_code=status)
    if status != 204:
        answer = Response(answers.dump_json(result), status, media_type="application/json")
    injected = next((value for value in given.values() if isinstance(value, Response)), None)
    if injected is not None:
        answer.headers.update({k: v for k, v in injected.headers.items() if k in _KEPT})
    return answer


async def _once(request: Request, given: str, handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    service = access.service_of(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    caller = service.known_caller(token)
    if caller is None:
        caller = await run_in_threadpool(service.caller, token)
    holder = caller.key.key_id if caller.key else "-"
    inputs.text(given, HEADER)
    if len(given) > 255:
        raise InputError(f"{HEADER} has {len(given)} characters; the limit is 255")
    digest = await _digest(request)
    agent_id = segments.decoded(request.path_params.get("agent_id", "")) or None
    claim, earlier = await run_in_threadpool(_claim, service, holder, given, digest, agent_id)
    if claim is None:
        return _again(earlier, digest)
    pending = _Pending(claim)
    reset = _pending.set(pending)
    try:
        answer = await handle(request)
    except BaseException:
        # Nothing was written; what was wrong may be right the next time.
        await run_in_threadpool(_give_up, service, claim)
        raise
    finally:
        _pending.reset(reset)
    if not pending.kept:
        await run_in_threadpool(_keep, service, pending, answer)
    return answer


async def _digest(request: Request) -> bytes:
    """What tells one request from another; the boundary between the parts of a form is new each time."""
    body = await request.body()
    kind, _, boundary = request.headers.get("Content-Type", "").partition("boundary=")
    if kind.startswith("multipart/") and boundary:
        body = body.replace(boundary.strip('"').encode(), b"")
    address = f"{request.method} {segments.address(request)}?".encode() + request.scope["query_string"]
    return hashlib.sha256(address + b"\n" + body).digest()


def _claim(
    service: Service, holder: str, given: str, digest: bytes, agent_id: str | None
) -> tuple[Claim | None, Answer | None]:
    name = hashlib.sha256(given.encode()).hexdigest()  # a client may make its key of what it sends
    with service.database.transaction() as connection:
        store = KeyStore(connection)
        claim = store.claim(holder, name, digest, agent_id)
        if claim is None:
            return None, store.answer(holder, name)
        store.remove_old_answers()
        return claim, None


def _again(earlier: Answer | None, digest: bytes) -> Response:
    if earlier is not None and earlier.request_hash != digest:
        raise InputError(f"this {HEADER} was used for another request: take a new one for each write")
    if earlier is None or earlier.status is None:
        raise ConflictError("the request with this key is still being worked on: try again in a moment")
    if earlier.body is None:
        raise ForgottenError(f"what this {HEADER} wrote was forgotten since: to write it again, take a new one")
    headers = {**(earlier.headers or {}), "Idempotency-Replayed": "true"}
    return Response(earlier.body, earlier.status, headers)


def _keep(service: Service, pending: _Pending, answer: Response) -> None:
    with service.database.transaction() as connection:
        pending.keep(connection, answer)


def _give_up(service: Service, claim: Claim) -> None:
    with service.database.transaction() as connection:
        KeyStore(connection).give_up(claim)
