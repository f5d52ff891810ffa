"""``Idempotency-Key``: a write that is sent again is answered as the first time, and not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from memgpt import inputs
from memgpt.api import access
from memgpt.errors import ConflictError, InputError
from memgpt.service import Service
from memgpt.stores.keys import Answer, KeyStore

HEADER: Final = "Idempotency-Key"
_KEPT: Final = ("content-type", "etag", "location")


class IdempotentRoute(APIRoute):
    """A route that honours the header on everything but reads."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            given = request.headers.get(HEADER)
            if given is None or request.method in ("GET", "HEAD"):
                return await handle(request)
            return await _once(request, given, handle)

        return handler


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
    seen = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    digest = hashlib.sha256(seen).digest()
    earlier = await run_in_threadpool(_claim, service, holder, given, digest)
    if earlier is not None:
        return _again(earlier, digest)
    try:
        answer = await handle(request)
    except BaseException:
        # Nothing was written; what was wrong may be right the next time.
        await run_in_threadpool(_give_up, service, holder, given)
        raise
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    await run_in_threadpool(_keep, service, holder, given, answer.status_code, headers, bytes(answer.body))
    return answer


def _claim(service: Service, holder: str, given: str, digest: bytes) -> Answer | None:
    with service.database.transaction() as connection:
        store = KeyStore(connection)
        if store.claim(holder, given, digest):
            store.remove_old_answers()
            return None
        return store.answer(holder, given)


def _again(earlier: Answer, digest: bytes) -> Response:
    if earlier.request_hash != digest:
        raise InputError(f"this {HEADER} was used for another request: take a new one for each write")
    if earlier.status is None:
        raise ConflictError("the request with this key is still being worked on: try again in a moment")
    headers = {**(earlier.headers or {}), "Idempotency-Replayed": "true"}
    return Response(earlier.body or b"", earlier.status, headers)


def _keep(service: Service, holder: str, given: str, status: int, headers: dict[str, Any], body: bytes) -> None:
    with service.database.transaction() as connection:
        KeyStore(connection).keep_answer(holder, given, status, headers, body)


def _give_up(service: Service, holder: str, given: str) -> None:
    with service.database.transaction() as connection:
        KeyStore(connection).give_up(holder, given)
