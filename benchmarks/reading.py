"""How many of a file's words reach the memory? Every file of a folder, against an independent reading of its format.

``make bench-reading FULL=FOLDER`` (or ``python -m benchmarks.reading FOLDER``). The independent readings use the
standard library alone and know no layout: all character data of a format's own XML, the cells of a notebook, the
characters outside the tags of a page. A word is a run of letters and digits; it counts as kept where our text has it
at all, for a table of contents or a header of every section is kept once. What is lost is *silent* where the outcome's
note says nothing.
"""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from memgpt.documents.formats import encodings
from memgpt.documents.formats.extract import extract
from memgpt.errors import InputError

WORD = re.compile(r"[^\W_]+")
LINE = 0.99
"""Share of the words of a file below which something is lost."""


@dataclass(frozen=True)
class Row:
    """One file: words of the independent reading, those of them that we keep, our note, or why it was refused."""

    path: Path
    words: int
    kept: int
    note: str | None
    refused: str | None

    @property
    def silent(self) -> bool:
        return self.refused is None and self.note is None and self.kept < LINE * self.words


class _Page(HTMLParser):
    """The characters of a page outside of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._unseen += tag in ("script", "style", "noscript", "template", "title")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in ("script", "style", "noscript", "template", "title")))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)


def page(data: bytes) -> str:
    reader = _Page()
    reader.feed(text(data, markup=True))
    return " ".join(reader.parts)


def text(data: bytes, *, markup: bool = False) -> str:
    return encodings.decode(data, markup=markup).text


def xml(data: bytes) -> str:
    """All character data but pictures."""
    root = parsed(data)
    return " ".join(" ".join(each.itertext()) for each in root if not each.tag.endswith("}binary")) + (root.text or "")


def parsed(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)  # noqa: S314 - files that the user chose to measure


def office(data: bytes, pattern: str, tag: str) -> str:
    """The runs of an Office document: a word may be cut between two, which are joined within a paragraph."""
    said: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(pattern, name):
                said += runs(parsed(archive.read(name)), tag)
    return "".join(said)


def runs(element: ElementTree.Element, tag: str) -> Iterator[str]:
    """The words of an element; what is there twice, for older readers, is taken once."""
    kind = element.tag.rpartition("}")[2]
    if kind in ("p", "si", "r") or kind == tag:
        yield " " if kind in ("p", "si") else ""
    if kind in ("br", "cr", "tab"):
        yield " "
    if kind == tag:
        yield element.text or ""
    for child in element:
        if child.tag.rpartition("}")[2] not in ("Fallback", "rPh", "delText"):
            yield from runs(child, tag)


def opendocument(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = parsed(archive.read("content.xml"))
    body = next(each for each in root if each.tag.endswith("}body"))
    said = []
    for each in body.iter():
        if each.tag.rpartition("}")[2] in ("tab", "line-break", "note", "frame"):
            each.tail = f" {each.tail or ''}"
            each.text = f" {each.text or ''}"
    for each in body.iter():
        if each.tag.rpartition("}")[2] in ("p", "h"):
            said.append("".join(each.itertext()))
    return " ".join(said)


def notebook(data: bytes) -> str:
    found = json.loads(data)
    cells = [c for sheet in found.get("worksheets", [found]) for c in sheet.get("cells", ())]
    return " ".join("".join(cell.get("source", cell.get("input", ""))) for cell in cells)


def mail(data: bytes) -> str:
    data = text(data).encode() if b"\0" in data[:100] else data  # saved as UTF-16, its headers too
    message = email.message_from_bytes(data, policy=email.policy.default)
    part = message.get_body(("plain", "html"))  # type: ignore[attr-defined]
    if part is None:
        return str(message["subject"] or "")
    said = part.get_content()
    return f"{message['subject'] or ''} {page(said.encode()) if part.get_content_type() == 'text/html' else said}"


def subtitles(data: bytes) -> str:
    cues = (block.partition("-->")[2].partition("\n")[2] for block in text(data).split("\n\n") if "-->" in block)
    return " ".join(re.sub(r"</?[^v>][^>]*>|</?v|>", " ", cue) for cue in cues)


def outline(data: bytes) -> str:
    return " ".join(value for each in parsed(data).iter() for value in each.attrib.values())


def latex(data: bytes) -> str:
    body = re.sub(r"(?<!\\)%.*", "", text(data))
    body = re.sub(
        r"\\(?:documentclass|usepackage|label|ref|cite\w*|includegraphics|begin|end)(\[[^\]]*\])?\{[^}]*\}", " ", body
    )
    return re.sub(r"\\[a-zA-Z]+|[{}$&\\]", " ", body)


READINGS: dict[str, Callable[[bytes], str]] = {
    **dict.fromkeys(("txt", "md", "csv", "tsv"), text),
    "rst": lambda data: re.sub(r":[\w:]+:(?=`)", "", text(data)),
    "org": lambda data: re.sub(r"(?m)^\s*#\+\w+", " ", text(data)),
    **dict.fromkeys(("html", "htm", "xhtml"), page),
    **dict.fromkeys(("xml", "fb2", "rss", "atom"), xml),
    **dict.fromkeys(("odt", "odp"), opendocument),
    **dict.fromkeys(("vtt", "srt"), subtitles),
    "docx": lambda data: office(data, r"word/(document|footnotes|endnotes|comments|header\d*|footer\d*)\.xml", "t"),
    "pptx": lambda data: office(data, r"ppt/(slides|notesSlides|comments|diagrams)/[^/]*\.xml", "t"),
    "xlsx": lambda data: office(data, r"xl/(sharedStrings|comments\d*)\.xml", "t"),
    "epub": lambda data: " ".join(map(page, _members(data, r".*\.x?html?"))),
    "ipynb": notebook,
    "eml": mail,
    "opml": outline,
    "tex": latex,
}


def _members(data: bytes, pattern: str) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        yield from (archive.read(name) for name in archive.namelist() if re.fullmatch(pattern, name))


def words(text: str) -> Counter[str]:
    return Counter(found.casefold() for found in WORD.findall(text))


def read(path: Path) -> Row | None:
    """None for a format without an independent reading, or a file that is not what its name says."""
    independent = READINGS.get(path.suffix.lower().removeprefix("."))
    if independent is None:
        return None
    data = path.read_bytes()
    try:
        expected = words(independent(data))
    except (ValueError, KeyError, ElementTree.ParseError, zipfile.BadZipFile, InputError, StopIteration, LookupError):
        return None
    try:
        extracted = extract(data, path.name)
    except InputError as error:
        return Row(path, expected.total(), 0, None, str(error))
    found = words(f"{extracted.title} {extracted.text}")
    kept = sum(count for word, count in expected.items() if word in found)
    return Row(path, expected.total(), kept, extracted.note, None)


def report(rows: list[Row]) -> None:
    print("| format | files | refused | words | kept | files below 99% without a note |")
    print("|---|--:|--:|--:|--:|--:|")
    for suffix in sorted({row.path.suffix.lower() for row in rows}):
        of = [row for row in rows if row.path.suffix.lower() == suffix]
        read_ones = [row for row in of if row.refused is None]
        total = sum(row.words for row in read_ones)
        kept = sum(row.kept for row in read_ones)
        share = f"{100 * kept / total:.2f}%" if total else "-"
        refused, silent = len(of) - len(read_ones), sum(row.silent for row in of)
        print(f"| {suffix} | {len(of):,} | {refused:,} | {total:,} | {share} | {silent:,} |")


def main(arguments: list[str]) -> None:
    if not arguments or not Path(arguments[0]).is_dir():
        sys.exit("name a folder of files, such as a clone of a project that tests document formats")
    files = sorted(path for path in Path(arguments[0]).rglob("*") if path.is_file())
    rows = [row for path in files if (row := read(path)) is not None]
    report(rows)
    for row in rows:
        if row.refused or row.silent:
            name = row.path.relative_to(arguments[0])
            print(f"{name}: {row.refused or f'{row.kept:,} of {row.words:,} words'}")


if __name__ == "__main__":
    main(sys.argv[1:])
