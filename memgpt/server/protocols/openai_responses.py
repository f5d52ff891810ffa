"""OpenAI's Responses: the items of a request, and its replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from memgpt.models import Json
from memgpt.server.protocols import openai_errors
from memgpt.server.protocols import said as said_of
from memgpt.server.protocols.reply import Reply, loaded
from memgpt.server.protocols.said import Said
from memgpt.server.protocols.sse import event

_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")
_CALLS: Final = ("function_call", "custom_tool_call")
_RESULTS: Final = ("function_call_output", "custom_tool_call_output")


def read(value: str | Sequence[Json] | None) -> list[Said]:
    """Return what of a request's input is kept: texts, calls of functions and their results, and references to items
    that the upstream has. The items of one reply are one message."""
    if not isinstance(value, list):
        return [Said("user", said_of.storable(value))] if isinstance(value, str) and value.strip() else []
    said: list[Said] = []
    for of_model, group in groupby((item for item in value if not _instructs(item)), key=_is_of_model):
        items = [*group]
        said += _reply_of(items) if of_model else filter(None, map(_said, items))
    return said


def whole(content: bytes) -> Said | None:
    """Read the reply of a response that is no stream; None if there is none in it."""
    response = loaded(content)
    return _of_response(response) if isinstance(response, dict) else None


class ResponseReply(Reply):
    """Reply of a stream of typed events."""

    def __init__(self) -> None:
        super().__init__()
        self._response: Json = {}
        self._texts: list[str] = []
        self._sequence = -1

    def read(self, event: dict[str, Any]) -> bool:
        kind = event.get("type")
        number = event.get("sequence_number")
        self._sequence = number if isinstance(number, int) else self._sequence + 1
        if kind in ("response.output_text.delta", "response.refusal.delta") and isinstance(event.get("delta"), str):
            self._texts.append(event["delta"])
        if kind in _ENDS and isinstance(event.get("response"), dict):
            self._response = event["response"]
            self.finished = kind != "response.failed"
        self.failed = self.failed or kind in ("error", "response.failed")
        return self.failed or kind in _ENDS

    def so_far(self) -> Said | None:
        return _of_response(self._response) if self.finished else said_of.assistant("".join(self._texts), ())

    def ending(self) -> bytes:
        return b""

    def broken_off(self, message: str) -> bytes:
        if self.failed:
            return b""
        broken = {"code": "upstream_broke_off", "message": message, "param": None}
        return event({"type": "error", **broken, "sequence_number": self._sequence + 1}, "error")


def refused(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the parameter of a request that cannot be served, and why."""
    if body.get("background"):
        return "background", "responses in the background are not kept here: ask with stream instead"
    if body.get("conversation"):
        return "conversation", (
            "conversations of the upstream are not divided by agents: send previous_response_id or the messages, and "
            "name the conversation by the header Memgpt-Session"
        )
    return None


def not_kept(id: str) -> Json:
    """Return the error for a reference to what is not a reply of this conversation."""
    kind = "response" if id.startswith("resp") else "item"
    message = (
        f"{kind} {id!r} is not kept in this session of the agent: send the header Memgpt-Session that it was made "
        "with, or the messages in its place"
    )
    code = "previous_response_not_found" if kind == "response" else "item_not_found"
    return openai_errors.error(400, message, param="previous_response_id" if kind == "response" else "input", code=code)


def _instructs(item: Any) -> bool:
    return not isinstance(item, Mapping) or item.get("role") in ("system", "developer")


def _is_of_model(item: Mapping[str, Any]) -> bool:
    """Tell whether an item is part of a reply: all are but messages of others and results of functions."""
    kind = item.get("type") or "message"
    return item.get("role") == "assistant" if kind == "message" else kind not in (*_RESULTS, "input_text")


def _said(item: Mapping[str, Any]) -> Said | None:
    if item.get("type") in _RESULTS:
        return said_of.tool_result(item.get("call_id"), item.get("output"))
    content = said_of.storable(said_of.text_of(item.get("content")))
    return Said("user", content) if content.strip() else None


def _reply_of(items: Sequence[Mapping[str, Any]]) -> list[Said]:
    """Return the message of a reply's items, or what it refers to: such a reply is kept whole under each of its ids."""
    references = [item["id"] for item in items if item.get("type") == "item_reference" and said_of.name(item.get("id"))]
    if references:
        return [Said("assistant", "", refers_to=id) for id in references]
    message = _assistant(items)
    return [message] if message is not None else []


def _of_response(response: Mapping[str, Any]) -> Said | None:
    output = response.get("output")
    items = [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
    return _assistant(items, response.get("id"), *(item.get("id") for item in items))


def _assistant(items: Iterable[Mapping[str, Any]], *ids: Any) -> Said | None:
    texts: list[str] = []
    calls: list[Json] = []
    for item in items:
        if item.get("type") in _CALLS:
            calls.append(
                said_of.tool_call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))
            )
        elif (item.get("type") or "message") == "message":
            texts.append(said_of.text_of(item.get("content")))
    return said_of.assistant("\n".join(texts), calls, ids)
