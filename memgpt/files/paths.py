"""Paths of files: absolute, with slashes, in NFC. What is written without a slash in front lies below ``/memories``."""

from __future__ import annotations

import re
from typing import Final

from memgpt import validation
from memgpt.errors import InputError

HOME: Final = "/memories"
"""Directory of Claude's memory tool."""

ROOT: Final = "/"
MAX_PATH: Final = 1000
"""Characters, and bytes in UTF-8."""

UNPRINTABLE: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, ends of lines, and what hides or turns the characters around it, as a regex names them."""
_UNPRINTABLE: Final = re.compile(f"[{UNPRINTABLE}]")

MAX_BYTES: Final = 5 * 1024 * 1024
"""Of a content in UTF-8."""


def path(value: object, what: str = "path") -> str:
    """Check the path of a file."""
    checked = validation.name(value, what, most=MAX_PATH)
    absolute = checked if checked.startswith("/") else f"{HOME}/{checked}"
    if len(absolute.encode()) > MAX_PATH:
        raise InputError(f"{what} {absolute!r} has more than {MAX_PATH:,} bytes in UTF-8")
    for part in absolute[1:].split("/"):
        if part in ("", ".", ".."):
            raise InputError(f"{what} {value!r} has a part {part!r}: give the path of a file, such as {HOME}/notes.md")
        if _UNPRINTABLE.search(part):
            raise InputError(f"{what} {value!r} has characters that cannot be printed")
    return absolute


def directory(value: object, what: str = "directory") -> str:
    """Check the path of a directory; ``/`` is the one that holds all."""
    if isinstance(value, str) and value.strip("/") == "" and value:
        return ROOT
    return path(value.rstrip("/") if isinstance(value, str) else value, what)


def name(path: str) -> str:
    """Return the last part of a path without its extension."""
    last = path.rpartition("/")[2]
    stem, dot, _ = last.rpartition(".")
    return stem if dot and stem else last


def parents(path: str) -> list[str]:
    """Return the directories a path lies in, the innermost first."""
    found = []
    while path := path.rpartition("/")[0]:
        found.append(path)
    return found
