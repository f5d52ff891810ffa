"""Which format a file has: its content decides where that can be told, else its name."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Final

from memgpt.chunking import MARKDOWN, PLAIN
from memgpt.errors import InputError

CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
HTML: Final = "text/html"
PDF: Final = "application/pdf"
EMAIL: Final = "message/rfc822"
EPUB: Final = "application/epub+zip"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
DOCX: Final = f"{_OFFICE}wordprocessingml.document"
PPTX: Final = f"{_OFFICE}presentationml.presentation"
XLSX: Final = f"{_OFFICE}spreadsheetml.sheet"
_OPEN: Final = "application/vnd.oasis.opendocument."
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
    ".odt": f"{_OPEN}text",
    ".ods": f"{_OPEN}spreadsheet",
    ".epub": EPUB,
    ".eml": EMAIL,
    ".msg": "application/vnd.ms-outlook",
    ".doc": "application/msword",
    ".ppt": "application/vnd.ms-powerpoint",
    ".xls": "application/vnd.ms-excel",
    ".rtf": "application/rtf",
}

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico", ".icns", ".tif", ".tiff", ".heic", ".psd")
_SOUND: Final = (".mp3", ".wav", ".flac", ".ogg", ".m4a", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".wmv")
_PROGRAMS: Final = (".pyc", ".pyo", ".so", ".dll", ".dylib", ".exe", ".class", ".o", ".a")
_FONTS: Final = (".ttf", ".otf", ".woff", ".woff2", ".eot")
NO_TEXT: Final = frozenset((*_PICTURES, *_SOUND, *_PROGRAMS, *_FONTS))
"""Suffixes of files that a walk through a directory passes over: pictures, sound, fonts, programs."""

WITHOUT_EXTRA: Final = frozenset({PLAIN, MARKDOWN, CSV, TSV})
"""What the core install reads by itself."""

_SIGNED: Final = {PDF, EPUB, DOCX, PPTX, XLSX, f"{_OPEN}text", f"{_OPEN}spreadsheet"}
_IN_OLE: Final = {"application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-excel"} | {
    "application/vnd.ms-outlook"
}
_MARKS: Final = (
    (b"%PDF-", PDF),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
)
_PAGE: Final = re.compile(rb"\s{0,100}(?:<\?xml[^>]{0,200}>\s{0,100})?<(?:!doctype\s{1,20}html|html)\b", re.IGNORECASE)
_ZIPPED: Final = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))

MOST_UNPACKED: Final = 200 * 2**20
"""Bytes the members of a zipped document may have together."""
MOST_MEMBERS: Final = 20_000


def detect(data: bytes, suffix: str) -> str:
    """The media type of a file's content; ``suffix`` is its name's, lower case, with the dot.

    Raises:
        InputError: it is empty, damaged, or not what its name says.
    """
    if not data.strip():
        raise InputError("empty: there is no text in it")
    named = BY_SUFFIX.get(suffix)
    found = _by_content(data)
    if found == _OLE:
        if named in (DOCX, PPTX, XLSX):
            raise InputError("encrypted: save it without a password first")
        if named not in _IN_OLE:
            raise InputError("an old Office or another compound file; its name must say which (.doc, .xls, .ppt, .msg)")
        return named
    if found is not None:
        return found
    if named in _SIGNED or named in _IN_OLE:
        raise InputError(f"corrupt or misnamed: a {suffix} file does not begin like this")
    return named or (HTML if _PAGE.match(data[:1024]) else PLAIN)


def _by_content(data: bytes) -> str | None:
    head = data[:1024].lstrip()
    for mark, media_type in _MARKS:
        if head.startswith(mark) or (media_type == PDF and mark in head):
            return media_type
    return _by_members(data) if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) else None


def _by_members(data: bytes) -> str:
    """What a zip file holds, after a look at what it would unpack to."""
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
