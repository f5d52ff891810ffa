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

from memgpt import validation
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, ForgottenError, InputError, MismatchError
from memgpt.jobs import Jobs
from memgpt.memory import Memory, scope_of
from memgpt.scope.scope import AgentScope
from memgpt.server.api import callers, segments
from memgpt.server.keys_store import IdempotencyClaim, IdempotentAnswer, KeyStore
from memgpt.server.service import Caller, Service

HEADER: Final = "Idempotency-Key"
_KEPT: Final = ("content-type", "etag", "location")


class _Once:
    """A request with the header: the right to work on it, and its answer."""

    def __init__(self, service: Service, holder: str, key: str, digest: bytes, agent_id: str | None) -> None:
        self._service = service
        self._holder = holder
        self._name = hashlib.sha256(key.encode()).hexdigest()  # a client may make its key of what it sends
        self._digest = digest
        self._agent_id = agent_id

    def answer(self, work: Callable[[], Response], scope: AgentScope | None) -> Response:
        """Return the first time's answer, or do the work and keep its answer with what it writes through ``scope``."""
        claim, earlier = self._claim()
        if claim is None:
            return self._again(earlier)
        try:
            if scope is None:  # it puts a whole row, which may be done twice
                answer = work()
                with self._service.database.transaction() as connection:
                    _keep(connection, claim, answer)
                return answer
            with scope.lazy_transaction():
                answer = work()
                with scope.transaction() as connection, connection.as_owner():
                    _keep(connection, claim, answer)
        except BaseException:
            # Nothing was written; what was wrong may be right the next time.
            with self._service.database.transaction() as connection:
                KeyStore(connection).give_up(claim)
            raise
        return answer

    def _claim(self) -> tuple[IdempotencyClaim | None, IdempotentAnswer | None]:
        with self._service.database.transaction() as connection:
            store = KeyStore(connection)
            claim = store.claim(self._holder, self._name, self._digest, self._agent_id)
            if claim is None:
                return None, store.answer(self._holder, self._name)
            store.remove_old_answers()
            return claim, None

    def _again(self, earlier: IdempotentAnswer | None) -> Response:
        if earlier is not None and earlier.request_hash != self._digest:
            raise MismatchError(f"this {HEADER} was used for another request: take a new one for each write")
        if earlier is None or earlier.status is None:
            raise ConflictError("the request with this key is still being worked on: try again in a moment")
        if earlier.body is None:
            raise ForgottenError(f"what this {HEADER} wrote was forgotten since: to write it again, take a new one")
        headers = {**(earlier.headers or {}), "Idempotency-Replayed": "true"}
        return Response(earlier.body, earlier.status, headers)


_once: ContextVar[_Once | None] = ContextVar("once", default=None)


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
            key = request.headers.get(HEADER)
            if key is None or request.method in ("GET", "HEAD"):
                return await handle(request)
            reset = _once.set(await _asked(request, key))
            try:
                return await handle(request)
            finally:
                _once.reset(reset)

        return handler


def _with_its_answer(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    """Wrap an endpoint so that a request with the header runs once. It is called after the request was found good and
    its caller allowed: a refused caller claims nothing."""
    answers: TypeAdapter[Any] = TypeAdapter(typing.get_type_hints(endpoint, include_extras=True)["return"])

    @functools.wraps(endpoint)
    def called(**given: Any) -> Any:
        once = _once.get()
        if once is None:
            return endpoint(**given)

        def work() -> Response:
            result = endpoint(**given)
            return result if isinstance(result, Response) else _answer(answers, result, status, given)

        return once.answer(work, _scope(given))

    called.keeps_answers = True  # type: ignore[attr-defined]
    return called


def _scope(arguments: dict[str, Any]) -> AgentScope | None:
    """Return the scope the endpoint writes to."""
    memories = (value.memory if isinstance(value, Jobs) else value for value in arguments.values())
    return next((scope_of(memory) for memory in memories if isinstance(memory, Memory)), None)


def _answer(answers: TypeAdapter[Any], result: Any, status: int, arguments: dict[str, Any]) -> Response:
    answer = Response(status_code=status)
    if status != 204:
        answer = Response(answers.dump_json(result), status, media_type="application/json")
    injected = next((value for value in arguments.values() if isinstance(value, Response)), None)
    if injected is not None:
        answer.headers.update({k: v for k, v in injected.headers.items() if k in _KEPT})
    return answer


def _keep(connection: Connection, claim: IdempotencyClaim, answer: Response) -> None:
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    if not KeyStore(connection).keep_answer(claim, answer.status_code, headers, bytes(answer.body)):
        raise ConflictError(f"this took too long, and its repetition has the {HEADER} by now: nothing was written")


async def _asked(request: Request, key: str) -> _Once:
    validation.text(key, HEADER)
    if len(key) > 255:
        raise InputError(f"{HEADER} has {len(key)} characters; the limit is 255")
    caller: Caller = request.state.caller
    holder = caller.key.key_id if caller.key else "-"
    digest = await run_in_threadpool(_digest, request, await request.body())
    agent_id = segments.decoded(request.path_params.get("agent_id", "")) or None
    return _Once(callers.service_of(request), holder, key, digest, agent_id)


def _digest(request: Request, body: bytes) -> bytes:
    """Return the digest that tells one request from another; the boundary between the parts of a form is new each
    time."""
    kind, _, boundary = request.headers.get("Content-Type", "").partition("boundary=")
    if kind.startswith("multipart/") and boundary:
        body = body.replace(boundary.strip('"').encode(), b"")
    address = f"{request.method} {segments.address(request)}?".encode() + request.scope["query_string"]
    return hashlib.sha256(address + b"\n" + body).digest()
