"""One exchange through OpenAI's protocol: what of a client's messages is new, and keeping it with the reply.

A client sends the conversation again with each step and each retry. What the session has of it is found by aligning the
two from their ends; what comes after is new. The last reply that is stored and that the client does not know (it was
lost on the way, or broke off) gives way to what the client says or gets instead, so that every message is there once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from memgpt import validation
from memgpt.errors import MemgptError
from memgpt.llm.context import compared
from memgpt.memory import Memory, scope_of
from memgpt.messages.store import MessageStore
from memgpt.models import Json, Message

log = logging.getLogger("memgpt.server.api")

_ROLES: Final = {"user": "user", "assistant": "assistant", "tool": "tool", "function": "tool"}
"""As they are kept; what a client instructs is not."""
_LONGEST_REPLY: Final = 100
"""Messages of one turn behind which its beginning is looked for."""
_MOST_STORED: Final = 10_000

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

    @property
    def key(self) -> Key:
        """Return the identity of a message; clients trim texts and write arguments anew."""
        return self.role, compared(self.content), "\n".join(map(_call_key, self.tool_calls)), self.tool_call_id or ""

    def fields(self, session: str) -> Json:
        """For :meth:`memgpt.messages.messages.Messages.append_many`."""
        return {
            "role": self.role,
            "content": self.content,
            "session": session,
            "tool_calls": [*self.tool_calls] or None,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "metadata": {"interrupted": True} if self.interrupted else None,
        }


def said(message: Mapping[str, Any]) -> Said | None:
    """Read a message of OpenAI's protocol; None for instructions, and for one without content."""
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        return None
    calls = message.get("tool_calls") or []
    if isinstance(message.get("function_call"), Mapping):
        calls = [{"function": message["function_call"]}]
    tool_calls = [_call(call) for call in calls if isinstance(call, Mapping)] if role == "assistant" else []
    content = storable(text_of(message.get("content")) or str(message.get("refusal") or ""))
    if not content.strip() and not tool_calls and role != "tool":
        return None
    return Said(
        role,
        content,
        tool_calls,
        _name(message.get("tool_call_id")) if role == "tool" else None,
        _name(message.get("name")),
    )


def _call(call: Mapping[str, Any]) -> Json:
    """Return a tool call with its arguments."""
    function = call.get("function") or call.get("custom")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments", function.get("input"))
    named = {"name": _name(function.get("name")) or "", "arguments": storable(arguments or "")}
    return {"id": _name(call.get("id")), "type": "function", "function": named}


def _name(value: Any) -> str | None:
    return storable(value)[:200] if isinstance(value, str) and value.strip() else None


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


def align(stored: Sequence[Key], sent: Sequence[Key]) -> tuple[int, int]:
    """Return how many of the sent messages are stored, and how many of the stored ones stand: after them comes the last
    reply, which the client does not know."""
    last_user = max((n for n, key in enumerate(stored) if key[0] == "user"), default=-1)
    best, matched, standing = 0, 0, len(stored)
    for end in range(len(stored), max(last_user, len(stored) - _LONGEST_REPLY), -1):
        for place, length in enumerate(_common_ends(stored[:end], sent), start=1):
            if length > best and _is_continued(stored[: end - length], sent[: place - length], length):
                best, matched, standing = length, place, end
    return matched, standing


def _is_continued(stored: Sequence[Key], sent: Sequence[Key], length: int) -> bool:
    """Tell whether what was sent before the equal part belongs to it: a client leaves out and shortens what is old, but
    a single equal message does not make the same conversation."""
    if length > 1 or not sent:
        return True
    earlier = iter(reversed(stored))
    return all(key in earlier for key in reversed(sent))


def _common_ends(stored: Sequence[Key], sent: Sequence[Key]) -> list[int]:
    """For every beginning of ``sent``, how many messages at its end are also those at the end of ``stored``.

    In linear time, by the Z-function of both read from their ends.
    """
    line: list[Key | None] = [*reversed(stored), None, *reversed(sent)]
    lengths = [0] * len(line)
    left = right = 0
    for n in range(1, len(line)):
        length = min(right - n, lengths[n - left]) if n < right else 0
        while n + length < len(line) and line[length] == line[n + length]:
            length += 1
        lengths[n] = length
        if n + length > right:
            left, right = n, n + length
    return lengths[: len(stored) : -1] if sent else []


class Exchange:
    """One request and its reply, kept once it is known how the reply ended."""

    def __init__(self, memory: Memory, session: str, messages: Sequence[Mapping[str, Any]]) -> None:
        self._memory = memory
        self._session = validation.name(session, "session")
        self._sent = [each for message in messages if (each := said(message)) is not None]
        self._last_id = 0
        self._lost: Sequence[Message] = ()

    def begin(self) -> None:
        """Note how far the session is: what is kept after that is not older than this request."""
        stored = self._stored()
        self._last_id = max((message.id for message in stored), default=0)
        _, self._lost = self._new(stored)

    @property
    def texts(self) -> Sequence[str]:
        """Return the texts that are no memory: what the prompt has already, and a reply to it that did not arrive."""
        return [*(each.content for each in self._sent), *(message.content for message in self._lost)]

    @property
    def question(self) -> str:
        """Return what the user said last."""
        return next((each.content for each in reversed(self._sent) if each.role == "user"), "")

    def keep(self, reply: Said | None) -> bool:
        """Keep what is new. False where that failed, which does not take the reply away from who paid for it."""
        try:
            self._keep(reply)
        except MemgptError as error:
            log.error("a turn of agent %r was not kept: %s", self._memory.agent, error)
            return False
        return True

    def _keep(self, reply: Said | None) -> None:
        scope = scope_of(self._memory)
        fresh = [*self._new(self._stored())[0], *([reply] if reply else [])]
        # before the session is locked: a slow provider holds nobody up
        scope.warm_embedding_cache([each.content for each in fresh if each.content.strip()])
        with scope.transaction() as connection:
            now = MessageStore(connection, scope.author).lock_session(self._session)
            stored = self._stored()
            fresh, lost = self._new(stored)
            if (fresh or (reply is not None and reply.interrupted)) and self._is_late(stored):
                return
            if reply is not None and (fresh or self._replaces(lost, reply)):
                fresh.append(reply)
            if not fresh:
                return
            for message in lost:
                self._memory.messages.delete(message.id)
            if stored:
                now = max(now, stored[-1].created_at + timedelta(microseconds=1))
            self._memory.messages.append_many([{**each.fields(self._session), "created_at": now} for each in fresh])

    def _is_late(self, stored: Sequence[Message]) -> bool:
        """Tell whether the client has asked again, was answered, and went on: then this reply belongs to no
        conversation."""
        asked = self._sent[-1].key
        return any(message.id > self._last_id and _stored_key(message) == asked for message in stored)

    def _replaces(self, lost: Sequence[Message], reply: Said) -> bool:
        """Tell whether a reply takes the place of a stored one: it is neither the same again nor a part of it."""
        return not lost or (not reply.interrupted and [_stored_key(message) for message in lost] != [reply.key])

    def _stored(self) -> Sequence[Message]:
        most = min(_MOST_STORED, 2 * len(self._sent) + _LONGEST_REPLY)
        return self._memory.messages.list(session=self._session, limit=most, roles=("user", "assistant", "tool"))

    def _new(self, stored: Sequence[Message]) -> tuple[list[Said], Sequence[Message]]:
        matched, standing = align([_stored_key(message) for message in stored], [each.key for each in self._sent])
        return self._sent[matched:], stored[standing:]


def _stored_key(message: Message) -> Key:
    return Said(message.role, message.content, message.tool_calls or (), message.tool_call_id).key


class Reply:
    """Answer of a model, put together from the pieces of a stream or taken whole; of several choices the first."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[int, Json] = {}
        self.finished = False

    @classmethod
    def whole(cls, content: bytes) -> Said | None:
        """Read the reply of a response that is no stream; None if there is none in it."""
        choice = _first_choice(content)
        message = choice.get("message")
        return said({**message, "role": "assistant"}) if isinstance(message, Mapping) else None

    def add(self, event: str) -> None:
        """One event of a stream; what is none of OpenAI's says nothing."""
        choice = _first_choice(event)
        self.finished = self.finished or bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            return
        for name, pieces in (("content", self._texts), ("refusal", self._refusals)):
            if isinstance(delta.get(name), str):
                pieces.append(delta[name])
        for call in delta.get("tool_calls") or ():
            if isinstance(call, Mapping):
                self._add_call(call)

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        place = index if isinstance(index, int) else len(self._calls)
        call = self._calls.setdefault(
            place, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = piece.get("id") or call["id"]
        function = piece.get("function")
        for name in ("name", "arguments"):
            if isinstance(function, Mapping) and isinstance(function.get(name), str):
                call["function"][name] += function[name]

    def said(self, *, interrupted: bool = False) -> Said | None:
        """Return the message so far; of an interrupted one the text only, for a part of a call is none."""
        text = "".join(self._texts) or "".join(self._refusals)
        calls = [] if interrupted else [self._calls[place] for place in sorted(self._calls)]
        message = said({"role": "assistant", "content": text, "tool_calls": calls})
        if message is None or not interrupted:
            return message
        return Said("assistant", message.content, interrupted=True)


def _first_choice(content: bytes | str) -> Mapping[str, Any]:
    try:
        choices = json.loads(content)["choices"]
        return next((c for c in choices if isinstance(c, Mapping) and not c.get("index")), {})
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
