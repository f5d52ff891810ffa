"""Where a memory keeps Pydantic AI's conversations: entries as messages, records and places of entries as items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from pydantic_ai.conversation_store import ConversationConflict, ConversationEntry, ConversationRecord

from memgpt import validation
from memgpt.integrations.kept_conversation import PAGE, KeptConversation, kept_turn
from memgpt.integrations.pydantic_ai import model_messages
from memgpt.items.items import NewItem
from memgpt.memory import Memory, scope_of
from memgpt.models import Message, StoreItem

RECORDS: Final = ("pydantic_ai", "conversations")
"""Where records are, by the id of their conversation."""
ENTRIES: Final = ("pydantic_ai", "entries")
"""Where it is noted of each entry which session its message is in, and which entry it follows."""

_RECORD: Final = TypeAdapter(ConversationRecord)


@dataclass(frozen=True)
class _Place:
    """Where an entry's message is."""

    session: str
    parent: str | None


class ConversationLog:
    """The conversations of one memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._places: dict[str, _Place] = {}

    def record(self, conversation_id: str) -> ConversationRecord | None:
        """Return the record of a conversation."""
        [item] = self._memory.items.get_many([(RECORDS, conversation_id)])
        return None if item is None else _RECORD.validate_json(item.value["record"])

    def records(self, scope: str | None = None, limit: int | None = None) -> list[ConversationRecord]:
        """Return records, the last saved first."""
        if limit is not None and limit <= validation.MAX_LIMIT:
            within = None if scope is None else {"scope": scope}
            newest = self._memory.items.search(RECORDS, filter=within, limit=limit) if limit else []
            items = [found.item for found in newest]
        else:
            items = [item for item in self._all_records() if scope is None or item.value["scope"] == scope]
        records = [_RECORD.validate_json(item.value["record"]) for item in items]
        return sorted(records, key=lambda record: record.updated_at, reverse=True)[:limit]

    def write(self, record: ConversationRecord, entries: Sequence[ConversationEntry], expected: str | None) -> None:
        """Keep a record and new entries, all or nothing.

        Raises:
            ConversationConflict: somebody else saved or deleted the conversation since.
        """
        id = record.conversation_id
        conversation, rows = KeptConversation(self._memory, id), [model_messages.row(entry) for entry in entries]
        conversation.warm(rows)
        with scope_of(self._memory).single_change():
            conversation.lock()
            self._check(id, expected)
            if record.head_id is not None and record.head_id not in {entry.id for entry in entries}:
                self._hold(record.head_id, id)
            conversation.append(rows)
            value = {"record": _RECORD.dump_json(record).decode(), "scope": record.scope}
            places = [NewItem(ENTRIES, entry.id, {"session": id, "parent": entry.parent_id}, "") for entry in entries]
            self._memory.items.put_many([*places, NewItem(RECORDS, id, value, "")])

    def delete(self, conversation_id: str, expected: str) -> None:
        """Remove a record, and the entries that no other conversation has.

        Raises:
            ConversationConflict: somebody else saved or deleted the conversation since.
        """
        with scope_of(self._memory).single_change():
            KeptConversation(self._memory, conversation_id).lock()
            record = self._check(conversation_id, expected)
            if record is None:
                raise ConversationConflict(conversation_id)
            self._memory.items.delete(RECORDS, conversation_id)
            released = self._released(record)
            for session in sorted({place.session for place in released.values()}):
                conversation = KeptConversation(self._memory, session)
                conversation.remove([m.id for m in conversation.messages() if model_messages.entry_id(m) in released])
            self._memory.items.delete_many((ENTRIES, id) for id in released)

    def entry(self, entry_id: str) -> ConversationEntry:
        """Return one entry.

        Raises:
            LookupError: it is not there.
        """
        for message in KeptConversation(self._memory, self._place(entry_id).session).newest_first():
            if model_messages.entry_id(message) == entry_id:
                return model_messages.entry(message)
        raise LookupError(f"the message of entry {entry_id!r} was removed")

    def history(self, head_id: str | None, limit: int | None) -> list[ConversationEntry]:
        """Return the entries up to one, or the last of them; those whose messages were removed are left out.

        Raises:
            LookupError: an entry is not there.
        """
        entries: list[ConversationEntry] = []
        read: dict[str, Message] = {}
        session = ""
        pages: Iterator[Message] = iter(())
        size = PAGE if limit is None else min(PAGE, max(1, limit))
        while head_id is not None and (limit is None or len(entries) < limit):
            if head_id not in read and not _read_until(head_id, pages, read):
                place = self._place(head_id)
                if place.session == session:
                    head_id = place.parent
                else:
                    session = place.session
                    pages = KeptConversation(self._memory, session).newest_first(size)
                continue
            entry = model_messages.entry(read[head_id])
            entries.append(entry)
            head_id = entry.parent_id
        return entries[::-1]

    def _check(self, conversation_id: str, expected: str | None) -> ConversationRecord | None:
        stored = self.record(conversation_id)
        if (None if stored is None else stored.revision) != expected:
            raise ConversationConflict(conversation_id)
        return stored

    def _hold(self, head_id: str, conversation_id: str) -> None:
        """Let nobody release an entry before the transaction has made it the end of a conversation."""
        for _ in range(2):  # it may be released until its session is locked
            [place] = self._memory.items.get_many([(ENTRIES, head_id)])
            if place is None:
                raise ConversationConflict(conversation_id)
            KeptConversation(self._memory, place.value["session"]).lock()

    def _released(self, record: ConversationRecord) -> dict[str, _Place]:
        """Return the places of entries that no conversation reaches without this one."""
        released = self._of_session(record.conversation_id)
        released |= self._reached(_tips(record))
        sessions = {place.session for place in released.values()}
        for session in sorted(sessions - {record.conversation_id}):
            KeptConversation(self._memory, session).lock()
        for other in self.records():
            if other.forked_from is not None or other.conversation_id in sessions:
                for id in self._reached(_tips(other)):
                    released.pop(id, None)
        return released

    def _reached(self, tips: Iterable[str]) -> dict[str, _Place]:
        reached: dict[str, _Place] = {}
        for tip in tips:
            id: str | None = tip
            while id is not None and id not in reached:
                if id not in self._places:
                    place = self._place(id)
                    self._places |= {id: place, **self._of_session(place.session)}
                reached[id] = self._places[id]
                id = self._places[id].parent
        return reached

    def _of_session(self, session: str) -> dict[str, _Place]:
        """Return the places of entries whose messages are in a session."""
        messages = KeptConversation(self._memory, session).messages()
        kept = [kept_turn(message, model_messages.KIT) for message in messages]
        return {each["id"]: _Place(session, each["parent"]) for each in kept if each}

    def _all_records(self) -> Iterator[StoreItem]:
        after = ""
        while page := self._memory.items.list(RECORDS, after=after, limit=PAGE):
            yield from page
            after = page[-1].key

    def _place(self, entry_id: str) -> _Place:
        value = self._memory.items.get(ENTRIES, entry_id).value
        return _Place(value["session"], value["parent"])


def _tips(record: ConversationRecord) -> list[str]:
    return [*([] if record.head_id is None else [record.head_id]), *record.branches]


def _read_until(entry_id: str, pages: Iterator[Message], read: dict[str, Message]) -> bool:
    """Read messages until that of an entry; tell whether there is one."""
    for message in pages:
        id = model_messages.entry_id(message)
        if id is not None:
            read[id] = message
        if id == entry_id:
            return True
    return False
