"""The content of a transcript file: JSON, lines of JSON, or text; large files are read while they are imported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import ijson

from memgpt.documents.formats import encodings
from memgpt.errors import InputError
from memgpt.models import Json

LARGE: Final = 32 * 2**20
"""Bytes of a file that is not held in memory as a whole."""

_PEEKED: Final = 20
"""Items that tell the shape of a list."""

_LISTS: Final = ("messages", "chats.list")
"""Where a large file whose root is an object has its items."""


@dataclass(slots=True)
class Source:
    """A list of items, or one object, or a text; the first of its items are at hand."""

    root: Json = field(default_factory=dict)
    """The object at the root, without its items where they are read one by one."""
    items: Iterable[Any] = ()
    first: tuple[Any, ...] = ()
    text: str | None = None
    lines: bool = False
    """Whether each item was a line."""


def of_items(items: Iterable[Any], *, root: Json | None = None, lines: bool = False) -> Source:
    rest = iter(items)
    first = tuple(islice(rest, _PEEKED))
    return Source(root or {}, chain(first, rest), first, lines=lines)


def open_source(path: Path) -> Source:
    """Open a file.

    Raises:
        InputError: it cannot be read, or is neither JSON nor lines of JSON nor a text.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(65536)
        if size > LARGE:
            return _stream(path, head)
        text = encodings.decode(path.read_bytes()).text
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if text.lstrip()[:1] not in ("{", "["):
            return Source(text=text)
        return of_items(_lines(path, text.splitlines()), lines=True)
    return of_value(value)


def of_value(value: Any) -> Source:
    """Wrap a value that was read from a file already."""
    return (
        Source(dict(value)) if isinstance(value, Mapping) else of_items(value if isinstance(value, list) else [value])
    )


def _stream(path: Path, head: bytes) -> Source:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"["):
        return of_items(_items(path, "item"))
    first_line, newline, rest = start.partition(b"\n")
    if newline and rest.lstrip().startswith(b"{") and _is_json(first_line):
        return of_items(_lines(path, _decoded_lines(path)), lines=True)
    if not start.startswith(b"{"):
        return Source(text=encodings.decode(path.read_bytes()).text)
    for place in _LISTS:
        source = of_items(_items(path, f"{place}.item"), root=_root(path, place))
        if source.first:
            return source
    with path.open("rb") as file:
        return of_value(json.load(file))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _root(path: Path, before: str) -> Json:
    """Return the texts and numbers at the root of an object, up to a list."""
    root: Json = {}
    with path.open("rb") as file:
        for prefix, event, value in ijson.parse(file, use_float=True):
            if prefix == before:
                break
            if event in ("string", "number") and "." not in prefix:
                root[prefix] = value
            elif event == "start_map" and prefix and "." not in prefix:
                root[prefix] = {}
            elif event in ("string", "number") and prefix.count(".") == 1:
                outer, _, inner = prefix.partition(".")
                if isinstance(root.get(outer), dict):
                    root[outer][inner] = value
    return root


def _items(path: Path, prefix: str) -> Iterator[Any]:
    with path.open("rb") as file:
        try:
            yield from ijson.items(file, prefix, use_float=True)
        except ijson.JSONError as error:
            raise InputError(f"{path} is not JSON: {error}") from None


def _decoded_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        yield from file


def _lines(path: Path, lines: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _line(path, number, line)


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{path}, line {number}: neither the file nor this line is JSON") from None
