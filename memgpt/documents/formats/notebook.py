"""Jupyter notebooks: cells and the text of their outputs; pictures and their base64 are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memgpt.documents.formats.reading import FormatText, blocks, code
from memgpt.errors import InputError


def read(text: str) -> FormatText:
    """Read a notebook of format 3 or 4 as Markdown: text cells as they are, code and text outputs in fences.

    Raises:
        InputError: it is no notebook.
    """
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("corrupt: a notebook is JSON, and this is not") from None
    if not isinstance(notebook, Mapping):
        raise InputError("corrupt: a notebook is a JSON object, and this is not")
    about = notebook.get("metadata")
    about = about if isinstance(about, Mapping) else {}
    language = next(
        (str(about[key].get("name", "")) for key in ("language_info",) if isinstance(about.get(key), Mapping)), ""
    )
    parts: list[str] = []
    pictures = 0
    for cell in _cells(notebook):
        said, shown = _cell(cell, language)
        parts += said
        pictures += shown
    note = f"{pictures:,} pictures and other outputs without text are left out" if pictures else None
    return FormatText(blocks(parts), str(about.get("title") or ""), note=note)


def _cells(notebook: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    sheets = notebook.get("worksheets")  # format 3
    for sheet in sheets if isinstance(sheets, Sequence) else [notebook]:
        cells = sheet.get("cells") if isinstance(sheet, Mapping) else None
        yield from (cell for cell in cells or () if isinstance(cell, Mapping))


def _cell(cell: Mapping[str, Any], language: str) -> tuple[list[str], int]:
    """Return the text blocks of a cell, and how many of its outputs have no text."""
    source = _text(cell.get("source", cell.get("input")))
    if cell.get("cell_type") != "code":
        return [source], len(cell.get("attachments") or ())
    outputs = [each for each in cell.get("outputs") or () if isinstance(each, Mapping)]
    shown = [_output(each) for each in outputs]
    blank = sum(text is None for text in shown)
    return [code(source, language) if source.strip() else "", *(code(text) for text in shown if text)], blank


def _output(output: Mapping[str, Any]) -> str | None:
    """Return the text of an output; None where it has none, such as a picture."""
    if "traceback" in output:
        return f"{output.get('ename', '')}: {output.get('evalue', '')}"
    data = output.get("data")
    plain = _text(data.get("text/plain") if isinstance(data, Mapping) else output.get("text"))
    pictured = isinstance(data, Mapping) and any(str(kind).startswith(("image/", "video/", "audio/")) for kind in data)
    return None if pictured or not plain.strip() else plain


def _text(value: Any) -> str:
    """Return a multi-line string, which notebooks write as one text or as a list of lines."""
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, Sequence) else ""
