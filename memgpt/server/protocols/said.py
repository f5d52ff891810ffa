"""One message of a client's conversation as it is kept, whatever protocol it came in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from memgpt import validation
from memgpt.llm.context import compared
from memgpt.models import Json, Message

_LONGEST_NAME: Final = 200
_MOST_IDS: Final = 1000

Key: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it is kept."""

    role: str
    content: str
    tool_calls: Sequence[Json] = ()
    tool_call_id: str | None = None
    name: str | None = None
    interrupted: bool = False
    ids: tuple[str, ...] = ()
    """What the upstream calls a reply: its own id, then those of its items, by which clients refer to them."""
    refers_to: str | None = None
    """Such an id, in the place of a message that the client does not send again."""

    @property
    def key(self) -> Key:
        """Return the identity of a message; clients trim texts and write arguments anew."""
        return self.role, compared(self.content), "\n".join(map(_call_key, self.tool_calls)), self.tool_call_id or ""

    def fields(self, session: str) -> Json:
        """For :meth:`memgpt.messages.messages.Messages.append_many`."""
        metadata: Json = {"interrupted": True} if self.interrupted else {}
        return {
            "role": self.role,
            "content": self.content,
            "session": session,
            "tool_calls": [*self.tool_calls] or None,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "metadata": metadata | ({"upstream_ids": [*self.ids]} if self.ids else {}) or None,
        }


def stored(message: Message) -> Said:
    """Return a message of the memory as it was said."""
    ids = (message.metadata or {}).get("upstream_ids")
    return Said(
        message.role,
        message.content,
        message.tool_calls or (),
        message.tool_call_id,
        ids=tuple(map(str, ids)) if isinstance(ids, list) else (),
    )


def assistant(text: Any, calls: Sequence[Json], ids: Sequence[Any] = ()) -> Said | None:
    """Return a reply of a model; None where it says and calls nothing."""
    content = storable(text)
    if not content.strip() and not calls:
        return None
    return Said("assistant", content, calls, ids=tuple(id for each in ids if (id := name(each)))[:_MOST_IDS])


def tool_call(id: Any, called: Any, arguments: Any) -> Json:
    """Return a tool call with its arguments, a JSON text or a value."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments is not None else ""
    return {
        "id": name(id),
        "type": "function",
        "function": {"name": name(called) or "", "arguments": storable(written)},
    }


def tool_result(call_id: Any, content: Any, called: Any = None) -> Said:
    """Return what a tool answered."""
    return Said("tool", storable(text_of(content)), tool_call_id=name(call_id), name=name(called))


def name(value: Any) -> str | None:
    """Return a name or an id as it can be stored; None where there is none."""
    return storable(value)[:_LONGEST_NAME] if isinstance(value, str) and value.strip() else None


def text_of(content: Any) -> str:
    """Return the text of a content, which may be a list of parts; others are named."""
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _part(part: Mapping[str, Any]) -> str:
    text = part.get("text") or part.get("refusal")
    return text if isinstance(text, str) else f"[{part.get('type', 'part')}]"


def storable(value: Any) -> str:
    """Make a text storable: replace what PostgreSQL cannot hold by U+FFFD, and bound its length."""
    return validation.replaced(value if isinstance(value, str) else str(value))[: validation.MAX_TEXT]


def _call_key(call: Mapping[str, Any]) -> str:
    inner = call.get("function")
    function = inner if isinstance(inner, Mapping) else call
    arguments: Any = function.get("arguments")
    with suppress(ValueError, TypeError, RecursionError):  # as it is written, then
        arguments = json.dumps(json.loads(arguments), sort_keys=True)
    return json.dumps([call.get("id"), function.get("name"), str(arguments)])
