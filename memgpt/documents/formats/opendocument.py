"""OpenDocument texts and presentations (ODT, ODP), read from their own XML.

The extraction library leaves out spans, lists and tables inside cells of ODT, and does not know ODP.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from memgpt.documents.formats.reading import FormatText, attribute, blocks, heading, local, one_line, parse_xml, table
from memgpt.errors import InputError

_DEEPEST: Final = 200
"""Elements inside each other; deeper ones are not of a document that somebody wrote."""

_SPACES: Final = {"tab": "\t", "line-break": "\n", "soft-page-break": ""}
_UNSEEN: Final = {"tracked-changes", "sequence-decls", "variable-decls", "user-field-decls", "forms", "scripts"}
_LARGEST_REPEAT: Final = 1000


def read(data: bytes) -> FormatText:
    """Read an OpenDocument text or presentation as Markdown, slides as pages.

    Raises:
        InputError: it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            content, names = archive.read("content.xml"), archive.namelist()
            about = archive.read("meta.xml") if "meta.xml" in names else b""
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"corrupt: {error}") from None
    body = next((each for each in parse_xml(content) if local(each) == "body"), None)
    reader = _Reader()
    parts = list(reader.blocks(body)) if body is not None else []
    text, pages = _joined(parts)
    embedded = sum(name.startswith("Object ") and name.endswith("/content.xml") for name in names)
    notes = [
        f"{embedded:,} embedded charts or other objects are not read" if embedded else "",
        f"{reader.deleted:,} passages that tracked changes delete are left out" if reader.deleted else "",
    ]
    return FormatText(text, _title(about), pages=pages, note="; ".join(filter(None, notes)) or None)


def _title(about: bytes) -> str:
    if not about:
        return ""
    return next((one_line(each.text or "") for each in parse_xml(about).iter() if local(each) == "title"), "")


@dataclass
class _Reader:
    """Blocks of a document in order; a slide begins with a number."""

    depth: int = 0
    slides: int = 0
    deleted: int = 0
    """Passages that tracked changes delete."""
    aside: list[str] = field(default_factory=list)
    """Text boxes that stand inside a paragraph: they follow it."""

    def blocks(self, element: Element, level: int = 0) -> Iterator[str | int]:
        """Yield the blocks below an element; ``level`` is how deep its list is."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise InputError(f"corrupt: more than {_DEEPEST} elements inside each other")
        for child in element:
            yield from self._block(child, level)
        self.depth -= 1

    def _block(self, child: Element, level: int) -> Iterator[str | int]:
        kind = local(child)
        if kind == "tracked-changes":
            self.deleted += sum(local(each) == "deletion" for each in child.iter())
        elif kind in _UNSEEN:
            return
        elif kind == "page":
            self.slides += 1
            yield self.slides
            yield from self.blocks(child)
        elif kind == "notes":
            said = one_line(" ".join(str(part) for part in self.blocks(child)))
            if said:
                yield f"Notes: {said}"
        elif kind == "h":
            yield heading(int(attribute(child, "outline-level") or 1), self._inline(child))
        elif kind == "p":
            yield from self._paragraph(child, level)
        elif kind == "table":
            yield table(list(self._rows(child)))
        elif kind in ("title", "desc"):
            yield "".join(child.itertext())
        else:
            yield from self.blocks(child, level + (kind == "list"))

    def _paragraph(self, element: Element, level: int) -> Iterator[str]:
        text = self._inline(element).strip("\n")
        if text.strip():
            yield f"{'  ' * (level - 1)}- {one_line(text)}" if level else text
        yield from self.aside
        self.aside.clear()

    def _inline(self, element: Element) -> str:
        """Return the text of a paragraph or heading with its notes and comments in place."""
        parts = [element.text or ""]
        for child in element:
            kind = local(child)
            if kind == "s":
                parts.append(" " * min(int(attribute(child, "c") or 1), _LARGEST_REPEAT))
            elif kind in _SPACES:
                parts.append(_SPACES[kind])
            elif kind in ("frame", "custom-shape", "g"):
                self.aside += [str(part) for part in self.blocks(child)]
            elif kind == "note":
                mark, *said = (" ".join(part.itertext()) for part in child)
                parts.append(f" [{one_line(': '.join([mark, *said]))}]")
            elif kind == "annotation":
                parts.append(f" [comment: {one_line(' '.join(str(part) for part in self.blocks(child)))}]")
            elif kind not in _UNSEEN:
                parts.append(self._inline(child))
            parts.append(child.tail or "")
        return "".join(parts)

    def _rows(self, element: Element) -> Iterator[list[str]]:
        for child in element:
            kind = local(child)
            if kind == "table-row":
                cells = [
                    one_line(" ".join(str(part) for part in self.blocks(cell)))
                    for cell in child
                    if local(cell) in ("table-cell", "covered-table-cell")
                ]
                if any(cells):
                    yield cells
            elif kind in ("table-rows", "table-header-rows", "table-row-group"):
                yield from self._rows(child)


def _joined(parts: list[str | int]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of the blocks, and where the slides begin."""
    pages: list[tuple[int, int]] = []
    slides: list[list[str]] = [[]]
    numbers = [0]
    for part in parts:
        if isinstance(part, int):
            slides.append([])
            numbers.append(part)
        else:
            slides[-1].append(part)
    text = ""
    for number, said in zip(numbers, slides, strict=True):
        if number:
            pages.append((len(text), number))
        text += blocks(said) + "\n" if any(said) else ""
    return text, pages
