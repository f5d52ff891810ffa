"""Google's Agent Development Kit: its memory service over one database, a memory for each user of an app."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.google_adk.memory_service import MemgptMemoryService, agent_of
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "google-adk", "google-adk", "memgpt.integrations.google_adk") from error

__all__ = ["MemgptMemoryService", "agent_of"]
