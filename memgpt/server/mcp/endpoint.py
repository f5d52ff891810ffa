"""MCP over streamable HTTP. Keys, rates, names and origins are the edge's, as for every other address."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send


class Endpoint:
    """An ASGI application for ``/mcp``."""

    def __init__(self, server: MCPServer) -> None:
        checked_before = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(stateless_http=True, json_response=True, transport_security=checked_before)
        self._manager = server.session_manager

    @property
    def manager(self) -> StreamableHTTPSessionManager:
        """Runs while the service does: ``async with endpoint.manager.run()``."""
        return self._manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and self._manager.stateless:  # a stream on which nothing would ever come
            refused = PlainTextResponse("this server has nothing to tell by itself: use POST", 405, {"Allow": "POST"})
            await refused(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)
