"""Long-term memory for LLM agents, in the PostgreSQL you already run."""

from memgpt.memory import Memory

__all__ = ["Memory"]
