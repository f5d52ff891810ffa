"""Reply of a model, put together from the events of a stream or taken whole."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from memgpt.server.protocols.said import Said


class Reply(ABC):
    """Reads the events of one protocol. What is none of the protocol's says nothing."""

    def __init__(self) -> None:
        self.finished = False
        """All of the reply was there."""
        self.failed = False
        """The upstream said itself that it failed."""

    def add(self, data: str) -> bool:
        """Read the data of an event. True if it is the last one of a stream, which is passed on once the reply is kept:
        behind it a client may ask again."""
        value = loaded(data)
        return self.read(value) if isinstance(value, dict) else False

    @abstractmethod
    def read(self, event: dict[str, Any]) -> bool:
        """Read an event; return whether it is the last one."""

    @abstractmethod
    def so_far(self) -> Said | None:
        """Return the message of the events read so far; None if it says nothing."""

    @abstractmethod
    def ending(self) -> bytes:
        """Return the event that ends a stream of a finished reply which the upstream did not end."""

    @abstractmethod
    def broken_off(self, message: str) -> bytes:
        """Return the events that tell a client of a reply which did not come to its end."""

    def said(self) -> Said | None:
        """Return the message; of an interrupted one the text only, for a part of a call is none."""
        message = self.so_far()
        if message is None or self.finished:
            return message
        return replace(message, tool_calls=(), ids=(), interrupted=True) if message.content.strip() else None


def loaded(text: str | bytes) -> Any:
    """Return the value of a JSON text; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
