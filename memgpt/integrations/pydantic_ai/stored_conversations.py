"""Pydantic AI's ``ConversationStore``: conversations of a memory, whose messages are the memory's."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord, ConversationStore

from memgpt.async_memory import AsyncMemory, ThreadedMemory
from memgpt.integrations.pydantic_ai.conversation_log import ConversationLog
from memgpt.memory import Memory


class MemgptConversationStore(ConversationStore):
    """Conversations of an agent's memory, for ``Agent.run(…, conversation=…)``.

    Each message is one of the memory's, in the session named like the conversation, found by ``memory.search``. A save
    is one change, all or nothing. ``delete`` removes the record and the messages that no other conversation was forked
    from; ``memory.undo()`` brings them back.

    Args:
        memory: whose conversations these are, in threads or for ``asyncio``.
    """

    def __init__(self, memory: Memory | AsyncMemory) -> None:
        self._memory = ThreadedMemory(memory)

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        return await self._memory.run(lambda memory: ConversationLog(memory).record(conversation_id))

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        return await self._memory.run(lambda memory: ConversationLog(memory).records(scope, limit))

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        await self._memory.run(lambda memory: ConversationLog(memory).write(record, new_entries, expected_revision))

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        await self._memory.run(lambda memory: ConversationLog(memory).delete(conversation_id, expected_revision))

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Return an entry.

        Raises:
            LookupError: there is none of that id, or its message was forgotten.
        """
        return await self._memory.run(lambda memory: ConversationLog(memory).entry(entry_id))

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        """Return the entries up to one, in order, or the last of them; messages that were forgotten are left out."""
        return await self._memory.run(lambda memory: ConversationLog(memory).history(head_id, limit))
