"""From a file's bytes to its text with headings, tables and page boundaries, as Markdown where it has structure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from memgpt import chunking
from memgpt.chunking import MARKDOWN, PLAIN
from memgpt.errors import InputError, MissingExtraError
from memgpt.ingest import encodings, formats
from memgpt.ingest.pdf import pdf_text
from memgpt.models import Json

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

MOST_CHARACTERS: Final = 10_000_000
"""Of one document's text."""

_PAGE_MARK: Final = "\ue000{page_num}\ue001"
_PAGE = re.compile(r"\ue000(\d+)\ue001\s*")
_FRONT_MATTER = re.compile(r"\A---\n.*?(?:\n## title: [^\n]*\n|\n---\n)\s*", re.DOTALL)
_DECLARATION = re.compile(
    r"""(<(?:\?xml|meta)\b[^>]{0,1000}?(?:charset|encoding)\s{0,20}=\s{0,20}["']?\s{0,20})[-\w:.]{1,40}""",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~$&])")
_NO_TITLE: Final = {"", "(anonymous)", "untitled", "unknown", "(unspecified)"}
_SHEETS: Final = {formats.XLSX, "application/vnd.ms-excel", "application/vnd.oasis.opendocument.spreadsheet"}
_FIELDS: Final = ("authors", "created_at", "modified_at", "language", "from_email", "to_emails", "subject", "keywords")


@dataclass(frozen=True, slots=True)
class Extracted:
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
    """What its reader should know, such as a name that lies."""


def extract(data: bytes, name: str, media_type: str | None = None, encoding: str | None = None) -> Extracted:
    """Extract the text of a file's content; its ``name`` helps to tell the format and stands in for a missing title.

    ``encoding`` is that of a text or a page; absent, it is read from the content or detected.

    Raises:
        InputError: it is empty, damaged, encrypted, too large or no document.
        MissingExtraError: the format needs the extra ``documents``.
    """
    suffix = PurePath(name).suffix.lower()
    media_type = media_type or formats.detect(data, suffix)
    extracted = _read(data, media_type, encoding)
    if not extracted.text.strip():
        raise InputError("empty: there is no text in it; pages that are pictures need character recognition first")
    if len(extracted.text) > MOST_CHARACTERS:
        raise InputError(f"too large: {len(extracted.text):,} characters; the limit is {MOST_CHARACTERS:,}: split it")
    named = formats.BY_SUFFIX.get(suffix)
    lies = named not in (None, media_type) and {named, media_type} != {PLAIN, MARKDOWN}
    notes = [f"named {suffix}, but it is {media_type}" if lies else None, extracted.note]
    title = extracted.title if extracted.title.strip().lower() not in _NO_TITLE else ""
    return replace(
        extracted,
        title=" ".join((title or _first_heading(extracted) or PurePath(name).stem).split())[:300],
        note="; ".join(filter(None, notes)) or None,
    )


def _first_heading(extracted: Extracted) -> str:
    """The first heading, if the text begins with it."""
    if extracted.structure != MARKDOWN or extracted.media_type in _SHEETS:
        return ""
    outline = chunking.headings(extracted.text[:5000])
    return outline[0].title if outline and not extracted.text[: outline[0].start].strip() else ""


def _read(data: bytes, media_type: str, encoding: str | None) -> Extracted:
    if media_type == formats.HTML:
        page = encodings.decode(data, encoding=encoding, markup=True)
        return replace(_converted(_without_declaration(page.text).encode(), media_type), note=page.note)
    if media_type not in formats.WITHOUT_EXTRA:
        return _converted(data, media_type)
    decoded = encodings.decode(data, encoding=encoding)
    if media_type in (formats.CSV, formats.TSV):
        return Extracted(_table(decoded.text), media_type, note=decoded.note)
    return Extracted(decoded.text, media_type, structure=media_type, note=decoded.note)


def _without_declaration(page: str) -> str:
    """A page whose characters are decoded already, without what it says of its encoding."""
    return _DECLARATION.sub(r"\1utf-8", page, count=2)


def _table(text: str) -> str:
    """Separated values as a Markdown table; what does not look like a table stays as it is."""
    try:
        dialect = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error:
        return text
    if not rows or len(rows[0]) < 2:
        return text
    width = max(map(len, rows))
    lines = [_row(row + [""] * (width - len(row))) for row in rows]
    return "\n".join([lines[0], _row(["---"] * width), *lines[1:]]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |"


def _converted(data: bytes, media_type: str) -> Extracted:
    result = _kreuzberg(data, media_type, "markdown")
    metadata: dict[str, Any] = dict(result.metadata)
    if media_type == formats.PDF:
        text, pages = pdf_text([page["content"] for page in result.pages or ()], result.content)
    else:
        text, pages = _with_pages(result)
        if media_type == formats.PPTX:
            text, pages = _paged(_with_notes(result.content, _kreuzberg(data, media_type, "plain").content))
        elif media_type == formats.EMAIL:
            text = _email(_kreuzberg(data, media_type, "plain"))
    if media_type == formats.DOCX and len(pages) == 1:
        pages = ()  # Word did not note where its pages end
    known = {key: metadata[key] for key in _FIELDS if metadata.get(key) and "(" not in str(metadata[key])[:3]}
    if pages:
        known["pages"] = pages[-1][1]
    return Extracted(_storable(text), media_type, _title(metadata, media_type), MARKDOWN, pages, known)


def _title(metadata: Json, media_type: str) -> str:
    """The document's own title, unless it is the name of a file it was made from."""
    title = str(metadata.get("title") or (metadata.get("subject") if media_type == formats.EMAIL else "") or "")
    return "" if re.search(r"\.\w{2,4}$|^Microsoft ", title) and media_type != formats.EMAIL else title


def _kreuzberg(data: bytes, media_type: str, output: str) -> ExtractionResult:
    try:
        import kreuzberg
    except ImportError:
        raise MissingExtraError("kreuzberg", "documents", f"reading {media_type}") from None
    options: dict[str, Any] = {
        "output_format": output,
        "use_cache": False,  # it would write into the working directory
        "disable_ocr": True,
        "pages": kreuzberg.PageConfig(
            extract_pages=True, insert_page_markers=True, marker_format=f"\n\n{_PAGE_MARK}\n\n"
        ),
        "concurrency": kreuzberg.ConcurrencyConfig(max_threads=1),
    }
    try:
        return kreuzberg.extract_bytes_sync(data, media_type, config=kreuzberg.ExtractionConfig(**options))
    except (kreuzberg.KreuzbergError, RuntimeError, ValueError) as error:
        raise InputError(_reason(str(error))) from None


def _reason(words: str) -> str:
    words = " ".join(words.split())
    if "password" in words.lower() or "encrypt" in words.lower():
        return "encrypted: save it without a password first"
    said = dict.fromkeys(part for part in words.split(": ") if not part.endswith("Error"))  # it repeats itself
    return f"corrupt: {': '.join(said)[:200]}"


def _with_pages(result: ExtractionResult) -> tuple[str, Sequence[tuple[int, int]]]:
    """The Markdown, and the pages where the extractor marked them or gives all the text by page."""
    text = _FRONT_MATTER.sub("", result.content)
    if _PAGE.search(text):
        return _paged(text)
    pages = [(page["page_number"], page["content"].strip()) for page in result.pages or ()]
    if sum(len(content) for _, content in pages) < 0.9 * len(text):
        return _ESCAPED.sub(r"\1", text), ()
    return _paged("".join(f"\ue000{number}\ue001{content}\n\n" for number, content in pages))


def _paged(marked: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """A text with page marks, without them and the escapes of Markdown; and where the pages begin."""
    first, *rest = _PAGE.split(marked)
    parts, pages, length = [first], [], len(first)
    for number, content in zip(rest[::2], rest[1::2], strict=True):
        content = _ESCAPED.sub(r"\1", content)
        pages.append((length, int(number)))
        parts.append(content)
        length += len(content)
    return "".join(parts), pages


def _with_notes(marked: str, plain: str) -> str:
    """Slides with their speakers' notes, which only the plain rendering has."""
    notes = {}
    for number, slide in zip(*[iter(_PAGE.split(plain)[1:])] * 2, strict=True):
        _, found, said = slide.partition("\nNotes:\n")
        if found:
            notes[number] = said.strip()
    first, *rest = _PAGE.split(marked)
    slides = (
        f"\ue000{n}\ue001{slide.rstrip()}\n\n{f'Notes: {notes[n]}{chr(10) * 2}' if notes.get(n) else ''}"
        for n, slide in zip(rest[::2], rest[1::2], strict=True)
    )
    return first + "".join(slides)


def _email(result: ExtractionResult) -> str:
    """A message, followed by the text of its attachments."""
    parts = [result.content.strip()]
    for child in result.children or ():
        content = child["result"].content.strip() if child.get("result") is not None else ""
        if content:
            parts.append(f"# Attachment: {child['path']}\n\n{content}")
    return "\n\n".join(parts) + "\n"


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot keep; of the same length."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
