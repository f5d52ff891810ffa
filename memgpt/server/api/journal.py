"""The outermost layer: request ids, metrics, the access log, the audit log."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memgpt.server.api.metrics import Metrics
from memgpt.server.api.problems import Refused, refuse
from memgpt.server.service import Service

access = logging.getLogger("memgpt.access")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Journal:
    """ASGI middleware around everything: what came, what was answered, how long it took."""

    def __init__(self, app: ASGIApp, *, service: Service, metrics: Metrics, head_bytes: int) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics
        self._head_bytes = head_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            self._check(scope)
            await self._app(scope, receive, exchange.send)
        except Refused as refused:
            await refuse(refused, scope, receive, exchange.send)
        finally:
            self._note(exchange)

    def _check(self, scope: Scope) -> None:
        """Others would replace what they cannot read, and take two addresses for one."""
        try:
            unquote_to_bytes(scope.get("raw_path") or b"").decode()
            unquote_to_bytes(scope["query_string"]).decode()
        except UnicodeDecodeError:
            raise Refused(400, "the address is not UTF-8") from None
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._head_bytes:
            raise Refused(431, f"the headers are larger than {self._head_bytes:,} bytes")

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
        wrote = status < 400 and method not in ("GET", "HEAD", "OPTIONS") and route != "unknown"
        if wrote or status == 403:
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
        self.started = time.perf_counter()
        self.status = 500
        own = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        self.request_id = own.decode() if _REQUEST_ID.fullmatch(own) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(b"x-request-id", self.request_id.encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*message.get("headers", []), *headers]}
        await self._send(message)


def _mounted(path: str) -> str:
    """Name an address that is no route of the API: the MCP endpoint, or one that does not exist."""
    return "/mcp" if path == "/mcp" or path.startswith("/mcp/") else "unknown"
