"""What Claude's memory tool shows of files and directories, and what it makes of their contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from memgpt.errors import InputError

MAX_LINES: Final = 999_999
_WIDTH: Final = len(str(MAX_LINES))
_DEPTH: Final = 2
"""Levels of a directory that are listed."""
_AROUND: Final = 2
"""Lines that are shown on both sides of an edit."""
_PLACES: Final = 1000
"""Occurrences of a text that an error names."""
_UNITS: Final = "BKMG"


def file(shown: str, content: str, view_range: Sequence[int] | None) -> str:
    """Show the lines of a file with their numbers, or those from one to another; -1 is the last."""
    lines = content.split("\n")
    if len(lines) > MAX_LINES:
        raise InputError(f"File {shown} exceeds maximum line limit of 999,999 lines.")
    start, end = 0, len(lines)
    if view_range and len(view_range) == 2:
        start = max(1, view_range[0]) - 1
        end = len(lines) if view_range[1] == -1 else view_range[1]
    numbered = "\n".join(_numbered(lines[start:end], start + 1))
    return f"Here's the content of {shown} with line numbers:\n{numbered}"


def directory(shown: str, path: str, entries: Iterable[tuple[str, int]]) -> str:
    """Show what lies in a directory; ``entries`` are path and size of every file below it."""
    sizes: dict[tuple[str, ...], int] = {(): 0}
    files = set()
    for entry, size in entries:
        parts = tuple(entry[len(path) + 1 :].split("/"))
        files.add(parts)
        for depth in range(len(parts) + 1):
            sizes[parts[:depth]] = sizes.get(parts[:depth], 0) + size
    lines = [f"{_size(sizes.pop(()))}\t{shown}"]
    for parts, size in sorted(sizes.items()):
        if len(parts) <= _DEPTH and not any(part.startswith(".") for part in parts):
            lines.append(f"{_size(size)}\t{shown}/{'/'.join(parts)}{'' if parts in files else '/'}")
    header = f"Here're the files and directories up to 2 levels deep in {shown}, excluding hidden items:"
    return "\n".join([header, *lines])


def replaced(shown: str, content: str, old: str, new: str) -> tuple[int, str]:
    """Replace a text that occurs once; return the line it began in, from 0, and the new content."""
    count = content.count(old)
    if count == 0:
        raise InputError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {shown}.")
    if count > 1:
        lines = ", ".join(map(str, islice(_lines_with(content, old), _PLACES)))
        raise InputError(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {lines}. "
            "Please ensure it is unique"
        )
    return content.count("\n", 0, content.find(old)), content.replace(old, new)


def snippet(content: str, line: int) -> str:
    """Show the lines around one, with their numbers."""
    first = max(0, line - _AROUND)
    return "\n".join(_numbered(content.split("\n")[first : line + _AROUND + 1], first + 1))


def inserted(content: str, line: int, text: str) -> tuple[int, str]:
    """Insert a text after a line, 0 for the beginning; return the line and the new content, which ends with a line
    break."""
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    if line < 0 or line > len(lines):
        raise InputError(f"Invalid `insert_line` parameter: {line}. It should be within the range [0, {len(lines)}].")
    lines.insert(line, text.rstrip("\n"))
    joined = "\n".join(lines)
    return line, joined if joined.endswith("\n") else f"{joined}\n"


def _numbered(lines: Iterable[str], first: int) -> Iterator[str]:
    for number, line in enumerate(lines, start=first):
        yield f"{number:>{_WIDTH}}\t{line}"


def _lines_with(content: str, text: str) -> Iterator[int]:
    """Yield the line of each occurrence, those that overlap included."""
    line, counted, place = 1, 0, content.find(text)
    while place >= 0:
        line += content.count("\n", counted, place)
        counted = place
        yield line
        place = content.find(text, place + 1)


def _size(size: int) -> str:
    if size == 0:
        return "0B"
    unit = min((size.bit_length() - 1) // 10, len(_UNITS) - 1)
    number = size / 1024**unit
    return f"{int(number)}{_UNITS[unit]}" if number == int(number) else f"{number:.1f}{_UNITS[unit]}"
