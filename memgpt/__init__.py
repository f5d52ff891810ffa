"""Long-term memory for LLM agents, in the PostgreSQL you already run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memgpt.agent import Agent
    from memgpt.agents.agents import Agents
    from memgpt.memory import Memory

__all__ = ["Agent", "Agents", "Memory"]

_HOMES = {"Agent": "memgpt.agent", "Agents": "memgpt.agents.agents", "Memory": "memgpt.memory"}


def __getattr__(name: str) -> object:
    """Load a name on first use: the command line shows its help without the database driver and NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'memgpt' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
