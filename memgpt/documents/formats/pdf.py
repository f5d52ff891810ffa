"""The text of a PDF: pages as they were printed, with the headings and paragraphs a layout analysis found.

The extractor gives two renderings. The pages keep every line, so tables and code survive, but nothing is a heading.
The Markdown has headings, but runs the lines of tables and code together and does not say where a page begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_HEADING = re.compile(r"^(#{1,6}) ++(\S.*+)$", re.MULTILINE)
_LIKE_HEADING = re.compile(r" {0,3}#{1,6}\s")
_ESCAPED = re.compile(r"\\(.)")
_FAR: Final = 40_000
"""Characters a heading may be away from the one before: a wrong match would hide the headings in between."""


def pdf_text(pages: Sequence[str], markdown: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """Return the text as Markdown, and where each page begins in it as (position, page number)."""
    cleaned = [page.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "-").strip("\n ") for page in pages]
    lines = [line for page in cleaned for line in page.split("\n")]
    levels = _heading_lines(lines, _headings(markdown))
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    length = position = 0
    for number, page in enumerate(cleaned, 1):
        count = page.count("\n") + 1
        body = "\n".join(_paragraphs(page.split("\n"), levels[position : position + count])).strip("\n") + "\n\n"
        position += count
        if page:
            starts.append((length, number))
            parts.append(body)
            length += len(body)
    return "".join(parts), starts


def _headings(markdown: str) -> Sequence[tuple[int, str]]:
    """Level and title of each heading, in order."""
    return [(len(m[1]), _ESCAPED.sub(r"\1", m[2].rstrip()).replace("*", "")) for m in _HEADING.finditer(markdown)]


def _heading_lines(lines: Sequence[str], headings: Sequence[tuple[int, str]]) -> Sequence[int]:
    """Return for each line the level of the heading it is (or is part of); 0 for all other lines."""
    levels = [0] * len(lines)
    keys = [_key(line) for line in lines]
    at = 0
    for level, title in headings:
        wanted, seen = _key(title), 0
        for first in range(at, len(lines)):
            last = _spelt(keys, first, wanted)
            if last:
                levels[first:last] = [level] * (last - first)
                at = last
                break
            seen += len(lines[first])
            if seen > _FAR:
                break
    return levels


def _spelt(keys: Sequence[str], first: int, wanted: str) -> int:
    """Return the line after those from ``first`` on that spell a title together; 0 if they do not."""
    spelt = keys[first]
    last = first + 1
    while spelt and wanted.startswith(spelt):
        if spelt == wanted:
            return last
        if last == len(keys):
            break
        spelt += keys[last]
        last += 1
    return 0


def _key(line: str) -> str:
    return "".join(filter(str.isalnum, line)).casefold()


def _paragraphs(lines: Sequence[str], levels: Sequence[int]) -> Iterator[str]:
    """Lines of running text joined to paragraphs; short lines (tables, lists, code) left alone; headings marked."""
    widths = sorted(len(line) for line in lines)
    full = 0.75 * widths[len(widths) * 9 // 10]
    joined, before = "", ""
    for line, level in zip(lines, levels, strict=True):
        words = line.strip()
        if level and words:
            yield from (
                (joined, "", f"{'#' * level} {words.lstrip('# ')}", "")
                if joined
                else (
                    f"\n{'#' * level} {words.lstrip('# ')}",
                    "",
                )
            )
            joined = before = ""
        elif joined and len(before) >= full and words and line[:1] not in " \t•-*":
            hyphen = joined.endswith("-") and words[0].islower() and joined[-2:-1].isalpha()
            joined = joined[:-1] + words if hyphen else f"{joined} {words}"
            before = line
        else:
            if joined:
                yield joined
                if len(before) < full and joined.endswith((".", "!", "?")) and len(joined) > full:
                    yield ""
            joined, before = _harmless(line.rstrip()), line
    yield joined


def _harmless(line: str) -> str:
    """Escape a printed line that only looks like a Markdown heading."""
    return f"\\{line}" if _LIKE_HEADING.match(line) else line
