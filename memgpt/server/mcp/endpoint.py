"""MCP over streamable HTTP. Keys, rates, names and origins are the edge's, as for every other address.

Any process answers any request, with a session or without, but for what a session is for: to be told of changes. In the
version of the protocol that has sessions they begin with ``initialize``; requests of one that this process does not
know, because it was restarted or is one of several, are answered without. Only its stream and its subscriptions are
refused then, which tells the client to begin a new one, and all of a session that its client has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

MOST_SESSIONS: Final = 1_000
"""Sessions of one process; further clients get none, and are answered all the same."""
IDLE: Final = 600.0
"""Seconds after which a session ends in which nothing is asked, and to which nobody listens."""
_EVERY: Final = 0.5
"""Seconds between two looks whether the service stops: streams would keep it from that."""
_ONLY_IN_SESSIONS: Final = frozenset(("resources/subscribe", "resources/unsubscribe"))
_ANSWERED_WITHOUT: Final = frozenset((404, 406, 503))
"""A session that is not known, a client that takes no streams, too many sessions."""


class Endpoint:
    """An ASGI application for ``/mcp``."""

    def __init__(self, server: MCPServer) -> None:
        self._alone = _manager(server, stateless_http=True, json_response=True)
        self._sessions = _manager(server, max_sessions=MOST_SESSIONS, session_idle_timeout=IDLE)
        self._ended: deque[str] = deque(maxlen=MOST_SESSIONS)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve meanwhile."""
        async with self._sessions.run(), self._alone.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        session = headers.get("mcp-session-id")
        version = headers.get("mcp-protocol-version")
        if (key := scope["state"]["caller"].key) is not None:  # a session is its key's
            scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=key.key_id, scopes=[]))
        if scope["method"] == "POST" and (version is None or version in HANDSHAKE_PROTOCOL_VERSIONS):
            body = await Request(scope, receive).body()
            await self._answer(_method(body), session, scope, lambda: _replaying(body, receive), send)
        elif scope["method"] == "GET" and session is None:
            words = "a stream belongs to a session, which begins with `initialize`"
            await PlainTextResponse(words, 405, {"Allow": "POST"})(scope, receive, send)
        elif scope["method"] == "GET" or headers.get("mcp-method") == "subscriptions/listen":
            await _until_stopped(scope, lambda send: self._sessions.handle_request(scope, receive, send), send)
        else:
            reply = _Reply(send)
            await self._sessions.handle_request(scope, receive, reply.send)
            if scope["method"] == "DELETE" and session is not None and reply.status == 200:
                self._ended.append(session)

    async def _answer(
        self, method: str | None, session: str | None, scope: Scope, receive: Callable[[], Receive], send: Send
    ) -> None:
        if session is not None or method == "initialize":
            final = method in _ONLY_IN_SESSIONS or session in self._ended
            reply = _Reply(send, () if final else _ANSWERED_WITHOUT)
            await self._sessions.handle_request(scope, receive(), reply.send)
            if reply.passed_on:
                return
        await self._alone.handle_request(scope, receive(), send)


class _Reply:
    """An answer that is passed on, unless its status is one after which another way is tried."""

    def __init__(self, send: Send, unless: Collection[int] = ()) -> None:
        self._send = send
        self._unless = unless
        self.status: int | None = None
        self.goes_on = False
        """Whether its body has begun, and not ended."""

    @property
    def passed_on(self) -> bool:
        return self.status not in self._unless

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.goes_on = message.get("more_body", message["type"] == "http.response.start")
        if self.passed_on:
            await self._send(message)


def _manager(server: MCPServer, **options: Any) -> StreamableHTTPSessionManager:
    checked_before = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(transport_security=checked_before, **options)
    return server.session_manager


def _method(body: bytes) -> str | None:
    """Return the method of a request; None where the body is none."""
    try:
        message = from_json(body)
    except ValueError:
        return None
    method = message.get("method") if isinstance(message, dict) else None
    return method if isinstance(method, str) else None


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Replay a body that was read already; after it, pass on what the connection says."""
    rest = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        return next(rest, None) or await receive()

    return replay


async def _until_stopped(scope: Scope, answer: Callable[[Send], Awaitable[None]], send: Send) -> None:
    """Answer by a stream, which has no end of its own, until the service stops."""
    stopping: Callable[[], bool] = scope["app"].state.stopping
    reply = _Reply(send)

    async def watch() -> None:
        while not stopping():
            await anyio.sleep(_EVERY)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await answer(reply.send)
        group.cancel_scope.cancel()
    if stopping() and reply.goes_on:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
