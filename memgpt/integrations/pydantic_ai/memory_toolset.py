"""The tools of a memory as a toolset of Pydantic AI."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic_ai import FunctionToolset, ModelRetry
from pydantic_ai.tools import AgentDepsT

from memgpt.agent.toolbox import memory_functions
from memgpt.async_memory import ThreadedMemory
from memgpt.errors import InputError
from memgpt.memory import Memory


class MemgptToolset(FunctionToolset[AgentDepsT]):
    """The tools by which an agent reads and changes its memory, with the memory's blocks as instructions.

    What a value of a call does wrong is told to the model, which may try again. The tools work in threads.

    Args:
        memory: whose tools they are.
        id: the toolset's id, which durable execution needs.
    """

    def __init__(self, memory: Memory, *, id: str | None = None) -> None:
        threads = ThreadedMemory(memory)

        async def core_memory() -> str:
            return await threads.run(lambda memory: memory.context(recent=0).text)

        functions = [_retried(function) for function in memory_functions(memory, lambda: None)]
        super().__init__(functions, docstring_format="google", instructions=core_memory, id=id)


def _retried(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> str:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise ModelRetry(str(error)) from error

    return call
