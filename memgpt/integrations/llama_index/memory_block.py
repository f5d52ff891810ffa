"""LlamaIndex's ``BaseMemoryBlock``: what leaves the short-term memory is kept, and what it recalls comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import Field
from llama_index.core.memory import BaseMemoryBlock

from memgpt.async_memory import AsyncMemory, ThreadedMemory
from memgpt.integrations.kept_conversation import KeptConversation
from memgpt.memory import Memory, scope_of
from memgpt.models import Json

SESSION: Final = "session_id"
"""Where LlamaIndex's memory says which session a message is of."""
ROLES: Final = {"model": "assistant", "chatbot": "assistant", "function": "tool"}


class MemgptMemoryBlock(BaseMemoryBlock[str]):
    """A block of LlamaIndex's ``Memory``: messages that leave the short-term memory become messages of the memory's
    agent, and the context of what is being said is put before the model, as ``memory.context`` composes it.
    """

    name: str = "long_term_memory"
    description: str | None = "What is remembered of the user and of earlier conversations."
    priority: int = 1
    memory: Memory | AsyncMemory = Field(exclude=True, repr=False)
    """Whose memory it is."""
    budget_tokens: int = 1000
    """Most tokens of the context."""
    asked: int = 3
    """The latest messages, by which it is looked for."""

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        **block_kwargs: Any,  # noqa: ARG002 - the session: other sessions are recalled as well
    ) -> str:
        said = [message.content for message in messages or () if message.content and message.content.strip()]
        query = "\n".join(said[-self.asked :])

        def recall(memory: Memory) -> str:
            return memory.context(query or None, budget_tokens=self.budget_tokens, recent=0, said=said).text

        return await ThreadedMemory(self.memory).run(recall)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        await ThreadedMemory(self.memory).run(lambda memory: _keep(memory, messages))

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Cut a context, by whole lines, from its end."""

        def cut(memory: Memory) -> str | None:
            lines = content.split("\n")
            counts = scope_of(memory).count_tokens(lines)
            while lines and tokens_to_truncate > sum(counts[len(lines) :]):
                lines.pop()
            return "\n".join(lines) or None

        return await ThreadedMemory(self.memory).run(cut)


def _keep(memory: Memory, messages: Sequence[ChatMessage]) -> None:
    """Keep what messages say, in one transaction, each in its session."""
    rows: dict[str, list[Json]] = {}
    for message in messages:
        if message.content and message.content.strip():
            role = ROLES.get(message.role.value, message.role.value)
            session = message.additional_kwargs.get(SESSION, "default")
            rows.setdefault(session, []).append({"role": role, "content": message.content})
    with memory.transaction():
        for session, of_session in rows.items():
            KeptConversation(memory, session).append(of_session)
