"""What the conformance suite asks of servers whose tools need input of the client, by the version 2026-07-28.

An answer names what is needed, and the call is made again with it. Never shipped; ours need none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    InputRequiredResult,
    MissingRequiredClientCapabilityErrorData,
)

FIXTURE = "For the conformance suite."
Ask = dict[str, Any]


def form(message: str, name: str, kind: str = "string") -> Ask:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def words(text: str, most: int) -> Ask:
    messages = [{"role": "user", "content": {"type": "text", "text": text}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


ROOTS: Ask = {"method": "roots/list", "params": {}}
NAME = form("What is your name?", "name")
CAPITAL = words("What is the capital of France?", 100)
ASKED: Mapping[str, Sequence[Mapping[str, Ask]]] = {
    "elicitation": [{"user_name": NAME}],
    "sampling": [{"capital_question": CAPITAL}],
    "list_roots": [{"client_roots": ROOTS}],
    "request_state": [{"confirm": form("Please confirm", "ok", "boolean")}],
    "multiple_inputs": [{"user_name": NAME, "greeting": words("Generate a greeting", 50), "client_roots": ROOTS}],
    "multi_round": [
        {"step1": form("Step 1: What is your name?", "name")},
        {"step2": form("Step 2: What is your favorite color?", "color")},
    ],
    "tampered_state": [{"confirm": form("Please confirm", "ok", "boolean")}],
}
"""By the end of a tool's name: what it asks in each round."""
STATELESS = ("elicitation", "sampling", "list_roots")


def offer(server: MCPServer) -> None:
    """Register the tools and the prompt."""
    for name, rounds in ASKED.items():
        server.tool(name=f"test_input_required_result_{name}", description=FIXTURE)(_tool(rounds, name in STATELESS))

    @server.tool(description=FIXTURE)
    def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> str | InputRequiredResult:
        declared = ctx.client_capabilities
        able = {"user_name": NAME} if declared and declared.elicitation else {}
        able |= {"capital_question": CAPITAL} if declared and declared.sampling else {}
        return str(ctx.input_responses) if ctx.input_responses else _required(able)

    @server.tool(description=FIXTURE)
    def test_missing_capability(ctx: Context[Any, Any]) -> str:
        if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
            needed = MissingRequiredClientCapabilityErrorData.model_validate({"requiredCapabilities": {"sampling": {}}})
            data = needed.model_dump(by_alias=True, exclude_none=True)
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "the tool needs sampling", data)
        return "sampling is declared"

    @server.prompt(description=FIXTURE)
    def test_input_required_result_prompt(ctx: Context[Any, Any]) -> list[UserMessage] | InputRequiredResult:
        if not ctx.input_responses:
            return _required({"user_context": form("What context should the prompt use?", "context")})
        return [UserMessage(f"Use {ctx.input_responses}")]


def _tool(rounds: Sequence[Mapping[str, Ask]], stateless: bool) -> Callable[..., Any]:
    def answer(ctx: Context[Any, Any]) -> str | InputRequiredResult:
        at = int(ctx.request_state or 0)  # the SDK seals it
        given = ctx.input_responses or {}
        if given and not all(name in given for name in rounds[at]) and not stateless:
            raise MCPError(INVALID_PARAMS, "an answer is missing")
        if all(name in given for name in rounds[at]):
            at += 1
        if at == len(rounds):
            return f"state-ok: {given}"
        return _required(rounds[at], None if stateless else str(at))

    return answer


def _required(asked: Mapping[str, Ask], state: str | None = None) -> InputRequiredResult:
    return InputRequiredResult.model_validate({"inputRequests": asked, "requestState": state})
