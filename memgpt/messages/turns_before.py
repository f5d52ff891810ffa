"""The turns before a message, for embedding models that read them together with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from memgpt.database.embedded_text import message_text
from memgpt.embeddings.base import TURNS_BEFORE
from memgpt.messages.store import MessageStore
from memgpt.models import Message
from memgpt.scope.scope import AgentScope


def turns_before(
    scope: AgentScope, session: str, *, until: datetime | None = None, before: Message | None = None
) -> list[str]:
    """Return the last turns of a session before a time or a message, as they are embedded; none for a model that reads
    each text alone."""
    if not scope.reads_context:
        return []
    earlier = scope.read(
        lambda connection: MessageStore(connection, scope.author).list(
            limit=TURNS_BEFORE, session=session, until=until, before=before
        )
    )
    return [message_text(message.content, message.name) for message in earlier]


def of_each(
    scope: AgentScope, messages: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]
) -> list[list[str]]:
    """Return the turns before each of the messages ``wanted`` among those that are kept together."""
    said: dict[str, list[str]] = {}
    before: dict[int, list[str]] = {}
    for message in messages if scope.reads_context else ():
        session = message["session"]
        if session not in said:
            said[session] = turns_before(scope, session, until=message["created_at"])
        before[id(message)] = said[session][-TURNS_BEFORE:]
        said[session].append(message_text(message["content"], message["name"]))
    return [before.get(id(message), []) for message in wanted]
