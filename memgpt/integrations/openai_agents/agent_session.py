"""The Agents SDK's ``Session``: a conversation of a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agents.memory.session_settings import SessionSettings, coerce_session_settings, resolve_session_limit

from memgpt import validation
from memgpt.async_memory import AsyncMemory, ThreadedMemory
from memgpt.integrations.kept_conversation import KeptConversation
from memgpt.integrations.openai_agents import response_items
from memgpt.memory import Memory
from memgpt.models import Json

if TYPE_CHECKING:
    from agents.items import TResponseInputItem


class MemgptSession:
    """One conversation of an agent's memory, for ``Runner.run(…, session=…)``.

    Each item is a message of the memory, found by ``memory.search``, and comes back as it was added. What others wrote
    into the conversation is read as well. Calls are part of ``memory.transaction()`` where the task has one open.

    Args:
        session_id: the conversation's name.
        memory: whose conversation it is, in threads or for ``asyncio``.
        session_settings: ``limit``, the most items that are read, the newest; absent, all are.
    """

    def __init__(
        self,
        session_id: str,
        memory: Memory | AsyncMemory,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = validation.name(session_id, "session_id")
        self.session_settings: SessionSettings | None = (
            SessionSettings() if session_settings is None else coerce_session_settings(session_settings)
        )
        self._memory = ThreadedMemory(memory)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the items in their order: all, or the newest ``limit``."""
        most = resolve_session_limit(limit, self.session_settings)
        if most is not None and most < 0:
            most = None  # as the SDK's own sessions have it

        def read(memory: Memory) -> list[Json]:
            messages = KeptConversation(memory, self.session_id).messages(most)
            items = [item for message in messages for item in response_items.items(message)]
            return items if most is None else items[len(items) - min(most, len(items)) :]

        return cast("list[TResponseInputItem]", await self._memory.run(read))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items to the end, all or none."""
        if items:
            await self._memory.run(
                lambda memory: KeptConversation(memory, self.session_id).append([*map(response_items.row, items)])
            )

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the last item and return it; ``memory.undo()`` brings it back."""
        message = await self._memory.run(lambda memory: KeptConversation(memory, self.session_id).pop())
        return None if message is None else cast("TResponseInputItem", response_items.items(message)[-1])

    async def clear_session(self) -> None:
        """Remove the conversation; ``memory.undo()`` brings it back."""
        await self._memory.run(lambda memory: KeptConversation(memory, self.session_id).clear())
