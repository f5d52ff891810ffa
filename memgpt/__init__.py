"""Long-term memory for LLM agents, in the PostgreSQL you already run."""

from memgpt.agent import Agent
from memgpt.agents import Agents
from memgpt.memory import Memory

__all__ = ["Agent", "Agents", "Memory"]
