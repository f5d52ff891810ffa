"""LangGraph: its stores over a memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.langgraph.stores import AsyncMemgptStore, MemgptStore
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "langgraph", "langgraph", "memgpt.integrations.langgraph") from error

__all__ = ["AsyncMemgptStore", "MemgptStore"]
