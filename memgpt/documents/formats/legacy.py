"""Office files of before 2007, binary sheets and RTF: whether they are protected, and what of them is not read."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from typing import Any, Final

from memgpt.documents.formats.media_types import XLSB
from memgpt.errors import InputError, MissingExtraError

DOC: Final = "application/msword"
XLS: Final = "application/vnd.ms-excel"
PPT: Final = "application/vnd.ms-powerpoint"
RTF: Final = "application/rtf"

_PARTS_OF_WORD: Final = ((0x50, "footnotes"), (0x5C, "comments"), (0x60, "endnotes"), (0x64, "text boxes"))
"""Where the head of a Word file holds the number of characters of each part beside its text."""
_NEWER: Final = "save it as .{} first"
_LOCKED: Final = "encrypted: save it without a password first"
_ENCRYPTED_USER: Final = b"\xdf\xc4\xd1\xf3"
_COMMENT_ON_SLIDE: Final = struct.pack("<HH", 0x0F, 0x2EE0)
_NOTE_OF_CELL: Final = 0x1C
_TEXT_OF_SHAPE: Final = 0x1B6
_RTF_PARTS: Final = ((re.compile(rb"\\annotation\b"), "comments"), (re.compile(rb"\\footnote\b"), "footnotes"))


def unread(data: bytes, media_type: str) -> str | None:
    """Return a note on what the extraction library leaves out of an old file, without reading it.

    Raises:
        InputError: it is encrypted, or older than what can be read.
        MissingExtraError: the extra ``documents`` is not installed.
    """
    if media_type == RTF:
        named = [name for mark, name in _RTF_PARTS if mark.search(data)]
    elif media_type == XLSB:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            named = ["comments"] if any("/comments" in name for name in archive.namelist()) else []
    else:
        named = _in_compound(data, media_type)
    return f"{' and '.join(named)} are not read; {_NEWER.format(_SUCCESSORS[media_type])}" if named else None


_SUCCESSORS: Final = {DOC: "docx", XLS: "xlsx", PPT: "pptx", RTF: "docx", XLSB: "xlsx"}
LEGACY: Final = frozenset(_SUCCESSORS)


def _in_compound(data: bytes, media_type: str) -> list[str]:
    try:
        import olefile
    except ImportError:
        raise MissingExtraError("olefile", "documents", f"reading {media_type}") from None
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            return _READERS[media_type](file)
    except InputError:
        raise
    except (OSError, struct.error, IndexError, ValueError):
        return []  # the extraction library says what is wrong with it


def _stream(file: Any, name: str) -> bytes:
    return bytes(file.openstream(name).read()) if file.exists(name) else b""


def _word(file: Any) -> list[str]:
    head = _stream(file, "WordDocument")
    magic, flags = struct.unpack_from("<H8xH", head)
    if magic != 0xA5EC:
        raise InputError(f"a Word file of before 1997: {_NEWER.format('docx')}")
    if flags & 0x0100:
        raise InputError(_LOCKED)
    return [name for at, name in _PARTS_OF_WORD if struct.unpack_from("<i", head, at)[0] > 0]


def _slides(file: Any) -> list[str]:
    if _ENCRYPTED_USER in _stream(file, "Current User")[:40] or file.exists("EncryptedSummary"):
        raise InputError(_LOCKED)
    return ["comments"] if _COMMENT_ON_SLIDE in _stream(file, "PowerPoint Document") else []


def _sheets(file: Any) -> list[str]:
    records = set()
    book = _stream(file, "Workbook") or _stream(file, "Book")
    at = 0
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        records.add(kind)
        at += 4 + size
    kinds = ((_NOTE_OF_CELL, "comments"), (_TEXT_OF_SHAPE, "text boxes"))
    return [name for kind, name in kinds if kind in records]


_READERS: Final = {DOC: _word, PPT: _slides, XLS: _sheets}
