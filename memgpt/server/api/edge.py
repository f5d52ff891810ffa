"""The edge: a request's key is checked by its head, then its rate is counted, then the body is read; only a whole
request takes a place among those at work. Strangers are never waited for, and hold nothing."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memgpt.errors import MemgptError
from memgpt.server.api import documentation, problems, segments
from memgpt.server.api.intake import Intake, JsonShape
from memgpt.server.api.metrics import Metrics
from memgpt.server.api.problems import Refused, refuse
from memgpt.server.service import Caller, Service, token_of
from memgpt.server.shares import Pool

_PUBLIC: Final = documentation.ADDRESSES | {"/openapi.json"}
_UPLOAD: Final = re.compile(r"(?:/v1)?/agents/[^/]+/(?:documents|jobs)/files")
_CHAT: Final = re.compile(r"/v1/(?:chat/completions|responses|messages)|(?:/v1)?/agents/[^/]+/chat(?:/resume)?")
_STREAM: Final = re.compile(r"(?:/v1)?/agents/[^/]+/jobs/[^/]+/events")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of one process; beyond them a request is refused at once, with what to do."""

    head_bytes: int = 16_384
    """Of all headers."""
    body_bytes: int = 10_000_000
    body_seconds: float = 20.0
    """For the body to arrive."""
    upload_bytes: int = 50_000_000
    upload_seconds: float = 120.0
    quiet_seconds: float = 10.0
    """Between two pieces of a body."""
    arriving_bytes: int = 128_000_000
    """Of the bodies of all requests, from their first byte to the answer."""
    depth: int = 64
    """Of brackets in a JSON body."""
    values: int = 100_000
    """Objects, lists and names in a JSON body."""
    seconds: float = 30.0
    """For an answer to begin, where no model is asked."""
    concurrency: int = 64
    """Requests at work at the same time."""
    uploads: int = 4
    """At the same time: each is in memory."""
    chats: int = 32
    """Turns with a model at the same time."""
    streams: int = 32
    """Of a job's progress, at the same time."""
    listeners: int = 512
    """Clients of MCP that wait to be told of changes, at the same time: between two they cost nothing."""


class EdgeMiddleware:
    """ASGI middleware in front of the routes."""

    LEAST_BODY: Final = 65_536
    """Bytes counted for any body: a connection costs something too."""
    LOOKUPS: Final = 4
    """Keys looked up in the database at the same time, by threads of their own."""

    def __init__(self, app: ASGIApp, *, service: Service, limits: ServerLimits, metrics: Metrics) -> None:
        self._app = app
        self._service = service
        self._limits = limits
        self._metrics = metrics
        self._work = Pool("requests", limits.concurrency)
        self._uploads = Pool("uploads", limits.uploads)
        self._chats = Pool("turns with a model", limits.chats)
        self._streams = Pool("streams", limits.streams)
        self._listeners = Pool("listeners", limits.listeners)
        self._arriving = Pool("bytes", max(limits.arriving_bytes, 4 * limits.body_bytes))
        self._bodies = Intake(most=limits.body_bytes, seconds=limits.body_seconds, quiet_seconds=limits.quiet_seconds)
        self._files = Intake(
            most=limits.upload_bytes, seconds=limits.upload_seconds, quiet_seconds=limits.quiet_seconds
        )
        self._lookups: CapacityLimiter | None = None
        self._behind: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope, receive, send)
        except Refused as refused:
            await refuse(refused, scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["path"] in _PUBLIC:
            await self._app(scope, _nothing, send)
            return
        caller = scope["state"].get("caller")  # of the console, by its cookie
        if caller is None:
            caller = scope["state"]["caller"] = await self._caller(headers)
        if caller.key is not None:
            scope["state"]["key_id"] = caller.key.key_id
        if wait := self._service.rates.wait(caller.key):
            raise Refused(429, "too many requests with this key: try again later", seconds=wait)
        holders = _holders(scope, headers, caller)
        with ExitStack() as places:
            body = await self._read(scope, headers, receive, holders, places)
            pool, patient = self._pool(scope)
            if pool is not self._uploads:
                places.enter_context(pool.place(holders))
            self._count()
            await self._answer(scope, _replaying(body, receive), send, patient, places.pop_all())

    async def _caller(self, headers: Headers) -> Caller:
        """By the key in the head; usually known without a question to the database."""
        token = token_of(headers.get("authorization"), headers.get("x-api-key"))
        if (caller := self._service.known_caller(token)) is not None:
            return caller
        if self._lookups is None:  # it belongs to the loop
            self._lookups = CapacityLimiter(self.LOOKUPS)
        try:
            return await anyio.to_thread.run_sync(self._service.caller, token, limiter=self._lookups)
        except MemgptError as error:
            raise Refused(problems.status_of(error), problems.detail_of(error)) from error

    def _pool(self, scope: Scope) -> tuple[Pool, bool]:
        """Return the pool a request works in, and whether its answer may take any time."""
        method, path = scope["method"], scope["path"]
        if method == "POST" and _UPLOAD.fullmatch(path):
            return self._uploads, False
        if method == "POST" and _CHAT.fullmatch(path):
            return self._chats, True
        if method == "GET" and _STREAM.fullmatch(path):
            return self._streams, False
        if path == "/mcp" and (method == "GET" or Headers(scope=scope).get("mcp-method") == "subscriptions/listen"):
            return self._listeners, False
        return self._work, False

    async def _read(
        self, scope: Scope, headers: Headers, receive: Receive, holders: tuple[str, ...], places: ExitStack
    ) -> bytes:
        """Read the body. An upload takes its place before it arrives: that is what the place is for."""
        upload = self._pool(scope)[0] is self._uploads
        intake = self._files if upload else self._bodies
        size = intake.size(headers.get("content-length"), "transfer-encoding" in headers)
        if size == 0:
            return b""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        form = _UPLOAD.fullmatch(scope["path"]) is not None  # by the address: with another method it is a 405
        wanted = scope["state"].get("body_kind") or ("multipart/form-data" if form else "application/json")
        if kind != wanted:
            raise Refused(415, f"the body must be {wanted}")
        if upload:
            places.enter_context(self._uploads.place(holders))
            return await intake.read(receive, None)
        places.enter_context(self._arriving.place(holders, max(size, self.LEAST_BODY)))
        is_json = wanted == "application/json"  # a form's brackets are its texts'
        shape = JsonShape(depth=self._limits.depth, values=self._limits.values) if is_json else None
        return await intake.read(receive, shape)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, patient: bool, places: ExitStack) -> None:
        """Wait for the answer to begin. Work that goes on after it was late holds its place until its end."""
        answer = _Answer(send)
        task = asyncio.ensure_future(self._app(scope, receive, answer.send))
        self._behind.add(task)
        task.add_done_callback(lambda _: places.close())
        task.add_done_callback(self._done)
        begun = asyncio.ensure_future(answer.begun.wait())
        try:
            seconds = None if patient else self._limits.seconds
            await asyncio.wait({task, begun}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not answer.begun.is_set():
                answer.late = True
                raise Refused(503, f"no answer within {self._limits.seconds:g} s: try again")
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            begun.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._behind.discard(task)
        self._count()
        if not task.cancelled():
            task.exception()

    def _count(self) -> None:
        self._metrics.running = sum(pool.taken for pool in (self._work, self._uploads, self._chats, self._streams))


class _Answer:
    """The answer to one request, unless it comes too late."""

    def __init__(self, send: Send) -> None:
        self.begun = asyncio.Event()
        self.late = False
        self._send = send

    async def send(self, message: Message) -> None:
        if not self.late:
            self.begun.set()
            await self._send(message)


def _holders(scope: Scope, headers: Headers, caller: Caller) -> tuple[str, ...]:
    """Whose shares a request takes from: the key's and the agent's."""
    agent = _agent(scope, headers, caller)
    names = () if caller.key is None else (f"key {caller.key.key_id}",)
    return names if agent is None else (*names, f"agent {agent}")


def _agent(scope: Scope, headers: Headers, caller: Caller) -> str | None:
    if "agent_id" in scope["state"]:
        return str(scope["state"]["agent_id"])
    parts = scope["path"].split("/", 4)
    if parts[1:3] == ["v1", "agents"]:
        return segments.decoded(parts[3]) if len(parts) > 3 else None
    named = parse_qs(scope["query_string"].decode("latin-1")).get("agent", [None])[0]
    return headers.get("memgpt-agent") or named or caller.only_agent


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Replay a body that was read already; after it, pass on what the connection says."""
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
