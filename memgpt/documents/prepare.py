"""One document made ready to be stored: extracted and cut. It runs in a process of its own or in the caller's."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from memgpt.documents.formats import chunking
from memgpt.documents.formats.extract import ExtractedDocument, extract
from memgpt.models import Json


@dataclass(frozen=True, slots=True)
class UnembeddedChunk:
    """A chunk without its vector."""

    chunk_text: str
    heading_path: Sequence[str]
    page: int | None
    char_start: int
    char_end: int
    table_header: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document without its vectors."""

    title: str
    media_type: str
    content_hash: str
    cuts: Sequence[UnembeddedChunk]
    metadata: Json
    note: str | None


READER: Final = 3
"""Raised when some content is read better than before: files are then read again, and what was lost is healed."""


def prepare(
    data: bytes, name: str, media_type: str | None = None, encoding: str | None = None, *, ocr: bool = False
) -> Prepared:
    """Extract the document in a file's content and cut it into chunks.

    Raises:
        InputError: it cannot be read, and why.
        MissingExtraError: the format needs the extra ``documents``, or ``ocr`` the extra of that name.
    """
    extracted = extract(data, name, media_type, encoding, ocr=ocr)
    return Prepared(
        title=extracted.title,
        media_type=extracted.media_type,
        content_hash=content_hash(io.BytesIO(data), encoding, ocr),
        cuts=_cuts(extracted),
        metadata=extracted.metadata,
        note=extracted.note,
    )


def content_hash(file: BinaryIO, encoding: str | None, ocr: bool = False) -> str:
    """Return what tells one content from another: its bytes, and how they are read."""
    how = hashlib.sha256(f"{READER} {encoding or ''}{' ocr' if ocr else ''}\n".encode())
    return hashlib.file_digest(file, lambda: how).hexdigest()  # type: ignore[arg-type]


def _cuts(extracted: ExtractedDocument) -> Sequence[UnembeddedChunk]:
    spans = chunking.spans(extracted.text, media_type=extracted.structure)
    return [
        UnembeddedChunk(
            s.chunk_text, s.heading_path, _page(extracted.pages, s.char_start), s.char_start, s.char_end, s.table_header
        )
        for s in spans
    ]


def _page(pages: Sequence[tuple[int, int]], position: int) -> int | None:
    at = bisect_right(pages, position, key=lambda page: page[0]) - 1
    return pages[at][1] if at >= 0 else None
