"""A conversation whose turns another kit made: each comes back as that kit wrote it, and is a message of the memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from memgpt.database.embedded_text import message_text
from memgpt.errors import NotFoundError
from memgpt.memory import Memory, scope_of
from memgpt.messages.store import MessageStore
from memgpt.models import Message

PAGE: Final = 1000

KIT_TURN: Final = "kit_turn"
"""The key of a message's metadata under which the kit's own form of it is, by the kit's name. Searches leave it out."""

EMPTY: Final = "(empty)"
"""What a turn says that has no text: only the assistant and tools may say nothing."""


def kept_turn(message: Message, kit: str) -> Any:
    """Return what a kit keeps of a message, None where that is nothing."""
    turn = message.metadata.get(KIT_TURN)
    return turn.get(kit) if isinstance(turn, dict) else None


class KeptConversation:
    """The messages of one session, added to its end and taken from its end by one at a time.

    Args:
        memory: whose conversation it is.
        session: its name.
    """

    def __init__(self, memory: Memory, session: str) -> None:
        self._memory = memory
        self._session = session

    def messages(self, limit: int | None = None) -> list[Message]:
        """Return the whole conversation in its order, or the newest messages of it."""
        page = PAGE if limit is None else min(PAGE, limit)
        return [*islice(self.newest_first(page), limit)][::-1] if page else []

    def newest_first(self, page: int = PAGE) -> Iterator[Message]:
        """Yield the messages from the last one on, reading a page at a time."""
        before: Message | None = None
        while messages := self._memory.messages.list(session=self._session, limit=page, before=before):
            yield from messages[::-1]
            before = messages[0]

    def warm(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Embed what will be appended before a transaction is opened: a slow provider holds nobody up."""
        texts = [message_text(row["content"], row.get("name")) for row in rows if row["content"].strip()]
        scope_of(self._memory).warm_embedding_cache(texts)

    def lock(self) -> datetime:
        """Let nobody else add to this conversation or take from it until the transaction ends; return the time then."""
        scope = scope_of(self._memory)
        with scope.transaction() as connection:
            return MessageStore(connection, scope.author).lock_session(self._session)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add messages to the end of the conversation, all or none; those of one call stand together."""
        self.warm(rows)
        with scope_of(self._memory).transaction():
            now = self.lock()
            for last in self._memory.messages.list(session=self._session, limit=1):
                now = max(now, last.created_at + timedelta(microseconds=1))
            self._memory.messages.append_many([{**row, "session": self._session, "created_at": now} for row in rows])

    def pop(self) -> Message | None:
        """Remove the last message and return it; ``memory.undo()`` brings it back."""
        with scope_of(self._memory).transaction():
            self.lock()
            for last in self._memory.messages.list(session=self._session, limit=1):
                self._memory.messages.delete(last.id)
                return last
        return None

    def clear(self) -> None:
        """Remove the conversation; ``memory.undo()`` brings it back."""
        with suppress(NotFoundError):  # it is clear already
            self._memory.messages.delete_session(self._session)

    def remove(self, ids: Sequence[int]) -> None:
        """Remove some messages; ``memory.undo()`` brings them back."""
        scope = scope_of(self._memory)
        with scope.change() as (connection, change_id):
            MessageStore(connection, scope.author).delete(ids, change_id=change_id)
