"""Conversations as people read them, with intents and the calls of tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from memgpt.errors import NotFoundError
from memgpt.models import Message
from memgpt.server.api.callers import RowId
from memgpt.server.console import visits
from memgpt.server.console.addresses import Name
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Writing

router: Final = visits.router("/agents/{agent}/conversations")
PAGE: Final = 50

RowNumber = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call in a message, whoever wrote down its shape."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as it is shown."""

    message: Message
    calls: Sequence[ToolCall]


@router.get("")
def list_conversations(visit: Reading, after: Annotated[str | None, Query(max_length=1000)] = None) -> Response:
    """Show the conversations, the one last spoken in first, a page by name."""
    if visit.at is not None:
        return past.show(visit, "message")
    rows = visit.memory.messages.sessions(limit=PAGE + 1, after=after)
    following = rows[PAGE - 1].session if len(rows) > PAGE else None
    values = {"section": "conversations", "sessions": rows[:PAGE], "after": after, "following": following}
    return visit.page("conversations.html", values)


@router.get("/{session}")
def show_conversation(visit: Reading, session: Name, before: RowNumber = None, message: RowNumber = None) -> Response:
    """Show the latest messages, those before one, or those up to one that is looked for."""
    if visit.at is not None:
        return past.show(visit, "message", parent=session)
    looked_for = [] if message is None else [visit.memory.messages.get(message)]
    start = looked_for[0] if looked_for else before
    rows = [*visit.memory.messages.list(session=session, limit=PAGE + 1, before=start), *looked_for]
    if not rows and before is None:
        raise NotFoundError(say("conversations.unknown", session=session))
    shown = rows[-PAGE:]
    values = {
        "section": "conversations",
        "session": session,
        "turns": [ShownMessage(one, _calls(one)) for one in shown],
        "looked_for": message,
        "latest": before is None and message is None,
        "older": shown[0].id if len(rows) > PAGE else None,
    }
    return visit.page("conversation.html", values)


@router.get("/{session}/messages/{id}")
def show_message(visit: Reading, session: Name, id: RowId) -> Response:
    """Show the whole text of a message, however long."""
    message = visit.memory.messages.get(id)
    up = visit.url("conversations", session, message=id) + f"#m{id}"
    return visit.page("whole_text.html", {"section": "conversations", "text": message.content, "up": up})


@router.post("/{session}/delete")
def delete_conversation(visit: Writing, session: Name) -> Response:
    """Remove a conversation; undo brings it back."""
    last = visit.memory.messages.list(session=session, limit=1)
    visit.memory.messages.delete_session(session)
    change = visit.last_change("message", last[0].id) if last else None
    return visit.back(say("conversations.deleted", session=session), change, "conversations")


def _calls(message: Message) -> list[ToolCall]:
    return [_call(call) for call in message.tool_calls or ()]


def _call(call: dict[str, Any]) -> ToolCall:
    function = call.get("function")
    inner: dict[str, Any] = function if isinstance(function, dict) else call
    arguments = inner.get("arguments", inner.get("input", inner.get("args", {})))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, indent=1)
    return ToolCall(str(inner.get("name", "")), text)
