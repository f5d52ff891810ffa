"""From a file's bytes to its text with headings, tables and page boundaries, as Markdown where it has structure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import Final

from memgpt.documents.formats import (
    chunking,
    embedded,
    encodings,
    leftovers,
    mail,
    markup,
    media_types,
    notebook,
    office,
    opendocument,
    subtitles,
    xml_formats,
)
from memgpt.documents.formats.chunking import MARKDOWN, PLAIN
from memgpt.documents.formats.reading import FormatText, table, without_declaration
from memgpt.errors import InputError
from memgpt.models import Json

MOST_CHARACTERS: Final = 10_000_000
"""Of one document's text."""

_NO_TITLE: Final = {"", "(anonymous)", "untitled", "unknown", "(unspecified)"}
_SHEETS: Final = {media_types.XLSX, media_types.XLSB, "application/vnd.ms-excel", media_types.ODS}


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of a document and what is known about it."""

    text: str
    media_type: str
    title: str = ""
    structure: str = MARKDOWN
    """How to read ``text``: as Markdown or as plain text."""
    pages: Sequence[tuple[int, int]] = ()
    """Where each page (or slide) begins, as (position, number), in order."""
    metadata: Json = field(default_factory=dict)
    note: str | None = None
    """What its reader should know, such as a name that lies, a guessed encoding or a part that was not read."""


def extract(
    data: bytes, name: str, media_type: str | None = None, encoding: str | None = None, *, ocr: bool = False
) -> ExtractedDocument:
    """Extract the text of a file's content; its ``name`` helps to tell the format and stands in for a missing title.

    ``encoding`` is that of a text or a page; absent, it is read from the content or detected. ``ocr`` has the
    characters of scanned pages recognised.

    Raises:
        InputError: it is empty, damaged, encrypted, too large or no document.
        MissingExtraError: the format needs the extra ``documents``, or ``ocr`` the extra of that name.
    """
    suffix = PurePath(name).suffix.lower()
    media_type = media_type or media_types.detect(data, suffix)
    try:
        reading = _read(data, media_type, encoding, ocr)
    except RecursionError:
        raise InputError("corrupt: its parts are nested too deeply") from None
    if not reading.text.strip():
        reason = _WITHOUT_TEXT.get(media_type, "there are no words in it")
        raise InputError(f"no text: {reason}{f'; {reading.note}' if reading.note else ''}")
    if len(reading.text) > MOST_CHARACTERS:
        raise InputError(f"too large: {len(reading.text):,} characters; the limit is {MOST_CHARACTERS:,}: split it")
    named = media_types.BY_SUFFIX.get(suffix)
    lies = named not in (None, media_type) and {named, media_type} != {PLAIN, MARKDOWN}
    storable, lost = _UNSTORABLE.subn("\ufffd", reading.text)
    text, pages, dropped = embedded.without(storable, reading.pages)
    replaced = f"{lost:,} characters cannot be stored and are U+FFFD" if lost else None
    notes = [f"named {suffix}, but it is {media_type}" if lies else None, reading.note, replaced, dropped]
    title = reading.title if reading.title.strip().lower() not in _NO_TITLE else ""
    return ExtractedDocument(
        text,
        media_type,
        " ".join((title or _first_heading(reading, media_type) or PurePath(name).stem).split())[:300],
        reading.structure,
        pages,
        reading.metadata,
        "; ".join(filter(None, notes)) or None,
    )


_WITHOUT_TEXT: Final = {
    media_types.PDF: "its pages have no words",
    media_types.HTML: "the page has no words outside its scripts",
}


def _first_heading(reading: FormatText, media_type: str) -> str:
    """Return the first heading, if the text begins with it."""
    if reading.structure != MARKDOWN or media_type in _SHEETS:
        return ""
    outline = chunking.headings(reading.text[:5000])
    return outline[0].title if outline and not reading.text[: outline[0].start].strip() else ""


def _read(data: bytes, media_type: str, encoding: str | None, ocr: bool) -> FormatText:
    if media_type in (media_types.ODT, media_types.ODP):
        return opendocument.read(data)
    if media_type in _MAIL:
        return _MAIL[media_type](data, partial(_attached, ocr=ocr))
    if media_type not in _TEXTS:
        reading = office.read(data, media_type, ocr=ocr)
        return replace(reading, text=leftovers.added(data, media_type, reading.text))
    decoded = encodings.decode(data, encoding=encoding, markup=media_type in media_types.DECLARING)
    reading = _TEXTS[media_type](decoded.text)
    return replace(reading, note="; ".join(filter(None, [decoded.note, reading.note])) or None)


def _page(markup: str) -> FormatText:
    data = without_declaration(markup).encode()
    reading = office.read(data, media_types.HTML)
    return replace(reading, text=leftovers.added(data, media_types.HTML, reading.text))


def _attached(data: bytes, name: str, ocr: bool) -> FormatText:
    """Read a file inside another one. Its name helps to tell its format."""
    return _read(data, media_types.detect(data, PurePath(name).suffix.lower()), None, ocr)


def _separated(text: str) -> FormatText:
    """Separated values as a Markdown table; what does not look like a table stays as it is."""
    try:
        dialect = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error:
        return FormatText(text)
    return FormatText(table(rows) + "\n" if rows and len(rows[0]) > 1 else text)


def _feed(markup: str) -> FormatText:
    return xml_formats.feed(markup, lambda part: _page(part).text)


_MAIL: Final = {media_types.EMAIL: mail.read, media_types.MBOX: mail.read_mailbox}

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""What PostgreSQL cannot keep. Replaced one by one: positions of pages stay as they are."""

_TEXTS: Final[dict[str, Callable[[str], FormatText]]] = {
    PLAIN: lambda text: FormatText(text, structure=PLAIN),
    MARKDOWN: markup.markdown,
    media_types.CSV: _separated,
    media_types.TSV: _separated,
    media_types.HTML: _page,
    media_types.NOTEBOOK: notebook.read,
    media_types.ORG: markup.org,
    media_types.RST: markup.rst,
    media_types.TEX: markup.tex,
    media_types.VTT: subtitles.read,
    media_types.SRT: subtitles.read,
    media_types.FB2: xml_formats.fictionbook,
    media_types.OPML: xml_formats.opml,
    media_types.RSS: _feed,
    media_types.XML: xml_formats.other,
}
"""Formats that are text: read from their characters, whatever their encoding."""
