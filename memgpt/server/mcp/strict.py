"""A server whose tools refuse arguments they do not have: a misspelt one would otherwise be lost silently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult, Tool


class StrictServer(MCPServer):
    """The SDK's server, as strict about names as the library is."""

    async def list_tools(self) -> list[Tool]:
        return [
            tool.model_copy(update={"input_schema": {**tool.input_schema, "additionalProperties": False}})
            for tool in await super().list_tools()
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        for tool in await self.list_tools():
            if tool.name == name and (words := _unknown(arguments, tool.input_schema.get("properties", {}))):
                raise ToolError(f"{name} {words}")
        return await super().call_tool(name, arguments, context)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        for prompt in await self.list_prompts():
            if prompt.name == name and (words := _unknown(arguments or {}, [a.name for a in prompt.arguments or ()])):
                raise MCPError(INVALID_PARAMS, f"{name} {words}")
        return await super().get_prompt(name, arguments, context)


def _unknown(arguments: Iterable[str], accepted: Iterable[str]) -> str | None:
    """Describe unknown names among arguments; None if there are none."""
    names = list(accepted)
    for argument in arguments:
        if argument not in names:
            return f"has no argument {argument!r}: it has {', '.join(names) or 'none'}"
    return None
