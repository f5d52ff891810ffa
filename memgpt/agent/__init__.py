"""An agent that manages its own memory: the loop of MemGPT (arXiv 2310.08560) for models that call tools."""

from memgpt.agent.events import Cut, Ended, Event, Evicted, Pressure, Restarted, Text, ToolCalled, ToolReturned, Turn
from memgpt.agent.loop import Agent, TurnLimits
from memgpt.agent.request import Inspection

__all__ = [
    "Agent",
    "Cut",
    "Ended",
    "Event",
    "Evicted",
    "Inspection",
    "Pressure",
    "Restarted",
    "Text",
    "ToolCalled",
    "ToolReturned",
    "Turn",
    "TurnLimits",
]
