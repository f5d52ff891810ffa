"""AutoGen: its ``Memory`` over what an agent's memory knows, and the memory's tools."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.autogen.agent_memory import MemgptMemory, MemgptMemoryConfig
    from memgpt.integrations.autogen.autogen_tools import memory_tools
except ModuleNotFoundError as error:
    raise MissingExtraError("autogen-core", "autogen", "memgpt.integrations.autogen") from error

__all__ = ["MemgptMemory", "MemgptMemoryConfig", "memory_tools"]
