"""The memory as an MCP server."""

from memgpt.server.mcp.server import Mode, create_server

__all__ = ["Mode", "create_server"]
