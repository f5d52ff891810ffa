"""Cutting a text into chunks along its own structure, with exact positions and the headings above each."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise, takewhile
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

_LOOKED_FOR: Final = 200
"""Chunks that are looked for in what stayed: with more, cutting it anew is quicker."""

MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]++(.*+)")
_UNDERLINE = re.compile(r"^ {0,3}(=++|-{2,}+)[ \t]*+$")
_FENCE = re.compile(r"^ {0,3}(`{3,}+|~{3,}+)")
_CODE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,}).*?(?:^[ \t>]{0,12}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
"""Fenced code, also in a list or a quotation."""
_TABLE = re.compile(r"^(\|.*+)\n\|[ :|-]++\n(?:\|.*+(?:\n|\Z))*+", re.MULTILINE)
_BEGINNING = re.compile(r"(?:(?<=\n\n)(?=[^\n|])|(?<=\n)(?=\|)).*")
_BLANK = re.compile(r"\s{64,}+")
_PARAGRAPHS: Final = 7
"""One paragraph in eight begins a section, ..."""
_ROWS: Final = 63
"""... and one table row in 64."""
_CELL = re.compile(r"\|(?:\\.|[^|\\\n])*+")
"""A cell with the bar before it."""
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
    """Return the chunks of a text, in order; blank stretches belong to none. Neighbours share up to ``overlap`` tokens.

    The text falls into sections first, and no chunk crosses from one into the next. Where a section begins depends
    on the words around that place only, so an edit moves the chunks of its own section and leaves the others alone.
    """
    cut = _Cut(text, media_type == MARKDOWN, tokens, overlap)
    return [span for section in cut.sections for span in cut.spans(*section)]


def difference(before: str, after: str, *, media_type: str) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return the chunks of the sections that an edit took away or changed, and those of the sections it made.

    What is in the first and not in the second is nowhere in ``after``. Sections that stayed are not cut, which is what
    takes the time, unless one has the words of a chunk that is gone elsewhere.
    """
    old, new = (_Cut(text, media_type == MARKDOWN, CHUNK_TOKENS, OVERLAP_TOKENS) for text in (before, after))
    was, now = ({cut.identity(*section): section for section in cut.sections} for cut in (old, new))
    gone = [span for identity in was.keys() - now.keys() for span in old.spans(*was[identity])]
    texts = [span.chunk_text for span in gone]
    made = [
        section
        for identity, section in now.items()
        if identity not in was or len(texts) > _LOOKED_FOR or any(text in after[slice(*section)] for text in texts)
    ]
    return gone, [span for section in made for span in new.spans(*section)]


class _Cut:
    """A text in sections, each of which is cut by itself."""

    def __init__(self, text: str, markdown: bool, tokens: int, overlap: int) -> None:
        self._text = text
        self._markdown = markdown
        self._tokens = tokens
        self._overlap = overlap
        self._outline = headings(text) if markdown else ()
        self._tables = _tables(text) if markdown else ()
        self._rows = dict(_wide_rows(text, self._tables, tokens))
        self._bodies = _Bodies(text, self._outline)
        starts = _around(self._rows, _sections(text, self._bodies, self._outline))
        self.sections = [*pairwise([*starts, len(text)])]

    def identity(self, first: int, last: int) -> Hashable:
        """Return all that the chunks of a section are made of: two of the same identity have the same chunks."""
        above = bisect_left(self._outline, first, key=lambda heading: heading.start)
        inside = bisect_left(self._outline, last, key=lambda heading: heading.start)
        titles = tuple((h.start - first, h.end - first, h.path) for h in self._outline[above:inside])
        at = max(bisect_right(self._tables, first, key=lambda table: table[0]) - 1, 0)
        tables = takewhile(lambda table: table[0] < last, self._tables[at:])
        spread = tuple((max(t[0] - first, -1), min(t[1], last) - first, t[2]) for t in tables if t[1] > first)
        over = self._outline[above - 1].path if above else ()
        return self._text[first:last], first in self._rows and self._rows[first][1], titles, over, spread

    def spans(self, first: int, last: int) -> Iterator[Span]:
        """Yield the chunks of a section."""
        text, pieces = self._text, self._pieces(first, last)
        return (
            Span(text[start:end], start, end, _path(self._outline, text, start, end), h) for start, end, h in pieces
        )

    def _pieces(self, first: int, last: int) -> Iterator[tuple[int, int, str | None]]:
        if first in self._rows:
            return _cells(self._text, first, last, self._rows[first], self._tokens)
        splitter = _splitter(self._markdown, self._tokens, self._overlap)
        chunks = [
            (begin + offset, begin + offset + len(chunk))
            for begin, stretch in _stretches(self._text, first, last)
            for offset, chunk in splitter.chunk_indices(stretch)
        ]
        joined = _joined(self._text, chunks, self._bodies, self._tokens, self._overlap)
        return ((start, end, _header(self._tables, start)) for start, end in joined)


def _stretches(text: str, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Yield the parts of a text between long runs of white space: the splitter's time grows with the square of such a
    run."""
    for blank in _BLANK.finditer(text, first, last):
        yield first, text[first : blank.start()]
        first = blank.end()
    yield first, text[first:last]


@cache
def _splitter(markdown: bool, tokens: int, overlap: int) -> MarkdownSplitter | TextSplitter:
    """Return the splitter of these settings, kept: making one copies the whole vocabulary (0.1 s)."""
    kind = MarkdownSplitter if markdown else TextSplitter
    return kind.from_huggingface_tokenizer(tokenizer(), tokens, overlap)


def _count(text: str) -> int:
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


class _Bodies:
    """Stretches of a text between its headings, without the blanks around them."""

    def __init__(self, text: str, outline: Sequence[Heading]) -> None:
        ends = [0, *(heading.end for heading in outline)]
        places = []
        self.ends = set()
        """Where a heading follows such a stretch."""
        for start, end in zip(ends, [*(heading.start for heading in outline), len(text)], strict=True):
            words = text[start:end].strip()
            if words:
                first = start + text[start:end].index(words[0])
                places.append((first, first + len(words)))
                self.ends.add(end)
        self._places = places
        self.beginnings = {first for first, _ in places if outline and first >= outline[0].end}
        """Where the words below a heading begin."""

    def first(self, start: int, end: int) -> int | None:
        """Return where the first words between two places begin that are no heading; None if there are none."""
        at = bisect_right(self._places, start, key=lambda place: place[1])
        begin = max(self._places[at][0], start) if at < len(self._places) else end
        return begin if begin < end else None


def _joined(
    text: str, chunks: Sequence[tuple[int, int]], bodies: _Bodies, tokens: int, overlap: int
) -> Iterator[tuple[int, int]]:
    """Yield the chunks of a section, none of headings alone where something follows that can be cut."""
    above: tuple[int, int] | None = None
    for chunk in chunks:
        body = bodies.first(*chunk)
        if body is None:
            if above and _count(text[above[0] : chunk[1]]) > tokens * 3 // 4:
                yield above
                above = None
            above = (above or chunk)[0], chunk[1]
        elif above and above[0] < chunk[0]:
            yield from _behind(text, above[0], body, chunk, tokens, overlap)
            above = None
        else:
            yield chunk  # it may begin with the same headings
            above = None
    if above:
        yield above


def _behind(
    text: str, above: int, body: int, chunk: tuple[int, int], tokens: int, overlap: int
) -> Sequence[tuple[int, int]]:
    """Headings with the beginning of the body that follows, and the rest of it. Code that fits stays whole."""
    end = chunk[1]
    if _count(text[above:end]) <= tokens:
        return [(above, end)]
    title = _count(text[above:body])
    room = min(max((title + _count(text[body:end])) // 2 - title, tokens // 4), tokens - title - 1)
    if room > 0 and not _CODE.match(text[body:end]):
        pieces = TextSplitter.from_callback(_count, room, min(overlap, room // 2)).chunk_indices(text[body:end])
        first = body + pieces[0][0] + len(pieces[0][1])
        if len(pieces) > 1 and _count(text[above:first]) <= tokens:
            return [(above, first), (body + pieces[1][0], end)]
    return [(above, above + len(text[above : chunk[0]].rstrip())), chunk]


def _sections(text: str, bodies: _Bodies, outline: Sequence[Heading]) -> Sequence[int]:
    """Return where sections begin: at headings, and at the paragraphs and table rows that a hash of their words picks.

    None begins right after a heading, so that headings stand with what is below them.
    """
    code = [match.span() for match in _CODE.finditer(text)] if outline or "```" in text or "~~~" in text else []
    picked = {
        match.start()
        for match in _BEGINNING.finditer(text)
        if not crc32(match[0][:80].encode()) & (_ROWS if match[0][0] == "|" else _PARAGRAPHS)
    }
    starts = [0]
    titles = {heading.start for heading in outline}
    for start in sorted((picked - bodies.beginnings - titles) | (titles & bodies.ends)):
        if start - starts[-1] >= SMALLEST_SECTION and not _inside(code, start):
            starts += [*_forced(text, starts[-1], start, code), start]
    return [*starts, *_forced(text, starts[-1], len(text), code)]


def _inside(stretches: Sequence[tuple[int, int]], position: int) -> bool:
    at = bisect_left(stretches, position, key=lambda stretch: stretch[0]) - 1
    return at >= 0 and position < stretches[at][1]


def _forced(text: str, first: int, last: int, code: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Cuts in a section that is too long: the splitter's time grows with the square of its length."""
    while last - first > LARGEST_SECTION:
        least, most = first + LARGEST_SECTION // 2, first + LARGEST_SECTION
        places = [_after(mark, text, least, most) for mark in ("\n\n", "\n", " ")]
        outside = ([cut for cut in cuts if not _inside(code, cut)] for cuts in places)
        cuts = next(filter(None, [*outside, *places]), [most])
        first = min(cuts, key=lambda cut: crc32(text[cut : cut + 80].encode()))  # the same place after an edit
        yield first


def _after(mark: str, text: str, least: int, most: int) -> Sequence[int]:
    pieces = text[least:most].split(mark)[:-1]
    return [least + end for end in accumulate(len(piece) + len(mark) for piece in pieces)]


def _tables(text: str) -> Sequence[tuple[int, int, str]]:
    """First character, end and header line of each table, in order."""
    return [(match.start(), match.end(), match[1]) for match in _TABLE.finditer(text)]


def _header(tables: Sequence[tuple[int, int, str]], start: int) -> str | None:
    """Return the header of the table that is cut at ``start``."""
    at = bisect_left(tables, start, key=lambda table: table[0]) - 1
    return tables[at][2] if at >= 0 and start < tables[at][1] else None


def _wide_rows(
    text: str, tables: Sequence[tuple[int, int, str]], tokens: int
) -> Iterator[tuple[int, tuple[int, str | None]]]:
    """Yield the rows that do not fit into a chunk: their beginning, their end, and the header above them."""
    for start, end, header in tables:
        begin = start
        for row in text[start:end].splitlines(keepends=True):
            if len(row) > tokens and _count(row) > tokens:
                yield begin, (begin + len(row), header if begin > start else None)
            begin += len(row)


def _around(rows: dict[int, tuple[int, str | None]], sections: Sequence[int]) -> Sequence[int]:
    """Return where sections begin if each wide row is a section of its own."""
    stretches = [(begin, end) for begin, (end, _) in rows.items()]
    outside = (start for start in sections if not _inside(stretches, start))
    return sorted({*outside, *(place for stretch in stretches for place in stretch)})


def _cells(
    text: str, first: int, last: int, row: tuple[int, str | None], tokens: int
) -> Iterator[tuple[int, int, str | None]]:
    """Yield a wide row in pieces of whole cells, each with the header of its columns; cut a cell that does not fit."""
    names = [match[0] for match in _CELL.finditer(row[1] or "")]
    cells = [(first + match.start(), first + match.end()) for match in _CELL.finditer(text[first:last])]
    begin, column, size = first, 0, 0
    for number, (start, end) in enumerate([*cells, (last, last)]):
        count = _count(text[start:end])
        if size and (size + count > tokens or start == end):
            yield from _piece(text, begin, start, "".join(names[column:number]), tokens)
            begin, column, size = start, number, 0
        size += count


def _piece(text: str, start: int, end: int, header: str, tokens: int) -> Iterator[tuple[int, int, str | None]]:
    for first, last in pairwise([start, *_forced(text, start, end, ()), end]):
        for offset, chunk in _splitter(False, tokens, 0).chunk_indices(text[first:last]):
            yield first + offset, first + offset + len(chunk), header or None


def headings(text: str) -> Sequence[Heading]:
    """Return the headings of a Markdown text, in order; those inside fenced code are not headings."""
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
    """Return the text of a heading that may end in number signs of its own: ``## Title ##``."""
    title = title.rstrip(" \t")
    shorter = title.rstrip("#")
    return shorter.rstrip(" \t") if shorter.endswith((" ", "\t")) else title


def _path(outline: Sequence[Heading], text: str, start: int, end: int) -> Sequence[str]:
    """Return the headings over a chunk's first words that are not a heading themselves."""
    above = bisect_right(outline, start, key=lambda heading: heading.start)
    while above < len(outline):
        heading = outline[above]
        if heading.start >= end or text[max(start, above and outline[above - 1].end) : heading.start].strip():
            break
        above += 1
    return outline[above - 1].path if above else ()


def context(title: str, heading_path: Sequence[str], table_header: str | None) -> str:
    """Return what a reader of the whole document would know on reaching a chunk; it is embedded in front of the
    chunk."""
    names = [title, *heading_path] if title and [*heading_path[:1]] != [title] else heading_path
    return "\n".join(part for part in (" > ".join(names), table_header) if part)
