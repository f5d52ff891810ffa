"""MCP over streamable HTTP: who may connect, from where, with which key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from memgpt.errors import AccessError
from memgpt.mcp.door import token_of
from memgpt.service import Service

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class Endpoint:
    """An ASGI application for ``/mcp``. Host and Origin are checked first: a web page in somebody's browser must not
    reach a server on their machine under another name (DNS rebinding)."""

    def __init__(self, server: MCPServer, service: Service, *, hosts: Iterable[str] = ()) -> None:
        self._service = service
        names = [*LOOPBACK, *hosts]
        security = TransportSecuritySettings(
            allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
            allowed_origins=[
                f"{scheme}://{n}{port}" for n in names for scheme in ("http", "https") for port in ("", ":*")
            ],
        )
        self._security = TransportSecurityMiddleware(security)
        server.streamable_http_app(stateless_http=True, json_response=True, transport_security=security)
        self._manager = server.session_manager

    @property
    def manager(self) -> StreamableHTTPSessionManager:
        """Runs while the service does: ``async with endpoint.manager.run()``."""
        return self._manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refused = await self._security.validate_request(request, is_post=request.method == "POST")
        if refused is None:
            refused = await self._refused(request)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)

    async def _refused(self, request: Request) -> JSONResponse | None:
        token = token_of(request.headers.get("authorization"))
        try:
            caller = self._service.known_caller(token)
            if caller is None:
                caller = await run_in_threadpool(self._service.caller, token)
        except AccessError as error:
            headers = {"WWW-Authenticate": 'Bearer realm="memgpt"'}
            return JSONResponse({"title": "Unauthorized", "status": 401, "detail": str(error)}, 401, headers)
        if caller.key is not None:
            request.state.key_id = caller.key.key_id
        if wait := self._service.rates.wait(caller.key):
            headers = {"Retry-After": str(int(wait) + 1)}
            return JSONResponse({"title": "Too Many Requests", "status": 429}, 429, headers)
        return None
