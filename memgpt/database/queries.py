"""Named SQL: the ``.sql`` file beside a module, cut into its ``-- name --`` blocks, and what completes them.

A block may have holes, ``{name}``, for what is no parameter: another block, names of columns and tables, a literal.
:func:`compose` fills them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from psycopg import sql

_HOLE: Final = re.compile(rb"\{(\w+)\}")
_PARAMETER = re.compile(rb"%%|%\((?P<name>\w+)\)s")
_BLOCK = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


class Queries:
    """The queries of one ``.sql`` file, as attributes: ``SQL.insert_message``.

    Values are bytes, which psycopg sends (and remembers as prepared statements) without composing them again.
    """

    def __init__(self, source: str, origin: str) -> None:
        parts = _BLOCK.split(source)
        self._origin = origin
        self._names = parts[1::2]
        if len(set(self._names)) != len(self._names):
            raise ValueError(f"{origin} has two queries of one name")
        vars(self).update(zip(self._names, map(_statement, parts[2::2]), strict=True))

    def __getattr__(self, name: str) -> bytes:
        raise AttributeError(f"{self._origin} has no query named {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


def _statement(body: str) -> bytes:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";").encode()


class NumberedStatement(bytes):
    """A statement with ``$1`` and so on for its parameters, which remembers how it was written."""

    named: bytes
    names: tuple[str, ...]


@cache
def numbered(statement: bytes) -> NumberedStatement:
    """Return a statement with numbers in the places of its named parameters.

    For long statements: psycopg splits one of more than 4,096 bytes anew at each call.
    """
    names: dict[str, int] = {}

    def number(match: re.Match[bytes]) -> bytes:
        if match["name"] is None:
            return b"%"
        return b"$%d" % names.setdefault(match["name"].decode(), len(names) + 1)

    result = NumberedStatement(_PARAMETER.sub(number, statement))
    result.named, result.names = statement, tuple(names)
    return result


@lru_cache(maxsize=1000)
def compose(template: bytes, **parts: bytes) -> bytes:
    """Return a statement whose holes are filled with these parts.

    Raises:
        KeyError: there is no part for a hole.
    """
    return fill(template, parts.__getitem__)


@lru_cache(maxsize=1000)
def compose_partly(template: bytes, **parts: bytes) -> bytes:
    """Return a template of which these holes are filled, and others are left."""
    return fill(template, lambda name: parts.get(name, b"{%s}" % name.encode()))


def fill(template: bytes, part: Callable[[str], bytes]) -> bytes:
    """Return a statement whose holes are filled by what is asked for each name."""
    return _HOLE.sub(lambda hole: part(hole[1].decode()), template)


@lru_cache(maxsize=1000)
def identifier(*names: str) -> bytes:
    """Return a name, as of a table in its schema or of a column under an alias, quoted."""
    return sql.Identifier(*names).as_bytes(None)


def identifiers(names: Iterable[str], alias: str | None = None) -> bytes:
    """Return columns one after the other, of an alias if one is given."""
    return b", ".join(identifier(name) if alias is None else identifier(alias, name) for name in names)


@lru_cache(maxsize=1000, typed=True)
def literal(value: str | int | None) -> bytes:
    """Return a constant, quoted."""
    return sql.Literal(value).as_bytes(None)


def beside(module: str) -> Queries:
    """Return the queries of the ``.sql`` file that has a module's name: call it with ``__name__``."""
    package, _, noun = module.rpartition(".")
    file = resources.files(package) / f"{noun}.sql"
    return Queries(file.read_text(encoding="utf-8"), f"{noun}.sql")
