"""CrewAI: a storage backend for its memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.crewai.crew_storage import MemgptStorage
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "crewai", "crewai", "memgpt.integrations.crewai") from error

__all__ = ["MemgptStorage"]
