"""Transcripts of coding agents, as far as they were not kept yet: files of JSON lines that grow during a session.

How far one was read is kept in a file beside the settings of memgpt, not told from the messages that are stored: what
was forgotten since is not kept again.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from memgpt.models import Json

PIECE: Final = 4 * 2**20
"""Bytes that are read, and kept, at once."""


def pieces(transcript: Path, seen: Path) -> Iterator[list[Json]]:
    """Yield the messages that a transcript has got since it was last read, in pieces. A piece is read when the next is
    asked for; a process that ends before reads it again. Other processes wait.

    Args:
        seen: the file with the number of bytes that were read.
    """
    seen.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with seen.open("a+", encoding="ascii") as place, transcript.open("rb") as file:
        fcntl.flock(place, fcntl.LOCK_EX)
        read = _read(place)
        if read > transcript.stat().st_size:  # another file by now
            read = 0
        file.seek(read)
        while lines := file.readlines(PIECE):
            messages = [_message(line) for line in lines]
            if not lines[-1].endswith(b"\n") and messages[-1] is None:  # still being written
                lines.pop()
                messages.pop()
            if said := [message for message in messages if message]:
                yield said
            read += sum(map(len, lines))
            _write(place, read)


def _message(line: bytes) -> Json | None:
    """Return what a line says; an empty object for what is no message, None for what is no JSON."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    said = isinstance(row, dict) and row.get("type") in ("user", "assistant") and row.get("message")
    return row if said and row.get("uuid") and row.get("sessionId") and not row.get("isMeta") else {}


def _read(place: TextIO) -> int:
    place.seek(0)
    text = place.read()
    return int(text) if text.isdecimal() else 0


def _write(place: TextIO, read: int) -> None:
    place.seek(0)
    place.truncate()
    place.write(str(read))
    place.flush()
