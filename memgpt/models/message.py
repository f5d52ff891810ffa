"""Messages of conversations, their sessions and intents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memgpt.models.json_object import Json

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks in a message."""

ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Within a session the order is (created_at, id)."""

    id: int
    session: str
    role: str
    name: str | None
    """Who spoke, where the role does not say it all."""
    content: str
    intent: str | None
    intent_confidence: float | None
    tokens: int | None
    tool_calls: list[Json] | None
    tool_call_id: str | None
    metadata: Json
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation: its name, how many messages it has, when it began and when it was last added to."""

    session: str
    messages: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """Intent of a user's message, as a classifier sees it."""

    intent: str
    """A label, or ``unknown``."""
    confidence: float
    """From 0 to 1: how much more alike it is to the label's examples than to those of the others."""


@dataclass(frozen=True, slots=True)
class IntentCount:
    """Number of messages of an intent, and when they were."""

    intent: str
    messages: int
    first: datetime
    last: datetime
