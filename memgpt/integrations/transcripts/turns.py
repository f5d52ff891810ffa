"""Conversations and their turns, into which every shape of transcript is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from memgpt.models import ROLES, Json

_ROLES: Final[dict[str, str]] = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("human", "humanmessage", "humanmessagechunk", "you"), "user"),
    **dict.fromkeys(("ai", "model", "bot", "gpt", "chatgpt", "claude", "aimessage", "aimessagechunk"), "assistant"),
    **dict.fromkeys(("function", "toolmessage", "functionmessage", "tool_return_message", "observation"), "tool"),
    "systemmessage": "system",
}


_REMINDER: Final = ("<system-reminder>", "</system-reminder>")
"""Between them is what coding agents write into the user's messages for the model: instructions, others each time."""


@dataclass(frozen=True, slots=True)
class TranscriptTurn:
    """One message of a transcript."""

    role: str
    text: str
    name: str | None = None
    when: Any = None
    """As the file has it: a number of seconds, or finer, or a text."""
    id: str | None = None
    tool_calls: Sequence[Json] = ()
    tool_call_id: str | None = None
    about: Json = field(default_factory=dict)
    """What else is to be kept in the message's metadata."""
    problem: str | None = None
    """Why it is no message."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A session and its turns, in order. The turns of a large one are read while they are used."""

    session: str | None
    """What names it for good, such as an id; a title may change between two exports."""
    turns: Iterable[TranscriptTurn]
    title: str | None = None


def role_of(word: Any) -> str | None:
    """Our name of a role; None for one that no known format has."""
    return _ROLES.get(str(word or "").lower())


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list; none if it is no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None


def is_reminder(block: Mapping[str, Any]) -> bool:
    """Tell whether a block of a message is a reminder of a coding agent to its model, which nobody said."""
    text = block.get("text")
    begin, end = _REMINDER
    return isinstance(text, str) and text.strip().startswith(begin) and text.strip().endswith(end)
