"""Pydantic AI: the memory's tools as a toolset, and its ``ConversationStore`` over the conversations of a memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.pydantic_ai.memory_toolset import MemgptToolset
    from memgpt.integrations.pydantic_ai.stored_conversations import MemgptConversationStore
except ModuleNotFoundError as error:
    raise MissingExtraError("pydantic-ai-slim", "pydantic-ai", "memgpt.integrations.pydantic_ai") from error

__all__ = ["MemgptConversationStore", "MemgptToolset"]
