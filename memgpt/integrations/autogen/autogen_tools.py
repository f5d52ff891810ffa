"""The tools of a memory for AutoGen's agents."""

from __future__ import annotations

from inspect import getdoc

from autogen_core.tools import FunctionTool

from memgpt.agent.toolbox import memory_functions
from memgpt.memory import Memory


def memory_tools(memory: Memory) -> list[FunctionTool]:
    """Return the tools by which an agent reads and changes its memory, for ``AssistantAgent(tools=…)``: core memory,
    archival memory, documents, facts and conversations. They work in threads."""
    return [FunctionTool(function, getdoc(function) or "") for function in memory_functions(memory, lambda: None)]
