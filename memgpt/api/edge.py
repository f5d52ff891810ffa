"""The outermost layer: request ids, limits on body, time and concurrency, metrics, the access log, the audit log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memgpt.api import problems
from memgpt.api.telemetry import Metrics
from memgpt.service import Service

access = logging.getLogger("memgpt.access")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_PATIENT: Final = re.compile(r"/v1/chat/completions|/v1/agents/[^/]+/chat(?:/resume)?")
"""A model takes its time, and has a limit of its own."""
_UPLOAD: Final = re.compile(r"/v1/agents/[^/]+/(?:documents|jobs)/files")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process takes on; more is answered at once with what to do."""

    head_bytes: int = 16_384
    """Of all headers."""
    body_bytes: int = 10_000_000
    body_seconds: float = 20.0
    """For the body to arrive."""
    upload_bytes: int = 50_000_000
    upload_seconds: float = 120.0
    uploads: int = 4
    """At the same time: each is in memory."""
    depth: int = 64
    """Of brackets in a JSON body."""
    seconds: float = 30.0
    """For an answer to begin."""
    concurrency: int = 64
    """Requests at work at the same time."""


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, *, service: Service, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._service = service
        self._limits = limits
        self._metrics = metrics
        self._running = 0
        self._uploads = 0
        self._behind: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            await self._answer(exchange, receive)
        except _Refused as refused:
            answer = problems.response(refused.status, str(refused), request_id=exchange.request_id, path=exchange.path)
            await answer(scope, receive, exchange.send)
        finally:
            self._note(exchange)

    async def _answer(self, exchange: _Exchange, receive: Receive) -> None:
        if exchange.path.startswith("/health/"):
            await self._app(exchange.scope, receive, exchange.send)
            return
        if not _is_utf8(exchange.scope.get("raw_path") or b"") or not _is_utf8(exchange.scope["query_string"]):
            raise _Refused(400, "the address is not UTF-8")
        if sum(len(name) + len(value) for name, value in exchange.scope["headers"]) > self._limits.head_bytes:
            raise _Refused(431, f"the headers are larger than {self._limits.head_bytes:,} bytes")
        if self._running >= self._limits.concurrency:
            raise _Refused(503, "too many requests at the same time: try again in a moment")
        self._running += 1
        self._metrics.running = self._running
        task = asyncio.ensure_future(self._work(exchange, receive))
        task.add_done_callback(self._done)
        self._behind.add(task)
        begun = asyncio.ensure_future(exchange.begun.wait())
        try:
            seconds = None if exchange.patient else self._limits.seconds
            await asyncio.wait({task, begun}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not exchange.begun.is_set():
                exchange.answer_late = True
                raise _Refused(503, f"no answer within {self._limits.seconds:g} s: try again")
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            begun.cancel()

    async def _work(self, exchange: _Exchange, receive: Receive) -> None:
        limits = self._limits
        if not exchange.upload:
            body = await self._body(exchange, receive, limits.body_bytes, limits.body_seconds)
            if _too_deep(body, limits.depth):
                raise _Refused(400, f"the JSON is nested deeper than {limits.depth} levels")
            await self._app(exchange.scope, _replaying(body, receive), exchange.send_unless_late)
            return
        if self._uploads >= limits.uploads:
            raise _Refused(503, "too many uploads at the same time: try again in a moment")
        self._uploads += 1
        try:
            body = await self._body(exchange, receive, limits.upload_bytes, limits.upload_seconds)
            await self._app(exchange.scope, _replaying(body, receive), exchange.send_unless_late)
        finally:
            self._uploads -= 1

    def _done(self, task: asyncio.Task[None]) -> None:
        self._behind.discard(task)
        self._running -= 1
        self._metrics.running = self._running
        if not task.cancelled():
            task.exception()

    async def _body(self, exchange: _Exchange, receive: Receive, most: int, seconds: float) -> bytes:
        length = exchange.header(b"content-length") or b"0"
        if not length.isdigit() or int(length) > most:
            raise _Refused(413, f"the body is larger than {most:,} bytes: send it in parts")
        chunks, size = [], 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refused(400, "the body ended early")
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > most:
                        raise _Refused(413, f"the body is larger than {most:,} bytes: send it in parts")
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise _Refused(408, f"the body did not arrive within {seconds:g} s") from None
        return b"".join(chunks)

    def _note(self, exchange: _Exchange) -> None:
        state = exchange.scope["state"]
        route = getattr(exchange.scope.get("route"), "path", None) or _mounted(exchange.path)
        method = exchange.scope["method"] if exchange.scope["method"] in _METHODS else "other"
        status, seconds = exchange.status, time.perf_counter() - exchange.started
        self._metrics.answered(method, route, status, seconds)
        client = (exchange.scope.get("client") or ("", 0))[0]
        key_id, agent_id = state.get("key_id"), state.get("agent_id")
        access.info(
            "%s",
            json.dumps(
                {
                    "request_id": exchange.request_id,
                    "method": method,
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "key_id": key_id,
                    "agent_id": agent_id,
                    "client": client,
                }
            ),
        )
        if exchange.path.startswith("/health/"):
            return
        if status in (401, 403) or (status < 500 and method not in ("GET", "HEAD", "OPTIONS") and route != "unknown"):
            self._service.audit.add(
                request_id=exchange.request_id,
                key_id=key_id,
                agent_id=agent_id,
                action=f"{method} {route}",
                status=status,
                client=client,
            )


class _Exchange:
    """One request and the answer to it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.upload = scope["method"] == "POST" and _UPLOAD.fullmatch(self.path) is not None
        self.patient = self.upload or _PATIENT.fullmatch(self.path) is not None
        self.started = time.perf_counter()
        self.begun = asyncio.Event()
        self.answer_late = False
        self.status = 500
        given = self.header(b"x-request-id") or b""
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._send = send

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.scope["headers"] if key == name), None)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(b"x-request-id", self.request_id.encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*message.get("headers", []), *headers]}
            self.begun.set()
        await self._send(message)

    async def send_unless_late(self, message: Message) -> None:
        if not self.answer_late:
            await self.send(message)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """A body that was read already; after it, what the connection says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_deep(body: bytes, most: int) -> bool:
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    depth = 0
    for token in _BRACKETS.finditer(body):
        first = token[0][0]
        if first in b"[{":
            depth += 1
            if depth > most:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _is_utf8(address: bytes) -> bool:
    """Others would replace what they cannot read, and take two addresses for one."""
    try:
        unquote_to_bytes(address).decode()
    except UnicodeDecodeError:
        return False
    return True


def _mounted(path: str) -> str:
    """What is not a route of the API: the MCP endpoint, or an address that does not exist."""
    return "/mcp" if path == "/mcp" or path.startswith("/mcp/") else "unknown"
