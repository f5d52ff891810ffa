"""Formats in XML whose words are in its text: FictionBook, OPML, feeds, and any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from xml.etree.ElementTree import Element

from memgpt.documents.formats.reading import FormatText, attribute, blocks, heading, local, one_line, parse_xml

_DEEPEST: Final = 200


def fictionbook(markup: str) -> FormatText:
    """Read an FB2 book: its sections with their titles, its description; the pictures in base64 are left out."""
    root = parse_xml(markup)
    title = next((one_line("".join(each.itertext())) for each in root.iter() if local(each) == "book-title"), "")
    parts: list[str] = []
    for child in root:
        if local(child) == "description":
            parts += [one_line(text) for text in child.itertext() if text.strip()]
        elif local(child) == "body":
            parts += _section(child, 1)
    pictures = sum(local(child) == "binary" for child in root)
    return FormatText(blocks(parts), title, note=f"{pictures:,} pictures are left out" if pictures else None)


def _section(element: Element, level: int) -> Iterator[str]:
    for child in element:
        kind = local(child)
        if kind == "title":
            yield heading(level, " ".join(child.itertext()))
        elif kind in ("section", "poem", "stanza", "epigraph", "cite", "annotation") and level < _DEEPEST:
            yield from _section(child, level + (kind == "section"))
        elif kind in ("table", "tr") and level < _DEEPEST:
            yield from _section(child, level)
        else:
            yield one_line("".join(child.itertext()))


def opml(markup: str) -> FormatText:
    """Read an outline: a line each, indented, with its note and its address."""
    root = parse_xml(markup)
    title = next((one_line(each.text or "") for each in root.iter() if local(each) == "title"), "")
    about = [one_line(each.text or "") for head in root if local(head) == "head" for each in head]
    body = next((each for each in root if local(each) == "body"), root)
    return FormatText(blocks([*about, "\n".join(_outline(body, 0))]), title)


def _outline(element: Element, level: int) -> Iterator[str]:
    for child in element:
        if local(child) != "outline" or level > _DEEPEST:
            continue
        words = [value for name, value in child.attrib.items() if name != "type"]
        yield f"{'  ' * level}- {one_line(' '.join(dict.fromkeys(filter(None, words))))}"
        yield from _outline(child, level + 1)


def feed(markup: str, page: Callable[[str], str]) -> FormatText:
    """Read RSS or Atom: each entry under its title; ``page`` gives the text of HTML in it."""
    root = parse_xml(markup)
    entries = [each for each in root.iter() if local(each) in ("item", "entry")]
    inside = {id(part) for entry in entries for part in entry.iter()}
    parts = [one_line(each.text) for each in root.iter() if id(each) not in inside and each.text and each.text.strip()]
    for entry in entries:
        parts += _entry(entry, page)
    title = next((one_line(each.text or "") for each in root.iter() if local(each) == "title"), "")
    return FormatText(blocks(parts), title)


def _entry(entry: Element, page: Callable[[str], str]) -> Iterator[str]:
    title = next((each for each in entry if local(each) == "title"), None)
    if title is not None:
        yield heading(2, "".join(title.itertext()))
    for child in entry:
        said = "".join(child.itertext()).strip() or attribute(child, "href")
        if child is not title and said:
            yield page(said) if "<" in said and "</" in said else said


def other(markup: str) -> FormatText:
    """Read the text of any XML, an element's own text a line; where there is none, the values of the attributes."""
    root = parse_xml(markup)
    lines = [line for text in root.itertext() if (line := one_line(text))]
    return FormatText("\n".join(lines or (value for each in root.iter() for value in each.attrib.values())) + "\n")
