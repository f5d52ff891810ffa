"""Cutting a text into chunks along its own structure, with exact positions and the headings above each."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from semantic_text_splitter import MarkdownSplitter, TextSplitter

CHUNK_TOKENS: Final = 256
"""Most tokens of a chunk."""

MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NO_TITLE = re.compile(r"\s*($|[-*+>|#]|\d+[.)]\s)")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: ``text[char_start:char_end]`` is ``chunk_text``."""

    chunk_text: str
    char_start: int
    char_end: int
    heading_path: Sequence[str]
    """The headings it stands under, outermost first."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A Markdown heading; its line, or its two lines, are ``text[start:end]``."""

    start: int
    end: int
    level: int
    path: Sequence[str]
    """Its title, after the titles of the headings it stands under."""

    @property
    def title(self) -> str:
        return self.path[-1]


def spans(
    text: str, count_tokens: Callable[[str], int], *, media_type: str, tokens: int = CHUNK_TOKENS
) -> Sequence[Span]:
    """The chunks of a text, in order; blank stretches belong to none."""
    markdown = media_type == MARKDOWN
    splitter = (MarkdownSplitter if markdown else TextSplitter).from_callback(count_tokens, tokens)
    outline = headings(text) if markdown else ()
    return [
        Span(chunk, start, start + len(chunk), _path(outline, text, start, start + len(chunk)))
        for start, chunk in splitter.chunk_indices(text)
    ]


def headings(text: str) -> Sequence[Heading]:
    """The headings of a Markdown text, in order; those inside fenced code are not headings."""
    outline: list[Heading] = []
    above: list[tuple[int, str]] = []
    for start, end, level, title in _headings(text):
        above = [*((depth, name) for depth, name in above if depth < level), (level, title)]
        outline.append(Heading(start, end, level, tuple(name for _, name in above)))
    return outline


def _headings(text: str) -> Iterator[tuple[int, int, int, str]]:
    """Start, end, level and title."""
    fence = ""
    before, before_start = "", 0  # a line that would be a title if the next one underlines it
    start = 0
    for line in text.splitlines(keepends=True):
        body, end = line.rstrip("\r\n"), start + len(line)
        mark = _FENCE.match(body)
        if fence:
            if mark and mark[1].startswith(fence) and not body.strip().strip(fence[0]):
                fence = ""
            before = ""
        elif mark:
            fence, before = mark[1], ""
        elif atx := _ATX.match(body):
            if atx[2]:
                yield start, end, len(atx[1]), atx[2]
            before = ""
        elif before and (underline := _UNDERLINE.match(body)):
            yield before_start, end, 1 if underline[1][0] == "=" else 2, before.strip()
            before = ""
        else:
            before, before_start = ("" if _NO_TITLE.match(body) else body), start
        start = end


def _path(outline: Sequence[Heading], text: str, start: int, end: int) -> Sequence[str]:
    """The headings over a chunk's first words that are not a heading themselves."""
    above = bisect_right(outline, start, key=lambda heading: heading.start)
    while above < len(outline):
        heading = outline[above]
        if heading.start >= end or text[max(start, above and outline[above - 1].end) : heading.start].strip():
            break
        above += 1
    return outline[above - 1].path if above else ()
