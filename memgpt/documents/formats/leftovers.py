"""Passages of Office files, books and pages that the extraction library leaves out, read from the files' own XML.

Comments, notes, headers, text boxes, diagrams, charts, formulas and form fields hold words that somebody looks for.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final
from xml.etree.ElementTree import Element

from memgpt.documents.formats import encodings
from memgpt.documents.formats import media_types as formats
from memgpt.documents.formats.reading import heading, local, one_line, parse_xml
from memgpt.errors import InputError

_NO_WORD: Final = re.compile(r"[\W_]+")
_SURE: Final = 12
"""Letters of a passage that do not stand in a text by chance."""
_MOST: Final = 2000
"""Passages that are looked for in vain; a document that loses more is read badly as a whole, which its note says."""

_PARTS: Final = {
    formats.DOCX: (
        (re.compile(r"word/document\.xml"), "Text boxes and fields"),
        (re.compile(r"word/(?:foot|end)notes\.xml"), "Footnotes"),
        (re.compile(r"word/comments\.xml"), "Comments"),
        (re.compile(r"word/(?:header|footer)\d*\.xml"), "Headers and footers"),
        (re.compile(r"word/(?:diagrams/data|charts/chart)\d*\.xml"), "Diagrams and charts"),
        (re.compile(r"word/[^/]*\.x?html?"), "Embedded pages"),
    ),
    formats.PPTX: (
        (re.compile(r"ppt/slides/slide\d*\.xml"), "Shapes and fields"),
        (re.compile(r"ppt/notesSlides/notesSlide\d*\.xml"), "Notes"),
        (re.compile(r"ppt/comments/[^/]*\.xml"), "Comments"),
        (re.compile(r"ppt/(?:diagrams/data|charts/chart)\d*\.xml"), "Diagrams and charts"),
    ),
    formats.XLSX: (
        (re.compile(r"xl/sharedStrings\.xml"), "Cells"),
        (re.compile(r"xl/(?:comments\d*|(?:comments|threadedComments)/[^/]*)\.xml"), "Comments"),
        (re.compile(r"xl/(?:drawings/drawing|diagrams/data|charts/chart)\d*\.xml"), "Drawings and charts"),
    ),
    formats.XLSB: ((re.compile(r"xl/(?:drawings/drawing|diagrams/data|charts/chart)\d*\.xml"), "Drawings and charts"),),
    formats.ODS: ((re.compile(r"content\.xml"), "Comments and text boxes"),),
    formats.EPUB: ((re.compile(r"^.*\.x?html?"), "Further text"),),
}
_PARAGRAPHS: Final = {"p", "si", "oMathPara", "v", "text"}
"""Elements whose runs belong together: paragraphs, strings of a sheet, formulas, values of a chart, comments."""
_RUNS: Final = {"t", "v", "text"}
_OUT: Final = {"delText", "instrText", "rPh"}
"""Deleted text, codes of fields, and the reading aids of Japanese."""


def added(data: bytes, media_type: str, text: str) -> str:
    """Append to a text the passages of the file that are not in it, each kind below a heading of its own."""
    read = _KnownWords(text)
    sections = []
    for title, passages in _sections(data, media_type):
        missing = [passage for passage in passages if read.is_missing(passage)]
        if missing:
            sections.append("\n\n".join([heading(1, title), *missing]))
    return "\n\n".join([text.rstrip("\n"), *sections]) + "\n" if sections else text


class _KnownWords:
    """The words of a text, in which passages are looked for, mostly from where the last one was."""

    def __init__(self, text: str) -> None:
        self._words = f" {_words(text)} "
        self._letters = self._words.replace(" ", "")
        self._at = 0
        self._missed = 0

    def is_missing(self, passage: str) -> bool:
        words = f" {_words(passage)} "
        if words.isspace() or self._missed > _MOST:
            return False
        at = self._words.find(words, self._at)
        if at < 0:
            at = self._words.find(words)
        if at >= 0:
            self._at = at + len(words) - 1
            return False
        letters = words.replace(" ", "")
        if len(letters) >= _SURE and letters in self._letters:
            return False  # the library cuts words where their format changes
        self._missed += 1
        self._words += words[1:]  # what stands twice is put at the end once
        return True


def _words(text: str) -> str:
    return " ".join(_NO_WORD.split(text.casefold())).strip()


def _sections(data: bytes, media_type: str) -> Iterator[tuple[str, Iterator[str]]]:
    if media_type == formats.HTML:
        yield "Further text", _passages_of_page(data.decode())
    if media_type not in _PARTS:
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        for pattern, title in _PARTS[media_type]:
            parts = (archive.read(name) for name in names if pattern.fullmatch(name))
            passages = _open_passages if media_type == formats.ODS else _passages
            yield title, (passage for part in parts for passage in passages(part))


def _open_passages(part: bytes) -> Iterator[str]:
    """Yield the paragraphs of a sheet's comments and shapes; those of its cells are in the text, as values."""
    for element in parse_xml(part).iter():
        if local(element) in ("annotation", "custom-shape", "frame"):
            yield from (one_line("".join(each.itertext())) for each in element.iter() if local(each) == "p")


def _passages(part: bytes) -> Iterator[str]:
    if part[:2000].lstrip()[:200].lower().find(b"<html") >= 0 or b"<!doctype html" in part[:500].lower():
        yield from _passages_of_page(encodings.decode(part, markup=True).text)
        return
    try:
        root = parse_xml(part)
    except InputError:
        return  # the library has read the document in spite of it
    yield from _paragraphs(root)


def _paragraphs(root: Element) -> Iterator[str]:
    """Yield the text of each paragraph, those inside another (text boxes) apart from it. No recursion: files nest
    deeply."""
    waiting: list[tuple[Element, list[str] | None]] = [(root, None)]
    open_paragraphs: list[list[str]] = []
    while waiting:
        element, runs = waiting.pop()
        kind = local(element)
        if kind in _OUT:
            continue
        if kind in _PARAGRAPHS and not (kind in _RUNS and runs is not None):
            runs = []
            open_paragraphs.append(runs)
        if kind in _RUNS and runs is not None and element.text:
            runs.append(element.text)
        elif kind in ("tab", "br", "cr") and runs is not None:
            runs.append(" ")
        waiting += [(child, runs) for child in reversed(element)]
    for paragraph in open_paragraphs:
        yield one_line("".join(paragraph))


class _Page(HTMLParser):
    """The passages of a page outside of its scripts and styles, cut at the elements that begin a line."""

    _UNSEEN: Final = frozenset({"script", "style", "template", "title", "noscript"})
    _INLINE: Final = frozenset({"a", "b", "i", "em", "strong", "span", "code", "sub", "sup", "u", "s", "small", "font"})

    def __init__(self) -> None:
        super().__init__()
        self.passages: list[list[str]] = [[]]
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN
        if tag not in self._INLINE:
            self.passages.append([])
        if tag == "input":
            self.passages[-1] += [value for name, value in attrs if name in ("value", "placeholder") and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag not in self._INLINE:
            self.passages.append([])

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.passages[-1].append(data)


def text_of_page(markup: str) -> str:
    """Return the words of a page, a line for each element that begins one."""
    return "\n".join(filter(None, _passages_of_page(markup)))


def _passages_of_page(markup: str) -> Iterator[str]:
    reader = _Page()
    reader.feed(markup)
    return (one_line("".join(passage)) for passage in reader.passages if passage)
