"""Items of the Responses API as messages of a memory, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from memgpt import validation
from memgpt.integrations.kept_conversation import EMPTY, KIT_TURN, kept_turn
from memgpt.messages import content as contents
from memgpt.models import Json, Message

KIT: Final = "openai_agents"
"""The name under which the whole item is kept, as JSON text: no character of it changes."""

_ROLES: Final = ("user", "assistant", "system", "developer")


def row(item: Mapping[str, Any]) -> Json:
    """Return an item as a memory keeps it: what it says, and all of it beside."""
    kind = str(item.get("type") or "message")
    fields: Json = {"metadata": {KIT_TURN: {KIT: json.dumps(item)}}}
    if item.get("role") in _ROLES:
        text = validation.replaced(contents.read(item.get("content")).text)
        silent = item["role"] != "assistant" and not text.strip()
        return {**fields, "role": item["role"], "content": EMPTY if silent else text}
    fields["content"] = validation.replaced(contents.read(item.get("output")).text)
    if kind.endswith("_output"):
        return {**fields, "role": "tool", "tool_call_id": _id(item.get("call_id"))}
    calls = [_call(kind, item)] if kind.endswith("_call") else None
    return {**fields, "role": "assistant", "tool_calls": calls}


def items(message: Message) -> list[Json]:
    """Return a message as the item it was; one that was changed since, or comes from elsewhere, from its columns."""
    if (written := kept_turn(message, KIT)) is not None:
        kept: Json = json.loads(written)
        if row(kept)["content"] == message.content:
            return [kept]
        return [_edited(kept, message.content)]
    if message.role == "tool" and message.tool_call_id:
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}]
    role = message.role if message.role in _ROLES else "assistant"
    calls = [
        {
            "type": "function_call",
            "call_id": str(call.get("id")),
            "name": str(call.get("name")),
            "arguments": _written(call.get("arguments")),
        }
        for call in message.tool_calls or ()
    ]
    said = [{"role": role, "content": message.content}] if message.content or not calls else []
    return [*said, *calls]


def _edited(item: Json, content: str) -> Json:
    if "role" in item:
        return {"role": item["role"], "content": content}
    return {**item, "output": content} if "output" in item else item


def _call(kind: str, item: Mapping[str, Any]) -> Json:
    keys = ("arguments", "input", "action", "operation")
    arguments = _written(next((item[key] for key in keys if item.get(key) is not None), None))
    name = validation.replaced(str(item.get("name") or kind))
    return {"id": _id(item.get("call_id") or item.get("id")), "name": name, "arguments": validation.replaced(arguments)}


def _written(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps({} if arguments is None else arguments)


def _id(value: object) -> str | None:
    """Return the id of a call where a column can hold it."""
    holds = isinstance(value, str) and value.strip() and len(value) <= validation.MAX_NAME
    return str(value) if holds and not validation.unstorable(str(value)) else None
