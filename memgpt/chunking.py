"""Cutting a text into chunks along its own structure, with exact positions and the headings above each."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Final
from zlib import crc32

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from memgpt.embeddings.static import tokenizer

CHUNK_TOKENS: Final = 256
"""Most tokens of a chunk."""

OVERLAP_TOKENS: Final = 32
"""Most tokens at the end of a chunk that the next one begins with, where a section is cut."""

SMALLEST_SECTION: Final = 200
"""Characters; a shorter one is joined to the next."""

LARGEST_SECTION: Final = 6000
"""Characters; a longer one is cut between paragraphs, else between lines or words."""

MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]++(.*+)")
_UNDERLINE = re.compile(r"^ {0,3}(=++|-{2,}+)[ \t]*+$")
_FENCE = re.compile(r"^ {0,3}(`{3,}+|~{3,}+)")
_CODE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^(\|.*+)\n\|[ :|-]++\n(?:\|.*+(?:\n|\Z))*+", re.MULTILINE)
_BEGINNING = re.compile(r"(?:(?<=\n\n)(?=[^\n|])|(?<=\n)(?=\|)).*")
_BLANK = re.compile(r"\s{64,}+")
_PARAGRAPHS: Final = 7
"""One paragraph in eight begins a section, ..."""
_ROWS: Final = 63
"""... and one table row in 64."""
_NO_TITLE = re.compile(r"^\s*+($|[-*+>|#]|\d++[.)]\s)")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: ``text[char_start:char_end]`` is ``chunk_text``."""

    chunk_text: str
    char_start: int
    char_end: int
    heading_path: Sequence[str]
    """The headings it stands under, outermost first."""
    table_header: str | None = None
    """The first row of the table it goes on with, which an earlier chunk holds."""


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


def spans(text: str, *, media_type: str, tokens: int = CHUNK_TOKENS, overlap: int = OVERLAP_TOKENS) -> Sequence[Span]:
    """The chunks of a text, in order; blank stretches belong to none. Neighbours share up to ``overlap`` tokens.

    The text falls into sections first, and no chunk crosses from one into the next. Where a section begins depends
    on the words around that place only, so an edit moves the chunks of its own section and leaves the others alone.
    """
    markdown = media_type == MARKDOWN
    splitter = _splitter(markdown, tokens, overlap)
    outline = headings(text) if markdown else ()
    headers = _table_headers(text) if markdown else ()
    result: list[Span] = []
    for first, last in pairwise([*_sections(text, outline), len(text)]):
        for begin, stretch in _stretches(text, first, last):
            for offset, chunk in splitter.chunk_indices(stretch):
                start = begin + offset
                end = start + len(chunk)
                result.append(Span(chunk, start, end, _path(outline, text, start, end), _header(headers, start)))
    return result


def _stretches(text: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """What stands between long runs of white space, on which the splitter takes time with the square of them."""
    for blank in _BLANK.finditer(text, first, last):
        yield first, text[first : blank.start()]
        first = blank.end()
    yield first, text[first:last]


@cache
def _splitter(markdown: bool, tokens: int, overlap: int) -> MarkdownSplitter | TextSplitter:
    """Making one copies the whole vocabulary (0.1 s)."""
    kind = MarkdownSplitter if markdown else TextSplitter
    return kind.from_huggingface_tokenizer(tokenizer(), tokens, overlap)


def _sections(text: str, outline: Sequence[Heading]) -> Sequence[int]:
    """Where the sections begin: at headings, and at the paragraphs and table rows a hash of their words picks."""
    code = [match.span() for match in _CODE.finditer(text)] if outline or "```" in text or "~~~" in text else []
    picked = [
        match.start()
        for match in _BEGINNING.finditer(text)
        if not crc32(match[0][:80].encode()) & (_ROWS if match[0][0] == "|" else _PARAGRAPHS)
    ]
    starts = [0]
    inside = iter(code)
    fence = next(inside, None)
    for start in sorted({*picked, *(heading.start for heading in outline)}):
        while fence and fence[1] <= start:
            fence = next(inside, None)
        if start - starts[-1] >= SMALLEST_SECTION and not (fence and fence[0] < start):
            starts += [*_forced(text, starts[-1], start), start]
    return [*starts, *_forced(text, starts[-1], len(text))]


def _forced(text: str, first: int, last: int) -> Iterator[int]:
    """Cuts in a section that is too long: the splitter's time grows with the square of its length."""
    while last - first > LARGEST_SECTION:
        least, most = first + LARGEST_SECTION // 2, first + LARGEST_SECTION
        found = (_after(mark, text, least, most) for mark in ("\n\n", "\n", " "))
        cuts = next(filter(None, found), [most])
        first = min(cuts, key=lambda cut: crc32(text[cut : cut + 80].encode()))  # the same place after an edit
        yield first


def _after(mark: str, text: str, least: int, most: int) -> Sequence[int]:
    pieces = text[least:most].split(mark)[:-1]
    return [least + end for end in accumulate(len(piece) + len(mark) for piece in pieces)]


def _table_headers(text: str) -> Sequence[tuple[int, int, str]]:
    """First character, end and header line of each table, in order."""
    return [(match.start(), match.end(), match[1]) for match in _TABLE.finditer(text)]


def _header(tables: Sequence[tuple[int, int, str]], start: int) -> str | None:
    """The header of the table that is cut at ``start``."""
    at = bisect_left(tables, start, key=lambda table: table[0]) - 1
    return tables[at][2] if at >= 0 and start < tables[at][1] else None


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
            if title := _without_closing(atx[2]):
                yield start, end, len(atx[1]), title
            before = ""
        elif before and (underline := _UNDERLINE.match(body)):
            yield before_start, end, 1 if underline[1][0] == "=" else 2, before.strip()
            before = ""
        else:
            before, before_start = ("" if _NO_TITLE.match(body) else body), start
        start = end


def _without_closing(title: str) -> str:
    """The text of a heading that may end in number signs of its own: ``## Title ##``."""
    title = title.rstrip(" \t")
    shorter = title.rstrip("#")
    return shorter.rstrip(" \t") if shorter.endswith((" ", "\t")) else title


def _path(outline: Sequence[Heading], text: str, start: int, end: int) -> Sequence[str]:
    """The headings over a chunk's first words that are not a heading themselves."""
    above = bisect_right(outline, start, key=lambda heading: heading.start)
    while above < len(outline):
        heading = outline[above]
        if heading.start >= end or text[max(start, above and outline[above - 1].end) : heading.start].strip():
            break
        above += 1
    return outline[above - 1].path if above else ()


def context(title: str, heading_path: Sequence[str], table_header: str | None) -> str:
    """What a reader of the whole document would know on reaching a chunk; it is embedded in front of it."""
    names = [title, *heading_path] if title and [*heading_path[:1]] != [title] else heading_path
    return "\n".join(part for part in (" > ".join(names), table_header) if part)
