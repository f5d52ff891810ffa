"""PDF, Office, web pages, EPUB and e-mail, through the extraction library."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from memgpt.documents.formats import legacy, pdf_annotations, recognition
from memgpt.documents.formats import media_types as formats
from memgpt.documents.formats.pdf import pdf_text
from memgpt.documents.formats.presentation import without_odd_pictures
from memgpt.documents.formats.reading import FormatText, heading
from memgpt.documents.formats.word import with_tabs
from memgpt.errors import InputError, MissingExtraError
from memgpt.installation import DISTRIBUTION
from memgpt.models import Json

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

_PAGE_MARK: Final = "\ue000{page_num}\ue001"
_PAGE = re.compile(r"\ue000(\d++)\ue001\s*+")
_FRONT_MATTER = re.compile(r"\A---\n.*?(?:\n## title: [^\n]*\n|\n---\n)\s*", re.DOTALL)
_FILE_NAME = re.compile(r"\.\w{2,4}$|^Microsoft ")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~$&])")
_FIELDS: Final = ("authors", "created_at", "modified_at", "language", "from_email", "to_emails", "subject", "keywords")


def read(data: bytes, media_type: str, *, ocr: bool = False) -> FormatText:
    """Read a document as Markdown, with its pages or slides; with ``ocr``, scanned pages of a PDF as well.

    Raises:
        InputError: it is damaged or encrypted, or a PDF without a text.
        MissingExtraError: the extra ``documents`` is not installed; with ``ocr``, the extra ``ocr``.
    """
    if media_type == formats.DOCX:
        data = with_tabs(data)
    note = legacy.unread(data, media_type) if media_type in legacy.LEGACY else None
    try:
        result = _kreuzberg(data, media_type, "markdown")
    except InputError as error:
        if media_type != formats.PPTX or "Image " not in str(error):
            raise
        data = without_odd_pictures(data)
        result = _kreuzberg(data, media_type, "markdown")
    metadata: dict[str, Any] = dict(result.metadata)
    if media_type == formats.PDF:
        contents, note = _printed(data, [page["content"] for page in result.pages or ()], ocr)
        text, pages = pdf_text(contents, result.content)
    else:
        text, pages = _with_pages(result)
        if media_type == formats.PPTX:
            text, pages = _paged(_with_notes(result.content, _kreuzberg(data, media_type, "plain").content))
    if media_type == formats.MSG:
        text, note = _with_attachments(text, result)
    if media_type == formats.DOCX and len(pages) == 1:
        pages = ()  # Word did not note where its pages end
    fields = {key: metadata[key] for key in _FIELDS if metadata.get(key) and "(" not in str(metadata[key])[:3]}
    if pages:
        fields["pages"] = pages[-1][1]
    return FormatText(text, _title(metadata), pages=pages, metadata=fields, note=note)


def _printed(data: bytes, contents: Sequence[str], ocr: bool) -> tuple[Sequence[str], str | None]:
    """Return the text of each page of a PDF with what stands beside it, and a note on what is not read."""
    beside = pdf_annotations.read(data)
    empty = [n for n, content in enumerate(contents) if not content.strip()]
    drawn = len(empty) == len(contents) and not beside.pictured  # letters can be drawn without a picture
    scanned = [n for n in empty if drawn or n in beside.pictured]
    texts = list(contents)
    notes = list(beside.notes)
    if ocr and scanned:
        for number, text in recognition.recognise(data, scanned):
            texts[number] = text
        notes.append(f"characters recognised: {_numbered(scanned)}")
    for number, passages in enumerate(beside.passages[: len(texts)]):
        texts[number] = "\n\n".join([texts[number], *passages])
    if scanned and not ocr and not (drawn and any(map(str.strip, texts))):
        if not any(map(str.strip, texts)):
            reason = "have no words; if letters are drawn there" if drawn else "are pictures"
            raise InputError(f"no text: its pages {reason}, {_RECOGNISE}")
        notes.append(f"not read, for it is a picture: {_numbered(scanned)}; {_RECOGNISE}")
    return texts, "; ".join(notes) or None


_RECOGNISE: Final = f"recognise their characters with --ocr (ocr=True), which needs pip install '{DISTRIBUTION}[ocr]'"


def _numbered(pages: Sequence[int]) -> str:
    """``pages 1, 2, 5``, the first twenty of them by number."""
    if len(pages) == 1:
        return f"page {pages[0] + 1}"
    more = f" and {len(pages) - 20:,} more" if len(pages) > 20 else ""
    return f"pages {', '.join(str(page + 1) for page in pages[:20])}{more}"


def _title(metadata: Json) -> str:
    """Return the document's own title, unless it is the name of a file it was made from."""
    title = str(metadata.get("title") or metadata.get("subject") or "")
    return "" if _FILE_NAME.search(title) else title


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
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"corrupt: its reader failed ({' '.join(str(error).split())[:200]})") from None  # a panic


def _reason(words: str) -> str:
    words = " ".join(words.split())
    if "password" in words.lower() or "encrypt" in words.lower():
        return "encrypted: save it without a password first"
    said = dict.fromkeys(part for part in words.split(": ") if not part.endswith("Error"))  # it repeats itself
    return f"corrupt: {': '.join(said)[:200]}"


def _with_attachments(text: str, result: ExtractionResult) -> tuple[str, str | None]:
    """Return a message with the text of its attachments, and a note on those without text."""
    parts, unread = [text.rstrip("\n")], []
    for child in result.children or ():
        name, content = child["path"], _ESCAPED.sub(r"\1", child["result"].content).strip()
        if child["mime_type"].startswith("image/") or not content:
            unread.append(name)
        elif content not in text:
            parts.append(f"{heading(1, f'Attachment {name}')}\n\n{content}")
    names = [child["path"] for child in result.children or ()]
    unread += [name for name in result.metadata.get("attachments") or () if name not in names]
    return "\n\n".join(parts) + "\n", f"attachments without a text: {', '.join(unread[:20])}" if unread else None


def _with_pages(result: ExtractionResult) -> tuple[str, Sequence[tuple[int, int]]]:
    """Return the Markdown, and the pages that the extractor marked or gives one by one."""
    text = _FRONT_MATTER.sub("", result.content)
    if _PAGE.search(text):
        return _paged(text)
    pages = [(page["page_number"], page["content"].strip()) for page in result.pages or ()]
    if sum(len(content) for _, content in pages) < 0.9 * len(text):
        return _ESCAPED.sub(r"\1", text), ()
    return _paged("".join(f"\ue000{number}\ue001{content}\n\n" for number, content in pages))


def _paged(marked: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """Strip page marks and the escapes of Markdown from a text; return it and where its pages begin."""
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
        _, mark, said = slide.partition("\nNotes:\n")
        if mark:
            notes[number] = said.strip()
    first, *rest = _PAGE.split(marked)
    slides = (
        f"\ue000{n}\ue001{slide.rstrip()}\n\n{f'Notes: {notes[n]}{chr(10) * 2}' if notes.get(n) else ''}"
        for n, slide in zip(rest[::2], rest[1::2], strict=True)
    )
    return first + "".join(slides)
