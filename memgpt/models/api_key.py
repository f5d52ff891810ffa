"""Keys of the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Permission = Literal["read", "write", "admin", "metrics"]
"""What a key of the service may do; admin is forgetting for good."""

PERMISSIONS: tuple[Permission, ...] = ("read", "write", "admin", "metrics")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the service, without its secret, which nobody has but its holder."""

    key_id: str
    name: str
    permissions: list[Permission]
    agents: list[str]
    """Agents the key may touch: exact names, or beginnings that end in ``*``."""
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None
    """The key this one was rotated from."""
