"""Claude's memory tool over the files of a memory."""

from memgpt.integrations.anthropic.memory_tool import AsyncMemoryTool, MemoryTool

__all__ = ["AsyncMemoryTool", "MemoryTool"]
