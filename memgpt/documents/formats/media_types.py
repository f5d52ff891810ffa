"""Formats of files: told by the content where that is possible, else by the name."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Final

from memgpt.documents.formats.chunking import MARKDOWN, PLAIN
from memgpt.errors import InputError

CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
HTML: Final = "text/html"
PDF: Final = "application/pdf"
EMAIL: Final = "message/rfc822"
MSG: Final = "application/vnd.ms-outlook"
EPUB: Final = "application/epub+zip"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
DOCX: Final = f"{_OFFICE}wordprocessingml.document"
PPTX: Final = f"{_OFFICE}presentationml.presentation"
XLSX: Final = f"{_OFFICE}spreadsheetml.sheet"
_OPEN: Final = "application/vnd.oasis.opendocument."
ODT: Final = f"{_OPEN}text"
ODP: Final = f"{_OPEN}presentation"
ODS: Final = f"{_OPEN}spreadsheet"
XLSB: Final = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
NOTEBOOK: Final = "application/x-ipynb+json"
ORG: Final = "text/x-org"
RST: Final = "text/x-rst"
TEX: Final = "application/x-latex"
VTT: Final = "text/vtt"
SRT: Final = "application/x-subrip"
FB2: Final = "application/x-fictionbook+xml"
OPML: Final = "text/x-opml"
RSS: Final = "application/rss+xml"
XML: Final = "application/xml"
MBOX: Final = "application/mbox"
_OLE: Final = "application/x-ole-storage"

BY_SUFFIX: Final = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": PLAIN,
    ".csv": CSV,
    ".tsv": TSV,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
    ".pptx": PPTX,
    ".xlsx": XLSX,
    ".xlsb": XLSB,
    ".odt": ODT,
    ".odp": ODP,
    ".ods": ODS,
    ".epub": EPUB,
    ".eml": EMAIL,
    ".msg": MSG,
    ".doc": "application/msword",
    ".ppt": "application/vnd.ms-powerpoint",
    ".xls": "application/vnd.ms-excel",
    ".rtf": "application/rtf",
    ".ipynb": NOTEBOOK,
    ".org": ORG,
    ".rst": RST,
    ".tex": TEX,
    ".vtt": VTT,
    ".srt": SRT,
    ".fb2": FB2,
    ".opml": OPML,
    ".rss": RSS,
    ".atom": RSS,
    ".xml": XML,
    ".mbox": MBOX,
}

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico", ".icns", ".tif", ".tiff", ".heic", ".psd")
_SOUND: Final = (".mp3", ".wav", ".flac", ".ogg", ".m4a", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".wmv")
_PROGRAMS: Final = (".pyc", ".pyo", ".so", ".dll", ".dylib", ".exe", ".class", ".o", ".a")
_FONTS: Final = (".ttf", ".otf", ".woff", ".woff2", ".eot")
NO_TEXT: Final = frozenset((*_PICTURES, *_SOUND, *_PROGRAMS, *_FONTS))
"""Suffixes of files that a walk through a directory passes over: pictures, sound, fonts, programs."""

DECLARING: Final = frozenset({HTML, FB2, OPML, RSS, XML})
"""Formats whose text says its own encoding."""

_SIGNED: Final = {PDF, EPUB, DOCX, PPTX, XLSX, XLSB, ODT, ODP, ODS}
_IN_OLE: Final = {"application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-excel"} | {
    "application/vnd.ms-outlook"
}
_MARKS: Final = (
    (b"%PDF-", PDF),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
)
_PROLOGUE: Final = rb"\A(?:\xef\xbb\xbf)?\s{0,100}(?:<\?xml[^>]{0,200}>\s{0,100})?(?:<!--[^>]{0,500}-->\s{0,100})?"
_BEGINNINGS: Final = (
    (re.compile(_PROLOGUE + rb"<(?:!doctype\s{1,20}html|html)\b", re.IGNORECASE), HTML),
    (re.compile(_PROLOGUE + rb"<(?:rss|feed|rdf:RDF)\b"), RSS),
    (re.compile(_PROLOGUE + rb"<opml\b"), OPML),
    (re.compile(_PROLOGUE + rb"<FictionBook\b"), FB2),
    (re.compile(rb"(?:\xef\xbb\xbf)?WEBVTT\b"), VTT),
    (re.compile(rb"<\?xml\b"), XML),
    (re.compile(rb"From \S{1,200} .{0,100}\d\d:\d\d"), MBOX),
)
_ZIPPED: Final = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))

MOST_UNPACKED: Final = 200 * 2**20
"""Bytes the members of a zipped document may have together."""
MOST_MEMBERS: Final = 20_000


def detect(data: bytes, suffix: str) -> str:
    """Return the media type of a file's content; ``suffix`` is its name's, lower case, with the dot.

    Raises:
        InputError: it is empty, damaged, or not what its name says.
    """
    if not data.strip():
        raise InputError("empty: there is no text in it")
    named = BY_SUFFIX.get(suffix)
    detected = _by_content(data)
    if detected == _OLE:
        if named in (DOCX, PPTX, XLSX):
            raise InputError("encrypted: save it without a password first")
        if named not in _IN_OLE:
            raise InputError("an old Office or another compound file; its name must say which (.doc, .xls, .ppt, .msg)")
        return named
    if detected is not None:
        return detected
    if named in _SIGNED or named in _IN_OLE:
        raise InputError(f"corrupt or misnamed: a {suffix} file does not begin like this")
    return _refined(data, named) if named in (None, XML) else named


def _refined(data: bytes, named: str | None) -> str:
    """Return the format of a text whose name does not tell, or of an XML file, by its beginning."""
    head = data[:1024]
    by_beginning = next((media_type for pattern, media_type in _BEGINNINGS if pattern.match(head)), None)
    return by_beginning or named or PLAIN


def _by_content(data: bytes) -> str | None:
    head = data[:1024].lstrip()
    for mark, media_type in _MARKS:
        if head.startswith(mark) or (media_type == PDF and mark in head):
            return media_type
    return _by_members(data) if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) else None


def _by_members(data: bytes) -> str:
    """Return the format of a zip file by its members, after checking what it would unpack to."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _refuse_bomb(members)
            names = [member.filename for member in members]
            if any(member.flag_bits & 1 for member in members):
                raise InputError("encrypted: save it without a password first")
            _unpack(archive, members)
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    declared = file.read(100).decode("ascii", "replace").strip()
                if declared in BY_SUFFIX.values():
                    return declared
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise InputError(f"corrupt: {error}") from None
    if "xl/workbook.bin" in names:
        return XLSB
    for folder, media_type in _ZIPPED:
        if any(name.startswith(folder) for name in names):
            return media_type
    raise InputError("a zip archive, not a document: unpack it first")


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Read every member once: one that unpacks to more than it says, or to something else, raises."""
    for member in members:
        with archive.open(member) as file:
            while file.read(2**20):
                pass


def _refuse_bomb(members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_UNPACKED or len(members) > MOST_MEMBERS:
        raise InputError(
            f"a zip bomb, or too large: {len(members):,} members unpack to {unpacked:,} bytes; "
            f"the limits are {MOST_MEMBERS:,} and {MOST_UNPACKED:,}"
        )
