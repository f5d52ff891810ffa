"""A server whose tools refuse arguments they do not have: a misspelt one would otherwise be lost silently. Models read
the list of tools before every conversation: its schemas are as short as they can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from anyio import to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult, Resource, Tool


class StrictServer(MCPServer):
    """The SDK's server, as strict about names as the library is."""

    _also_listed: Callable[[], Sequence[Resource]] | None = None

    def also_lists(self, listed: Callable[[], Sequence[Resource]]) -> None:
        """List resources beside those of fixed addresses, as they are at the moment; it may ask the database."""
        self._also_listed = listed

    async def list_resources(self) -> list[Resource]:
        fixed = await super().list_resources()
        return fixed if self._also_listed is None else [*fixed, *await to_thread.run_sync(self._also_listed)]

    async def list_tools(self) -> list[Tool]:
        return [
            tool.model_copy(
                update={
                    "description": inspect.cleandoc(tool.description or "").replace("\n", " "),
                    "input_schema": {**_lean(tool.input_schema), "additionalProperties": False},
                    "output_schema": tool.output_schema and _lean(tool.output_schema),
                }
            )
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


def _lean(schema: Any) -> Any:
    """Return a JSON schema without what a model does without: titles made of names, defaults that are nothing, null for
    what can be left out (it is still accepted), and bounds (a refusal names them)."""
    if isinstance(schema, list):
        return [_lean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    lean = {key: _lean(value) for key, value in schema.items() if not _needless(key, value)}
    match lean.pop("anyOf", None):
        case None:
            return lean
        case [dict() as only, {"type": "null"}]:
            return only | lean
        case several:
            return lean | {"anyOf": [part for part in several if part != {"type": "null"}]}


def _needless(key: str, value: Any) -> bool:
    if isinstance(value, dict):  # an argument of that name
        return False
    if key in ("title", "minimum", "maximum"):
        return True
    return (key == "default" and not value) or (key, value) == ("additionalProperties", True)
