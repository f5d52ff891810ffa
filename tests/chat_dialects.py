"""What a model's answer looks like in the streaming protocols of OpenAI (two), Anthropic, Google, Cohere, Bedrock."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
CallId = Callable[[], str]

PIECE = 200
"""Characters of a text that are sent at once."""


@dataclass(frozen=True)
class Say:
    """An answer: text, tool calls, why it ended."""

    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    """(name, arguments); arguments that are a text are sent as they are."""
    finish: str | None = None
    refusal: str | None = None
    input_tokens: int = 10
    output_tokens: int = 5
    model: str | None = None
    """The name it answers under, else the one it was asked by."""
    id: str = "r"
    """What a response of OpenAI's is called."""


@dataclass(frozen=True)
class Dialect:
    """One protocol: the events of an answer, those that end it apart; and events that go wrong."""

    events: Callable[[Json, Say, CallId], tuple[list[bytes], list[bytes]]]
    garbage: bytes
    error: bytes
    media_type: str = "text/event-stream"
    whole: Callable[[Json, Say, CallId], Json] | None = None
    """The answer to a request that does not stream."""


def dialect(path: str) -> Dialect:
    """The protocol an address belongs to."""
    if path.startswith("/v1/chat/completions"):
        return OPENAI
    if path.startswith("/v1/responses"):
        return RESPONSES
    if path.startswith("/v1/messages"):
        return ANTHROPIC
    if ":streamGenerateContent" in path:
        return GOOGLE
    if path.startswith("/v2/chat"):
        return COHERE
    if path.endswith("/converse-stream"):
        return BEDROCK
    raise LookupError(f"nobody speaks at {path}")


def _pieces(text: str, size: int = PIECE) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _arguments(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _data(event: Json) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


def _openai(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": say.model or request["model"]}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        return _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    said = [chunk({"role": "assistant", "refusal": say.refusal})] if say.refusal is not None else []
    said += [chunk({"role": "assistant", "content": piece}) for piece in _pieces(say.text)]
    for n, (name, arguments) in enumerate(say.calls):
        function = {"name": name, "arguments": ""}
        said.append(chunk({"tool_calls": [{"index": n, "id": call_id(), "type": "function", "function": function}]}))
        for piece in _pieces(_arguments(arguments), 15):
            said.append(chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}))
    usage = {
        "prompt_tokens": say.input_tokens,
        "completion_tokens": say.output_tokens,
        "total_tokens": say.input_tokens + say.output_tokens,
    }
    ended = chunk({}, say.finish or ("tool_calls" if say.calls else "stop"))
    return said, [ended, _data({**head, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]


def _typed(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _responses(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    head = {"id": say.id, "object": "response", "created_at": 1, "model": say.model or request["model"]}
    head |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    begun: Json = {**head, "status": "in_progress", "output": []}
    events: list[Json] = [{"type": "response.created", "response": begun}]
    output: list[Json] = []

    def item(begun: Json, ended: Json, *between: Json) -> None:
        at = {"output_index": len(output)}
        events.append({"type": "response.output_item.added", "item": begun, **at})
        events.extend({"item_id": begun["id"], **at, **event} for event in between)
        events.append({"type": "response.output_item.done", "item": {**begun, **ended}, **at})
        output.append({**begun, **ended})

    text = say.refusal or say.text
    if text:
        kind = "refusal" if say.refusal else "output_text"
        part = {"type": kind, "refusal": text} if say.refusal else {"type": kind, "text": text, "annotations": []}
        first = {"content_index": 0, "type": f"response.{kind}.delta", "logprobs": []}
        empty = {**part, "refusal" if say.refusal else "text": ""}
        item(
            {"type": "message", "id": f"m{say.id}", "role": "assistant", "status": "in_progress", "content": []},
            {"status": "completed", "content": [part]},
            {"type": "response.content_part.added", "content_index": 0, "part": empty},
            *({**first, "delta": piece} for piece in _pieces(text)),
        )
    for name, arguments in say.calls:
        id, given = call_id(), _arguments(arguments)
        item(
            {"type": "function_call", "id": f"f{id}", "call_id": id, "name": name, "arguments": ""},
            {"status": "completed", "arguments": given},
            *({"type": "response.function_call_arguments.delta", "delta": piece} for piece in _pieces(given, 15)),
        )
    usage = {
        "input_tokens": say.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": say.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": say.input_tokens + say.output_tokens,
    }
    ended = {
        "type": "response.completed",
        "response": {**head, "status": "completed", "output": output, "usage": usage},
    }
    numbered = [_typed({**event, "sequence_number": n}) for n, event in enumerate([*events, ended])]
    return numbered[:-1], numbered[-1:]


def _anthropic(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    usage = {"input_tokens": say.input_tokens, "output_tokens": 1}
    message: Json = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": say.model or request["model"],
        "content": [],
    }
    said = [_typed({"type": "message_start", "message": {**message, "usage": usage, "stop_reason": None}})]
    blocks: list[tuple[Json, list[Json]]] = []
    if say.text:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in _pieces(say.text)]))
    for name, arguments in say.calls:
        deltas = [{"type": "input_json_delta", "partial_json": t} for t in _pieces(_arguments(arguments), 15)]
        blocks.append(({"type": "tool_use", "id": call_id(), "name": name, "input": {}}, deltas))
    for n, (block, deltas) in enumerate(blocks):
        said.append(_typed({"type": "content_block_start", "index": n, "content_block": block}))
        said += [_typed({"type": "content_block_delta", "index": n, "delta": delta}) for delta in deltas]
        said.append(_typed({"type": "content_block_stop", "index": n}))
    reason = say.finish or ("refusal" if say.refusal else "tool_use" if say.calls else "end_turn")
    ended = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": say.output_tokens}}
    return said, [_typed(ended), _typed({"type": "message_stop"})]


def _google(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    def chunk(parts: list[Json], **more: Any) -> bytes:
        return _data({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}]})

    said = [chunk([{"text": piece}]) for piece in _pieces(say.text)]
    said += [chunk([{"functionCall": {"id": call_id(), "name": name, "args": args}}]) for name, args in say.calls]
    usage = {"promptTokenCount": say.input_tokens, "candidatesTokenCount": say.output_tokens}
    ended = {"candidates": [{"content": {"role": "model", "parts": []}, "index": 0, "finishReason": "STOP"}]}
    return said, [_data({**ended, "usageMetadata": usage, "modelVersion": "scripted"})]


def _cohere(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    said = [_typed({"type": "message-start", "id": "m", "delta": {"message": {"role": "assistant"}}})]

    def part(kind: str, message: Json | None = None, index: int = 0) -> None:
        said.append(_typed({"type": kind, "index": index} | ({"delta": {"message": message}} if message else {})))

    if say.text:
        part("content-start", {"content": {"type": "text", "text": ""}})
        for piece in _pieces(say.text):
            part("content-delta", {"content": {"text": piece}})
        part("content-end")
    for n, (name, arguments) in enumerate(say.calls):
        function = {"name": name, "arguments": ""}
        part("tool-call-start", {"tool_calls": {"id": call_id(), "type": "function", "function": function}}, n)
        part("tool-call-delta", {"tool_calls": {"function": {"arguments": _arguments(arguments)}}}, n)
        part("tool-call-end", None, n)
    counted = {"input_tokens": say.input_tokens, "output_tokens": say.output_tokens}
    reason = say.finish or ("TOOL_CALL" if say.calls else "COMPLETE")
    ended = {"finish_reason": reason, "usage": {"billed_units": counted, "tokens": counted}}
    return said, [_typed({"type": "message-end", "id": "m", "delta": ended})]


def _framed(event: str, content: Json) -> bytes:
    """One message of ``application/vnd.amazon.eventstream``."""

    def header(name: str, value: str) -> bytes:
        return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()

    headers = b"".join(
        header(name, value)
        for name, value in [(":message-type", "event"), (":event-type", event), (":content-type", "application/json")]
    )
    payload = json.dumps(content).encode()
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _bedrock(request: Json, say: Say, call_id: CallId) -> tuple[list[bytes], list[bytes]]:
    said = [_framed("messageStart", {"role": "assistant"})]
    for piece in _pieces(say.text):
        said.append(_framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}))
    if say.text:
        said.append(_framed("contentBlockStop", {"contentBlockIndex": 0}))
    for n, (name, arguments) in enumerate(say.calls, 1):
        start = {"toolUse": {"toolUseId": call_id(), "name": name}}
        delta = {"toolUse": {"input": _arguments(arguments)}}
        said.append(_framed("contentBlockStart", {"contentBlockIndex": n, "start": start}))
        said.append(_framed("contentBlockDelta", {"contentBlockIndex": n, "delta": delta}))
        said.append(_framed("contentBlockStop", {"contentBlockIndex": n}))
    usage = {
        "inputTokens": say.input_tokens,
        "outputTokens": say.output_tokens,
        "totalTokens": say.input_tokens + say.output_tokens,
    }
    ended = _framed("messageStop", {"stopReason": say.finish or ("tool_use" if say.calls else "end_turn")})
    return said, [ended, _framed("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]


def _openai_whole(_request: Json, say: Say, call_id: CallId) -> Json:
    calls = [
        {
            "id": call_id(),
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for name, given in say.calls
    ]
    message = {"role": "assistant", "content": say.text or None, "refusal": say.refusal}
    choice = {
        "index": 0,
        "message": {**message, **({"tool_calls": calls} if calls else {})},
        "finish_reason": say.finish or ("tool_calls" if calls else "stop"),
    }
    usage = {
        "prompt_tokens": say.input_tokens,
        "completion_tokens": say.output_tokens,
        "total_tokens": say.input_tokens + say.output_tokens,
    }
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": say.model or "scripted"}
    return {**whole, "choices": [choice], "usage": usage}


def _responses_whole(request: Json, say: Say, call_id: CallId) -> Json:
    _, [last] = _responses(request, say, call_id)
    whole: Json = json.loads(last.split(b"data: ")[1])["response"]
    return whole


def _anthropic_whole(request: Json, say: Say, call_id: CallId) -> Json:
    calls = [{"type": "tool_use", "id": call_id(), "name": name, "input": given} for name, given in say.calls]
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": say.model or request["model"],
        "content": [*([{"type": "text", "text": say.text}] if say.text else []), *calls],
        "stop_reason": say.finish or ("tool_use" if calls else "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": say.input_tokens, "output_tokens": say.output_tokens},
    }


_NO_JSON = b'data: {"choices": [{"delta"\n\n'
_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "code": 503}}

_FAILED = _data({"error": {"message": "Overloaded", "type": "server_error", "code": None}})
OPENAI = Dialect(_openai, _NO_JSON, _FAILED, whole=_openai_whole)
RESPONSES = Dialect(
    _responses,
    b"event: response.output_text.delta\n" + _NO_JSON,
    _typed({"type": "error", "code": "server_error", "message": "Overloaded", "param": None, "sequence_number": 9}),
    whole=_responses_whole,
)
ANTHROPIC = Dialect(_anthropic, b"event: content_block_delta\n" + _NO_JSON, _typed(_OVERLOADED), whole=_anthropic_whole)
GOOGLE = Dialect(_google, _NO_JSON, _data({"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}))
COHERE = Dialect(_cohere, b"event: content-delta\n" + _NO_JSON, b"")
BEDROCK = Dialect(_bedrock, _framed("contentBlockDelta", {})[:-4], b"", media_type="application/vnd.amazon.eventstream")
