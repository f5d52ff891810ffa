"""AutoGen's ``Memory``: contents that are added are archival memories, and all that the memory knows is recalled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import autogen_core.memory as kit
from autogen_core import CancellationToken, Component
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from pydantic import BaseModel, Field

from memgpt import validation
from memgpt.async_memory import AsyncMemory, ThreadedMemory
from memgpt.integrations.autogen import memory_contents
from memgpt.llm import fences
from memgpt.memory import Memory, scope_of
from memgpt.models import IN_PROMPTS, Hit

T = TypeVar("T")

LIMIT: Final = 5
PAGE: Final = 1000


class MemgptMemoryConfig(BaseModel):
    """What a component needs to be made anew; where the database is, is no part of it."""

    agent: str
    name: str = "autogen"
    limit: int = LIMIT
    options: dict[str, Any] = Field(default_factory=dict)


class MemgptMemory(kit.Memory, Component[MemgptMemoryConfig]):
    """The memory of an agent, for ``AssistantAgent(memory=[…])``.

    What is added is kept for good, as archival memories; the same text twice is one. Before a model is asked, what the
    last message recalls is put into its context: archival memories, messages, documents, facts and items.

    Args:
        memory: what is recalled and added to, in threads or for ``asyncio``.
        name: the tag of what is added here, and of what ``clear`` removes.
        limit: most contents of a query.
        options: other keywords of ``memory.search``, such as ``kinds`` and ``tags``.
    """

    component_type = "memory"
    component_config_schema = MemgptMemoryConfig
    component_provider_override = "memgpt.integrations.autogen.MemgptMemory"

    def __init__(
        self,
        memory: Memory | AsyncMemory,
        *,
        name: str = "autogen",
        limit: int = LIMIT,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = validation.name(name, "name")
        self.limit = validation.limit(limit)
        self.options = dict(options or {})
        self._agent = memory.agent
        self._threads = ThreadedMemory(memory)
        self._own: AsyncMemory | None = None

    async def add(self, content: kit.MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Keep a text or a JSON object for good.

        Raises:
            InputError: it is of another type, or its metadata is not JSON; nothing was written.
        """
        text, metadata = memory_contents.text(content), memory_contents.metadata(content)
        await self._run(lambda memory: memory.remember(text, tags=[self.name], metadata=metadata), cancellation_token)

    async def query(
        self,
        query: str | kit.MemoryContent = "",
        cancellation_token: CancellationToken | None = None,
        **kwargs: Any,
    ) -> kit.MemoryQueryResult:
        """Return what a query recalls, best first; without a text, what is newest.

        Args:
            query: a text, or a content with one.
            cancellation_token: ends the search.
            **kwargs: other keywords of ``memory.search`` than those of this memory.
        """
        text = query if isinstance(query, str) else memory_contents.text(query)
        options: dict[str, Any] = {"kinds": IN_PROMPTS, "limit": self.limit, "operators": False}
        options |= self.options | kwargs
        hits: list[Hit] = await self._run(lambda memory: memory.search(text, **options), cancellation_token)
        return kit.MemoryQueryResult(results=[memory_contents.content(hit) for hit in hits])

    async def update_context(self, model_context: ChatCompletionContext) -> kit.UpdateContextResult:
        """Add what the last message recalls to a context, as one message of the system."""
        messages = await model_context.get_messages()
        said = messages[-1].content if messages else ""
        text = said if isinstance(said, str) else "\n".join(part for part in said if isinstance(part, str))
        recalled = await self.query(text) if text.strip() else kit.MemoryQueryResult(results=[])
        if recalled.results:
            lines = [f"{n}. {fences.continued(_shown(each))}" for n, each in enumerate(recalled.results, 1)]
            await model_context.add_message(SystemMessage(content="\n".join(["Relevant memory content:", *lines])))
        return kit.UpdateContextResult(memories=recalled)

    async def clear(self) -> None:
        """Remove what was added under this name, in one change; ``memory.undo()`` brings it back."""
        await self._run(self._clear)

    async def close(self) -> None:
        """Close what this component opened itself; a memory that it was given stays open."""
        if self._own is not None:
            await self._own.close()

    async def _run(self, work: Callable[[Memory], T], token: CancellationToken | None = None) -> T:
        if token is None:
            return await self._threads.run(work)
        return await token.link_future(asyncio.ensure_future(self._threads.run(work)))

    def _clear(self, memory: Memory) -> None:
        with scope_of(memory).single_change():
            while page := memory.archival.list(tags=[self.name], superseded=True, limit=PAGE):
                for each in page:
                    memory.archival.delete(each.id)

    def _to_config(self) -> MemgptMemoryConfig:
        return MemgptMemoryConfig(agent=self._agent, name=self.name, limit=self.limit, options=self.options)

    @classmethod
    def _from_config(cls, config: MemgptMemoryConfig) -> Self:
        """Make a component whose memory is opened when it is first used, in the database of the environment."""
        own = AsyncMemory(config.agent)
        memory = cls(own, name=config.name, limit=config.limit, options=config.options)
        memory._own = own
        return memory


def _shown(content: kit.MemoryContent) -> str:
    return content.content if isinstance(content.content, str) else memory_contents.text(content)
