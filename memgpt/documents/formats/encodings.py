"""Characters of a file: its encoding as marked, declared or named, else as detected from its bytes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from memgpt.errors import InputError, MissingExtraError

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# What chardet is asked for: encodings that files of people have. Of 44 one-line texts it was right for 34 with all 80
# that it knows, for 39 with these; where chardetng (Firefox's detector) decides among those of the web, for all.
_DETECTABLE: Final = (
    *("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "iso2022_jp_2", "shift_jis", "cp932", "euc-jp"),
    *("gb18030", "big5-hkscs", "cp949", "euc-kr", "tis-620", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
    *(f"cp{number}" for number in (437, 850, 852, 866, *range(1250, 1259))),
    *(f"iso-8859-{number}" for number in (1, 2, 5, 6, 7, 8, 9, 13, 15)),
)
_NOT_OF_THE_WEB: Final = ("utf-", "iso2022", "mac", "cp437", "cp850", "cp852", "cp866")

_SAMPLE: Final = 200_000
"""Bytes that the detectors look at."""

_NONE: Final = 0.015
"""A confidence of chardet that says nothing."""

# What a page declares, and what browsers read it as (WHATWG's Encoding Standard): the larger set that writers use.
_SUPERSETS: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "tis-620": "cp874",
    "utf-16": "utf-8",  # a declaration that can be read byte by byte is not UTF-16
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}

_META = re.compile(rb"<meta\b[^>]{0,1000}?charset\s{0,20}=\s{0,20}[\"']?\s{0,20}([-\w:.]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"\s{0,20}<\?xml\b[^>]{0,200}?encoding\s{0,20}=\s{0,20}[\"']([-\w:.]{1,40})", re.IGNORECASE)
_HEAD: Final = 4096
"""Bytes in which a page declares its encoding."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The characters of a file. Lines end in LF; there is no NUL."""

    text: str
    encoding: str
    note: str | None = None
    """Where the encoding is a guess, or does not fit every byte."""


def decode(data: bytes, *, encoding: str | None = None, markup: bool = False) -> Decoded:
    """Decode a text file.

    A byte order mark decides, then ``encoding`` (the caller's), then in ``markup`` what the page declares, then
    whether it is UTF-8, then the detector.

    Raises:
        InputError: it is not text, or ``encoding`` is unknown or does not fit.
    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is not None:
        return _as_named(data, encoding)
    if marked is not None:
        return _decoded(data, marked)
    declared = _declared(data) if markup else None
    if _is_utf8(data):
        return _decoded(data, "utf-8")
    if declared is not None and declared != "utf-8":
        return _decoded(data, declared, f"declares {declared}")
    if _mostly_utf8(data):
        return _decoded(data, "utf-8", "read as UTF-8")
    guess, confidence = _detect(data)
    return _decoded(data, guess, f"read as {guess}, a guess (confidence {confidence:.2f})", always=True)


def _as_named(data: bytes, encoding: str) -> Decoded:
    try:
        text = data.decode(encoding)
    except LookupError:
        raise InputError(f"there is no encoding {encoding!r}: use a name such as utf-8, cp1251 or shift_jis") from None
    except UnicodeDecodeError as error:
        raise InputError(f"not {encoding}: the bytes at position {error.start:,} do not fit") from None
    except (ValueError, TypeError):  # a codec such as base64, which gives no text
        raise InputError(f"{encoding!r} is not a text encoding") from None
    return Decoded(_lines(text), encoding)


def _declared(data: bytes) -> str | None:
    """Return the encoding in a ``<meta charset>`` or an XML declaration, if Python knows it."""
    match = _XML.match(data[:_HEAD]) or _META.search(data[:_HEAD])
    if match is None:
        return None
    try:
        name = _codec(match[1].decode("ascii"))
    except LookupError:
        return None
    return _SUPERSETS.get(name, name)


def _codec(label: str) -> str:
    """Python's name of an encoding of the web."""
    label = label.lower().removeprefix("x-").removesuffix("-i")  # iso-8859-8-i differs in the order of display
    return codecs.lookup({"sjis": "shift_jis", "windows-874": "cp874"}.get(label, label)).name


def _is_utf8(data: bytes) -> bool:
    """Tell whether data is UTF-8 (or ASCII), and neither a seven-bit encoding of Japanese or Korean nor with NULs."""
    if b"\0" in data or b"\x1b$" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(data: bytes) -> bool:
    """Tell whether data is UTF-8 that was cut in the middle of a character or has a few strange bytes in it."""
    if b"\0" in data:
        return False
    text = data[:_SAMPLE].decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken * 20 < len(text) - len(text.encode("ascii", "ignore"))


def _detect(data: bytes) -> tuple[str, float]:
    """Return the likeliest encoding, and chardet's confidence in its own guess, from 0 to 1."""
    try:
        import chardet
        from chardetng_py import EncodingDetector
    except ImportError:
        raise MissingExtraError("chardet", "documents", "telling the encoding of a text that is not UTF-8") from None
    ranked = chardet.detect_all(
        data[:_SAMPLE], ignore_threshold=True, include_encodings=_DETECTABLE, max_bytes=_SAMPLE, compat_names=False
    )
    guesses = [(guess["encoding"], guess["confidence"]) for guess in ranked if guess["encoding"]]
    if not guesses:
        raise InputError("binary: neither a document nor a text")
    best, confidence = guesses[0]
    if best.startswith(_NOT_OF_THE_WEB) and confidence > _NONE:
        return best, confidence
    web = EncodingDetector()
    web.feed(data[:_SAMPLE], last=True)
    return _codec(web.guess(tld=None, allow_utf8=False)), confidence


def _decoded(data: bytes, encoding: str, note: str | None = None, *, always: bool = False) -> Decoded:
    """Decode data; add ``note`` if ``always``, or where some bytes do not fit the encoding."""
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd") - (data.count("\ufffd".encode()) if encoding.startswith("utf-8") else 0)
    odd = sum(text.count(chr(code)) for code in range(32) if code not in (9, 10, 12, 13, 27))
    if odd > len(text) // 200 or lost > len(text) // 10:
        raise InputError("binary: neither a document nor a text")
    if lost > 0:
        note = f"{note or f'marked as {encoding}'}; {lost:,} characters could not be read and are U+FFFD"
    return Decoded(_lines(text), encoding, note if always or lost > 0 else None)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
