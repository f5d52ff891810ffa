"""LangGraph: a store and a checkpointer in a memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.langgraph.checkpoints import MemgptSaver
    from memgpt.integrations.langgraph.stores import AsyncMemgptStore, MemgptStore
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "langgraph", "langgraph", "memgpt.integrations.langgraph") from error

__all__ = ["AsyncMemgptStore", "MemgptSaver", "MemgptStore"]
