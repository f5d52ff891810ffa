"""OpenAI's Agents SDK: its ``Session`` over a conversation of a memory, and the memory's tools."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.openai_agents.agent_session import MemgptSession
    from memgpt.integrations.openai_agents.function_tools import memory_tools
except ModuleNotFoundError as error:
    raise MissingExtraError("openai-agents", "openai-agents", "memgpt.integrations.openai_agents") from error

__all__ = ["MemgptSession", "memory_tools"]
