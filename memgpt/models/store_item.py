"""Store items: values at a namespace and a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from memgpt.models.json_object import Json


@dataclass(frozen=True, slots=True)
class StoreItem:
    """A value an application keeps at a namespace and a key."""

    id: int
    namespace: list[str]
    """Labels, the outermost first."""
    key: str
    value: Json
    text: str
    """What search finds it by; empty where nothing does."""
    ttl_minutes: float | None
    """How long it lives after it was last read or written; None: until it is deleted."""
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item that a search within a namespace found."""

    item: StoreItem
    score: float | None = None
    """Higher is better; None where nothing was searched by meaning."""
