"""Events of a turn, as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from memgpt.models import Json


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of what the assistant says."""

    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """The model failed while it spoke and is asked again: the text since the last step does not count."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model calls a tool; ``arguments`` is a text where it is not the JSON object it should be."""

    name: str
    arguments: Json | str


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """Result of a tool. Its effect and this result are committed together."""

    name: str
    result: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Pressure:
    """The window is nearly full; the model was told."""

    tokens: int
    budget: int


@dataclass(frozen=True, slots=True)
class Evicted:
    """The oldest messages left the window for a summary. They stay in recall memory."""

    messages: int
    summary: str
    by_model: bool
    """False when the model failed and the beginnings of the messages were taken instead."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer reached the most tokens one may have."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer to one user message."""

    id: int
    text: str
    status: str
    """done, stopped (a limit, a refusal, a loop), failed, cancelled."""
    reason: str | None
    steps: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None where the price of the model is not known."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of every turn."""

    turn: Turn


Event: TypeAlias = Text | Restarted | ToolCalled | ToolReturned | Pressure | Evicted | Cut | Ended
