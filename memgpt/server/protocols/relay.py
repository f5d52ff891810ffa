"""The way of a reply back to the client: as the upstream sends it, and kept on the way."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import httpx
from anyio.to_thread import run_sync
from fastapi import Response
from fastapi.responses import StreamingResponse

from memgpt.server.protocols import sse
from memgpt.server.protocols.exchange import Exchange
from memgpt.server.protocols.reply import Reply
from memgpt.server.protocols.said import Said
from memgpt.server.protocols.upstream import FAILURES

log = logging.getLogger("memgpt.server.api")

_TO_KEEP: Final = 20.0
"""Seconds that a reply waits for being kept; then it goes on, and so does the keeping."""
_PASSED_ON: Final = ("retry-after", "retry-after-ms", "x-should-retry", "request-id")
_NOT_KEPT: Final = "the turn was not kept in memory"
_BROKE_OFF: Final = "the upstream model's answer broke off"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the protocols."""

    whole: Callable[[bytes], Said | None]
    """Reads the reply of a response that is no stream."""
    reply: type[Reply]
    """Reads that of one that is."""
    error: Callable[[int, str, Mapping[str, str]], Response]
    is_error: Callable[[bytes], bool]


async def relay(
    dialect: Dialect, exchange: Exchange | None, asked: Awaitable[httpx.Response], *, stream: bool
) -> Response:
    """Pass on what the upstream answers. Without an exchange nothing is kept."""
    try:
        answer = await asked
    except FAILURES as error:
        log.warning("upstream: %s", type(error).__name__)
        return dialect.error(503, "the upstream model cannot be reached", {"Retry-After": "1"})
    if answer.status_code != 200:
        return await _failed(dialect, answer)
    headers = _passed_on(answer)
    if stream and answer.headers.get("content-type", "").startswith("text/event-stream"):
        headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_streamed(dialect.reply(), answer, exchange), 200, headers, "text/event-stream")
    return await _whole(dialect, answer, exchange, headers)


async def _whole(
    dialect: Dialect, answer: httpx.Response, exchange: Exchange | None, headers: dict[str, str]
) -> Response:
    try:
        content = await answer.aread()
    except FAILURES as error:
        log.warning("upstream: %s", type(error).__name__)
        return dialect.error(502, _BROKE_OFF, {})
    finally:
        await answer.aclose()
    if exchange is not None and not await _keep(exchange, dialect.whole(content)):
        headers["Memgpt-Warning"] = _NOT_KEPT
    return Response(content, 200, headers, media_type=answer.headers.get("content-type", "application/json"))


async def _failed(dialect: Dialect, answer: httpx.Response) -> Response:
    """Pass on what the upstream refuses; of its own keys and failures, only the status."""
    try:
        content = await answer.aread()
    except FAILURES:
        content = b""
    finally:
        await answer.aclose()
    status, headers = answer.status_code, _passed_on(answer)
    if 400 <= status < 500 and status not in (401, 403) and dialect.is_error(content):
        return Response(content, status, headers, media_type="application/json")
    log.warning("upstream answered %s", status)
    passed_on = status if status >= 500 or status in (400, 404, 408, 409, 413, 422, 429) else 502
    return dialect.error(passed_on, f"the upstream model answered {status}", headers)


async def _streamed(reply: Reply, answer: httpx.Response, exchange: Exchange | None) -> AsyncIterator[bytes]:
    """Pass on the upstream's events as they come; keep what they say before the last one is passed on, and what was
    said until then if the upstream breaks off or the client goes away."""
    stored = False
    last: bytes | None = None
    coming = sse.events(answer.aiter_bytes())
    try:
        async for event in coming:
            if (data := sse.data_of(event)) and reply.add(data):
                last = event
                break
            yield event
    except FAILURES as error:
        log.warning("upstream: %s", type(error).__name__)
    finally:
        with anyio.CancelScope(shield=True):  # who goes away has paid for what was said until then
            await answer.aclose()
            stored = exchange is None or await _keep(exchange, reply.said())
    if not stored:
        yield f": memgpt: {_NOT_KEPT}\n\n".encode()
    if last is not None:
        yield last
    if not reply.finished:
        yield reply.broken_off(_BROKE_OFF)
    elif last is None:
        yield reply.ending()


async def _keep(exchange: Exchange, reply: Said | None) -> bool:
    """Keep the turn; return False if it is not kept, or not yet."""
    with anyio.move_on_after(_TO_KEEP):
        return await run_sync(exchange.keep, reply, abandon_on_cancel=True)
    return False


def _passed_on(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
