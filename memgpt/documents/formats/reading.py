"""The result of a format's reader, and what several readers share."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from memgpt.documents.formats.chunking import MARKDOWN
from memgpt.errors import InputError
from memgpt.models import Json

_TICKS = re.compile(r"`{3,}")
_DECLARATION = re.compile(
    r"""(<(?:\?xml|meta)\b[^<>]{0,1000}?(?:charset|encoding)\s{0,20}=\s{0,20}["']?\s{0,20})[-\w:.]{1,40}""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FormatText:
    """The text of a document as its format gives it."""

    text: str
    title: str = ""
    structure: str = MARKDOWN
    """How to read ``text``: as Markdown or as plain text."""
    pages: Sequence[tuple[int, int]] = ()
    """Where each page (or slide) begins, as (position, number), in order."""
    metadata: Json = field(default_factory=dict)
    note: str | None = None
    """What its reader should know, such as a part that was not read."""


def without_declaration(markup: str) -> str:
    """Markup whose characters are decoded already, without what it says of its encoding."""
    return _DECLARATION.sub(r"\1utf-8", markup, count=2)


def parse_xml(markup: str | bytes) -> ElementTree.Element:
    """Parse XML; bytes have the encoding they declare. No entity outside of the text is ever read.

    Raises:
        InputError: it is not well-formed.
    """
    try:
        return ElementTree.fromstring(without_declaration(markup) if isinstance(markup, str) else markup)  # noqa: S314
    except ElementTree.ParseError as error:
        raise InputError(f"corrupt: not well-formed XML ({error})") from None


def local(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: ElementTree.Element, name: str) -> str:
    """Return the value of an attribute, whatever its namespace; empty where there is none."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def one_line(text: str) -> str:
    """Join a text into one line, as headings and cells are."""
    return " ".join(text.split())


def heading(level: int, title: str) -> str:
    return f"{'#' * min(max(level, 1), 6)} {one_line(title)}"


MOST_COLUMNS: Final = 1000
MOST_CELLS: Final = 5_000_000
"""Of a table, with those that short rows lack."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table with a header; a bar inside a cell becomes a slash. Rows too wide for one stay
    lines of cells."""
    width = max(map(len, rows), default=0)
    if width > MOST_COLUMNS or width * len(rows) > MOST_CELLS:
        return "\n".join("\t".join(map(one_line, row)) for row in rows)
    lines = [_row([*row, *[""] * (width - len(row))]) for row in rows]
    return "\n".join([lines[0], _row(["---"] * width), *lines[1:]]) if width else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(one_line(cell.replace('|', '/')) for cell in cells)} |"


def blocks(parts: Sequence[str]) -> str:
    """Parts of a document with a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def code(text: str, language: str = "") -> str:
    """Format a text as a fenced block of code, its fence longer than any inside."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
