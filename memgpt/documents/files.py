"""The files that a run reads: those named, and those that a walk through the named directories finds."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import glob as expand
from pathlib import Path
from typing import Final

from memgpt.documents.formats.media_types import NO_TEXT

MOST_BYTES: Final = 100 * 2**20
"""Size of the largest file that is read."""

_UNKNOWN: Final = "\ufffd"
_SURROGATE = re.compile("[\udc80-\udcff]")
"""How Python holds the bytes of a path that are not UTF-8."""
_NAMED = re.compile(f"{_UNKNOWN}(?:{_UNKNOWN}|([89A-F][0-9A-F]))")


@dataclass(frozen=True, slots=True)
class FileCandidate:
    """A file to read, or one that is not read and why."""

    path: Path
    refused: str | None = None
    skipped: str | None = None
    """Set, instead of ``refused``, for a file nobody asked for by name and nobody would want."""


def find(paths: Sequence[Path], *, glob: Sequence[str] = (), exclude: Sequence[str] = ()) -> Iterator[FileCandidate]:
    """Each file once, in order. ``glob`` and ``exclude`` are patterns for what a walk finds.

    A pattern with a slash is for the path below the directory, one without for the name. Hidden files and
    directories are passed over. A link that leads out of its directory is refused.
    """
    seen: set[Path] = set()
    for candidate in _named(paths, glob, exclude):
        real = _real(candidate.path)
        if real not in seen:
            seen.add(real)
            yield candidate


def _named(paths: Sequence[Path], glob: Sequence[str], exclude: Sequence[str]) -> Iterator[FileCandidate]:
    for path in paths:
        if path.is_dir():
            yield from _walk(path, glob, exclude)
        elif any(mark in str(path) for mark in "*?[") and not path.exists():
            matches = sorted(expand(str(path), recursive=True))
            yield from (checked(Path(match)) for match in matches if not Path(match).is_dir())
            if not matches:
                yield FileCandidate(path, refused="no file matches")
        else:
            yield checked(path)


def _walk(root: Path, glob: Sequence[str], exclude: Sequence[str]) -> Iterator[FileCandidate]:
    errors: list[OSError] = []
    inside = root.resolve()
    for folder, folders, names in os.walk(root, onerror=errors.append):
        for error in errors:
            yield FileCandidate(Path(error.filename), refused=f"unreadable: {error.strerror}")
        errors.clear()
        here = Path(folder)
        linked = [name for name in folders if (here / name).is_symlink() and not name.startswith(".")]
        yield from (FileCandidate(here / name, refused=_OUTSIDE) for name in linked if not _within(here / name, inside))
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _matches(here / name, root, exclude)
        )
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or (glob and not _matches(path, root, glob)) or _matches(path, root, exclude):
                continue
            yield _beneath(path, inside)
    for error in errors:
        yield FileCandidate(Path(error.filename), refused=f"unreadable: {error.strerror}")


_OUTSIDE: Final = "a link that leads out of the directory"


def _beneath(path: Path, inside: Path) -> FileCandidate:
    if path.is_symlink() and not _within(path, inside):
        return FileCandidate(path, refused=_OUTSIDE)
    if path.suffix.lower() in NO_TEXT:
        return FileCandidate(path, skipped="not a text: a picture, sound, font or program by its name")
    return checked(path)


def _within(path: Path, inside: Path) -> bool:
    return _real(path).is_relative_to(inside)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return path.absolute()


def _matches(path: Path, root: Path, patterns: Sequence[str]) -> bool:
    below = path.relative_to(root).as_posix()
    return any(fnmatch(below if "/" in pattern else path.name, pattern.replace("**/", "*")) for pattern in patterns)


def checked(path: Path) -> FileCandidate:
    """Return a regular file of bearable size; refuse anything else, for reading a pipe could wait for ever."""
    try:
        status = path.stat()
    except OSError as error:
        return FileCandidate(path, refused=f"unreadable: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return FileCandidate(path, refused="not a regular file")
    if status.st_size == 0:
        return FileCandidate(path, refused="empty: there is no text in it")
    if status.st_size > MOST_BYTES:
        return FileCandidate(
            path, refused=f"too large: {status.st_size:,} bytes; the limit is {MOST_BYTES:,}: split it"
        )
    return FileCandidate(path)


def source_name(path: str | Path) -> str:
    """Return a path as a text that can be stored: a byte that is not UTF-8 becomes U+FFFD and its two hex digits.

    U+FFFD itself is doubled, so that no two paths have one name, and :func:`path_of` finds the file again.
    """
    name = str(path).replace(_UNKNOWN, _UNKNOWN * 2)
    return _SURROGATE.sub(lambda byte: f"{_UNKNOWN}{ord(byte[0]) - 0xDC00:02X}", name)


def path_of(source: str) -> Path:
    """Return the path that has this name; the inverse of :func:`source_name`."""
    return Path(_NAMED.sub(lambda found: chr(0xDC00 + int(found[1], 16)) if found[1] else _UNKNOWN, source))
