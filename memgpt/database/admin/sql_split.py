"""SQL text cut into its statements, so that each can be sent on its own (Citus takes one DDL statement at a time)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memgpt.errors import MigrationError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]*)
    | (?P<comment>/\*)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*+' | '(?:[^']|'')*+' | "(?:[^"]|"")*+")
    | (?P<dollar>\$(?P<tag>[^\W\d][^\W]*|)\$.*?\$(?P=tag)\$)
    | (?P<word>(?![eE]')[^\W\d][\w$]*)
    | (?P<number>\d[\w.$]*)
    | (?P<end>;)
    | (?P<open>[eE]?['"]|\$(?:[^\W\d][^\W]*)?\$)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One statement without its semicolon, and the line of its first word."""

    text: str
    line: int

    @property
    def summary(self) -> str:
        """The first line, short enough to show while it runs."""
        return " ".join(self.text.split("\n", 1)[0].split())[:100]


def split(source: str) -> list[SqlStatement]:
    """Split a file into statements. Comments between them are dropped, comments inside kept.

    Raises:
        MigrationError: a string, quoted name, dollar quote or comment never ends.
    """
    statements = []
    start: int | None = None
    depth, previous = 0, ""
    for kind, begin, end in _tokens(source):
        if kind in ("space", "comment"):
            continue
        if kind == "end" and depth == 0:
            if start is not None:
                statements.append(SqlStatement(source[start:begin].rstrip(), source.count("\n", 0, start) + 1))
            start, previous = None, ""
            continue
        if start is None:
            start = begin
        word = source[begin:end].upper() if kind == "word" else ""
        depth += _nesting(previous, word, depth)
        previous = word
    if start is not None:
        statements.append(SqlStatement(source[start:].rstrip(), source.count("\n", 0, start) + 1))
    return statements


def _nesting(previous: str, word: str, depth: int) -> int:
    """Return how a word changes the depth of a SQL-standard function body (BEGIN ATOMIC ... CASE ... END ... END)."""
    if depth == 0:
        return int(previous == "BEGIN" and word == "ATOMIC")
    return {"CASE": 1, "END": -1}.get(word, 0)


def _tokens(source: str) -> Iterator[tuple[str, int, int]]:
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        assert match is not None  # noqa: S101 - the last alternative takes any character
        kind, end = match.lastgroup or "", match.end()
        if kind == "comment":
            end = _comment_end(source, position)
        if kind == "open":
            raise _unfinished(source, position)
        yield kind, position, end
        position = end


def _comment_end(source: str, start: int) -> int:
    """Return the end of a block comment; they nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(source, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _unfinished(source, start)


def _unfinished(source: str, position: int) -> MigrationError:
    line = source.count("\n", 0, position) + 1
    return MigrationError(f"line {line}: what {source[position : position + 2]!r} opens is never closed")
