"""The tools of a memory for the Agents SDK."""

from __future__ import annotations

from typing import Any

from agents import FunctionTool, RunContextWrapper, function_tool

from memgpt.agent.toolbox import memory_functions
from memgpt.errors import InputError
from memgpt.memory import Memory


def memory_tools(memory: Memory) -> list[FunctionTool]:
    """Return the tools by which an agent reads and changes its memory, for ``Agent(tools=…)``: core memory, archival
    memory, documents, facts and conversations. They work in threads."""
    return [
        function_tool(function, failure_error_function=_told) for function in memory_functions(memory, lambda: None)
    ]


def _told(context: RunContextWrapper[Any], error: Exception) -> str:
    """Tell the model what a value of its call did wrong; other errors are the application's."""
    del context
    if isinstance(error, InputError):
        return f"error: {error}"
    raise error
