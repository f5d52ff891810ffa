"""What the official MCP conformance suite asks of a server, offered beside our own tools. Never shipped.

Names, texts and shapes are the suite's (`npx @modelcontextprotocol/conformance list --server`).
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.types import (
    AudioContent,
    Completion,
    ContentBlock,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    JSONRPCMessage,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from memgpt.server.mcp.endpoint import Endpoint

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
PAUSE = 0.05
FIXTURE = "For the conformance suite."


class Events(EventStore):
    """Events of all streams, so that a client that was cut off gets what it missed."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        last = int(last_event_id)
        stream = self._events[last - 1][0]
        for number, (of, message) in enumerate(self._events[last:], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def offer(server: MCPServer) -> None:
    """Register the suite's tools, resources and prompts."""
    _offer_contents(server)
    _offer_conversations(server)
    _offer_elicitations(server)
    _offer_schema(server)
    _offer_resources(server)
    _offer_prompts(server)
    _offer_requests(server)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _image() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _offer_contents(server: MCPServer) -> None:
    @server.tool(description=FIXTURE)
    def test_simple_text() -> str:
        return "This is a simple text response for testing."

    @server.tool(description=FIXTURE)
    def test_image_content() -> list[ContentBlock]:
        return [_image()]

    @server.tool(description=FIXTURE)
    def test_audio_content() -> list[ContentBlock]:
        return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]

    @server.tool(description=FIXTURE)
    def test_embedded_resource() -> list[ContentBlock]:
        return [_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @server.tool(description=FIXTURE)
    def test_multiple_content_types() -> list[ContentBlock]:
        mixed = _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
        return [_text("Multiple content types test:"), _image(), mixed]

    @server.tool(description=FIXTURE)
    def test_error_handling() -> str:
        raise RuntimeError("This tool intentionally returns an error for testing")


def _offer_conversations(server: MCPServer) -> None:
    @server.tool(description=FIXTURE)
    async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
        for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(words)
            await anyio.sleep(PAUSE)
        return "Logged three times"

    @server.tool(description=FIXTURE)
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await anyio.sleep(PAUSE)
        return "Reported three times"

    @server.tool(description=FIXTURE)
    async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
        asked = [SamplingMessage(role="user", content=_text(prompt))]
        answer = await ctx.session.create_message(messages=asked, max_tokens=100)
        return f"LLM response: {getattr(answer.content, 'text', '')}"

    @server.tool(description=FIXTURE)
    async def test_reconnection(ctx: Context[Any, Any]) -> str:
        await ctx.close_sse_stream()
        await anyio.sleep(PAUSE * 4)  # the client comes back meanwhile
        return "Answered after the stream was closed"


class Response(BaseModel):
    response: Annotated[str, Field(description="User's response")]


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def _titled(**titles: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in titles.items()]


class Choices(BaseModel):
    untitledSingle: Annotated[str, Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})]
    titledSingle: Annotated[
        str, Field(json_schema_extra={"oneOf": _titled(value1="First Option", value2="Second Option")})
    ]
    legacyEnum: Annotated[
        str, Field(json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]})
    ]
    untitledMulti: Annotated[
        list[str], Field(json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2", "option3"]}})
    ]
    titledMulti: Annotated[
        list[str],
        Field(json_schema_extra={"items": {"anyOf": _titled(value1="First Choice", value2="Second Choice")}}),
    ]


def _offer_elicitations(server: MCPServer) -> None:
    async def asked(ctx: Context[Any, Any], message: str, schema: type[BaseModel]) -> str:
        result = await ctx.elicit(message, schema)
        content = result.data.model_dump() if result.action == "accept" else {}
        return f"action={result.action}, content={json.dumps(content)}"

    @server.tool(description=FIXTURE)
    async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
        return f"User response: {await asked(ctx, message, Response)}"

    @server.tool(description=FIXTURE)
    async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
        return f"Elicitation completed: {await asked(ctx, 'Review the form', Defaults)}"

    @server.tool(description=FIXTURE)
    async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
        return f"Elicitation completed: {await asked(ctx, 'Choose', Choices)}"


def _offer_schema(server: MCPServer) -> None:
    """A schema is made from a function's types; this one is to be listed as it is written."""

    @server.tool(description=FIXTURE)
    def json_schema_2020_12_tool(name: str = "") -> str:
        return name

    tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert tool is not None
    texts = {name: {"type": "string"} for name in ("street", "city", "name", "phone", "email")}
    street = {"type": "object", "properties": {name: texts[name] for name in ("street", "city")}}
    tool.parameters = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef"} | street},
        "properties": {
            **{name: texts[name] for name in ("name", "phone", "email")},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }


def _offer_resources(server: MCPServer) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        return "Nothing changed"

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _offer_prompts(server: MCPServer) -> None:
    @server.prompt(description=FIXTURE)
    def test_simple_prompt() -> list[Message]:
        return [UserMessage("This is a simple prompt for testing.")]

    @server.prompt(description=FIXTURE)
    def test_prompt_with_arguments(arg1: str, arg2: str) -> list[Message]:
        return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]

    @server.prompt(description=FIXTURE)
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:
        embedded = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(embedded), UserMessage("Please process the embedded resource above.")]

    @server.prompt(description=FIXTURE)
    def test_prompt_with_image() -> list[Message]:
        return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


def _offer_requests(server: MCPServer) -> None:
    """Requests our server has no use for; the SDK takes their handlers below its decorators only."""

    async def accepted(*_: Any) -> EmptyResult:
        return EmptyResult()

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def completed(*_: Any) -> Completion:
        return Completion(values=[], total=0, has_more=False)

    low = server._lowlevel_server
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, accepted)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, accepted)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accepted)


def resume_streams(endpoint: Endpoint, server: MCPServer) -> None:
    """Let the endpoint keep events and close streams early, as servers do whose tools work for long."""
    security = endpoint._sessions.security_settings
    server.streamable_http_app(event_store=Events(), retry_interval=100, transport_security=security)
    endpoint._sessions = server.session_manager
