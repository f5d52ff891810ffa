"""Server-sent events of an upstream, passed on as they came."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final

_BOUNDARY: Final = re.compile(rb"\r?\n\r?\n|\r\r")
_LONGEST_BOUNDARY: Final = 4


async def events(pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the events of a body, each with the blank line that ends it; what is left without one is half an event,
    unless the body ends behind its last line."""
    buffer = bytearray()
    async for piece in pieces:
        start = max(0, len(buffer) - _LONGEST_BOUNDARY)
        buffer += piece
        while boundary := _BOUNDARY.search(buffer, start):
            yield bytes(buffer[: boundary.end()])
            del buffer[: boundary.end()]
            start = 0
    if _is_whole(data_of(bytes(buffer))):
        yield bytes(buffer) + b"\n\n"


def data_of(event: bytes) -> str:
    """Return the data of an event, without the other fields and the comments."""
    lines = (line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(lines).decode("utf-8", "replace").strip()


def event(data: Any, name: str | None = None) -> bytes:
    """Write an event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def _is_whole(data: str) -> bool:
    if data == "[DONE]":
        return True
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
