"""Anthropic's Messages: its messages, and its replies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from memgpt.integrations.transcripts.turns import is_reminder
from memgpt.models import Json
from memgpt.server.protocols import anthropic_errors
from memgpt.server.protocols import said as said_of
from memgpt.server.protocols.reply import Reply, loaded
from memgpt.server.protocols.said import Said
from memgpt.server.protocols.sse import event

_SESSION: Final = re.compile(r"_session_([A-Za-z0-9-]{8,64})$")


def read(messages: Iterable[Mapping[str, Any]]) -> list[Said]:
    """Return what of a request's messages is kept: texts, tool calls and their results; neither instructions nor
    thoughts."""
    said: list[Said] = []
    for message in messages:
        if message.get("role") == "assistant":
            said += filter(None, [_reply(_blocks(message.get("content")))])
        elif message.get("role") == "user":
            said += _of_user(_blocks(message.get("content")))
    return said


def with_context(context: str, system: str | Sequence[Json] | None) -> str | Sequence[Json] | None:
    """Append what is known to the caller's own instructions. Their blocks stay as they are, so that what the client
    has cached of them stays cached."""
    if not context:
        return system
    own = [{"type": "text", "text": system}] if isinstance(system, str) and system else system or []
    return [*own, {"type": "text", "text": context}]


def session_of(body: Mapping[str, Any], named: str | None) -> str | None:
    """Return the session that a coding agent names, in a header or in the request's metadata: its conversation, apart
    from those of its helpers, which begin with other words. None where it names none."""
    session = named or _session_in((body.get("metadata") or {}).get("user_id"))
    if session is None:
        return None
    first = next((each.content for each in read(body["messages"]) if each.role == "user"), "")
    return f"{session[:64]}/{hashlib.sha256(first.encode()).hexdigest()[:8]}"


def whole(content: bytes) -> Said | None:
    """Read the reply of a response that is no stream; None if there is none in it."""
    message = loaded(content)
    return _reply(_blocks(message.get("content"))) if isinstance(message, dict) else None


class MessageReply(Reply):
    """Reply of a stream of typed events."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[int, Json] = {}

    def read(self, event: dict[str, Any]) -> bool:
        kind, index = event.get("type"), event.get("index")
        block, delta = event.get("content_block"), event.get("delta")
        if kind == "content_block_start" and isinstance(index, int) and isinstance(block, dict):
            self._parts[index] = {**block, "pieces": []}
        elif kind == "content_block_delta" and isinstance(delta, dict) and index in self._parts:
            piece = delta.get("text", delta.get("partial_json"))
            if isinstance(piece, str):
                self._parts[index]["pieces"].append(piece)
        elif kind == "message_delta" and isinstance(delta, dict):
            self.finished = self.finished or bool(delta.get("stop_reason"))
        elif kind == "error":
            self.failed = True
        elif kind == "message_stop":
            self.finished = True
        return kind in ("message_stop", "error")

    def so_far(self) -> Said | None:
        return _reply([_put_together(self._parts[index]) for index in sorted(self._parts)])

    def ending(self) -> bytes:
        return event({"type": "message_stop"}, "message_stop")

    def broken_off(self, message: str) -> bytes:
        return b"" if self.failed else event(anthropic_errors.error(502, message), "error")


def _put_together(block: Json) -> Json:
    pieces = "".join(block["pieces"])
    if block.get("type") == "text":
        return {"type": "text", "text": f"{block.get('text') or ''}{pieces}"}
    return {**block, "input": pieces or block.get("input")}


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []


def _reply(blocks: Iterable[Mapping[str, Any]]) -> Said | None:
    blocks = [*blocks]
    text = said_of.text_of([block for block in blocks if block.get("type") == "text"])
    calls = [
        said_of.tool_call(block.get("id"), block.get("name"), block.get("input"))
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    return said_of.assistant(text, calls)


def _of_user(blocks: Sequence[Mapping[str, Any]]) -> list[Said]:
    """Return the results of tools, then what the user says beside them."""
    results = [block for block in blocks if block.get("type") == "tool_result"]
    others = [block for block in blocks if block.get("type") != "tool_result" and not is_reminder(block)]
    content = said_of.storable(said_of.text_of(others))
    user = [Said("user", content)] if content.strip() else []
    return [*(said_of.tool_result(block.get("tool_use_id"), block.get("content")) for block in results), *user]


def _session_in(user_id: Any) -> str | None:
    """Return the session in Claude Code's name of a user: behind ``_session_``, or in a JSON object."""
    if not isinstance(user_id, str):
        return None
    if match := _SESSION.search(user_id):
        return match[1]
    try:
        value = json.loads(user_id)
    except (ValueError, RecursionError):
        return None
    named = value.get("session_id") if isinstance(value, dict) else None
    return said_of.name(named)
