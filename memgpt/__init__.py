"""Long-term memory for LLM agents, in the PostgreSQL you already run."""

from memgpt.agents import Agents
from memgpt.memory import Memory

__all__ = ["Agents", "Memory"]
