"""Chat Completions: its messages, and its replies; of several choices the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from memgpt.models import Json
from memgpt.server.protocols import openai_errors
from memgpt.server.protocols import said as said_of
from memgpt.server.protocols.reply import Reply, loaded
from memgpt.server.protocols.said import Said
from memgpt.server.protocols.sse import event

_ROLES: Final = {"user": "user", "assistant": "assistant", "tool": "tool", "function": "tool"}
"""As they are kept; what a client instructs is not."""
_DONE: Final = b"data: [DONE]\n\n"


def read(messages: Iterable[Mapping[str, Any]]) -> list[Said]:
    """Return what of a request's messages is kept: no instructions, and none without content."""
    return [said for message in messages if (said := _said(message)) is not None]


def with_context(context: str, messages: Sequence[Json]) -> Sequence[Json]:
    """Insert what is known after the caller's own instructions."""
    if not context:
        return messages
    ahead = 0
    while ahead < len(messages) and messages[ahead]["role"] in ("system", "developer"):
        ahead += 1
    return [*messages[:ahead], {"role": "system", "content": context}, *messages[ahead:]]


def whole(content: bytes) -> Said | None:
    """Read the reply of a response that is no stream; None if there is none in it."""
    message = _first_choice(loaded(content)).get("message")
    return _said({**message, "role": "assistant"}) if isinstance(message, Mapping) else None


class ChatReply(Reply):
    """Reply of a stream of chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[int, Json] = {}

    def add(self, data: str) -> bool:
        if data == "[DONE]":
            self.finished = True
            return True
        return super().add(data)

    def read(self, event: dict[str, Any]) -> bool:
        if isinstance(event.get("error"), Mapping):
            self.failed = True
            return True
        choice = _first_choice(event)
        self.finished = self.finished or bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            return False
        for name, pieces in (("content", self._texts), ("refusal", self._refusals)):
            if isinstance(delta.get(name), str):
                pieces.append(delta[name])
        for call in delta.get("tool_calls") or ():
            if isinstance(call, Mapping):
                self._add_call(call)
        return False

    def so_far(self) -> Said | None:
        text = "".join(self._texts) or "".join(self._refusals)
        calls = [self._calls[place] for place in sorted(self._calls)]
        return _said({"role": "assistant", "content": text, "tool_calls": calls})

    def ending(self) -> bytes:
        return _DONE

    def broken_off(self, message: str) -> bytes:
        broken = openai_errors.error(502, message, code="upstream_broke_off")
        return (b"" if self.failed else event(broken)) + _DONE

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        place = index if isinstance(index, int) else len(self._calls)
        call = self._calls.setdefault(
            place, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = piece.get("id") or call["id"]
        function = piece.get("function") or piece.get("custom")
        if isinstance(function, Mapping):
            pieces = {"name": function.get("name"), "arguments": function.get("arguments", function.get("input"))}
            for name, text in pieces.items():
                if isinstance(text, str):
                    call["function"][name] += text


def _said(message: Mapping[str, Any]) -> Said | None:
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        return None
    content = said_of.text_of(message.get("content")) or str(message.get("refusal") or "")
    if role == "tool":
        return said_of.tool_result(message.get("tool_call_id"), content, message.get("name"))
    calls = message.get("tool_calls") or []
    if isinstance(message.get("function_call"), Mapping):
        calls = [{"function": message["function_call"]}]
    tool_calls = [_call(call) for call in calls if isinstance(call, Mapping)] if role == "assistant" else []
    content = said_of.storable(content)
    if not content.strip() and not tool_calls:
        return None
    return Said(role, content, tool_calls, name=said_of.name(message.get("name")))


def _call(call: Mapping[str, Any]) -> Json:
    function = call.get("function") or call.get("custom")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments", function.get("input"))
    return said_of.tool_call(call.get("id"), function.get("name"), arguments or "")


def _first_choice(response: Any) -> Mapping[str, Any]:
    choices = response.get("choices") if isinstance(response, Mapping) else None
    choices = choices if isinstance(choices, list) else []
    return next((c for c in choices if isinstance(c, Mapping) and not c.get("index")), {})
