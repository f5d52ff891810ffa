"""Content of PDF pages beside their text: comments, form fields, pictures, attached files."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from memgpt.documents.formats.reading import local, one_line, parse_xml
from memgpt.errors import InputError, MissingExtraError

_UNREAD: Final = {"/Link", "/Popup", "/Widget"}
"""Annotations whose contents are an address, another's text, or a field's."""
_OFF: Final = {"", "/Off", "Off"}
_DEEPEST: Final = 50
"""Fields inside each other."""


@dataclass(slots=True)
class Beside:
    """Content of a PDF's pages beside their text."""

    passages: list[list[str]] = field(default_factory=list)
    """Of each page: comments as ``[comment: …]``, fields as ``name: value``."""
    pictured: set[int] = field(default_factory=set)
    """Indexes of the pages with a picture."""
    notes: list[str] = field(default_factory=list)


def read(data: bytes) -> Beside:
    """Read what a PDF has beside its text; what cannot be read is named in the notes.

    Raises:
        MissingExtraError: the extra ``documents`` is not installed.
    """
    try:
        import pypdf
    except ImportError:
        raise MissingExtraError("pypdf", "documents", "reading comments and form fields of PDFs") from None
    logging.getLogger("pypdf").addHandler(logging.NullHandler())  # it warns of every oddity on standard error
    failures = (pypdf.errors.PyPdfError, pypdf.errors.DependencyError, struct.error, zlib.error, OSError)
    oddities = (ValueError, TypeError, LookupError, AttributeError, RecursionError, NotImplementedError, InputError)
    beside = Beside()
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        for page in reader.pages:
            beside.passages.append([])
            _page(page, len(beside.passages) - 1, beside)
        _form(reader.xfa or {}, beside)
        attached = sorted(reader.attachments)
    except (*failures, *oddities):  # what people's programs write breaks its rules in every way
        beside.notes.append("comments and form fields are not read: its structure is damaged or protected")
        return beside
    if attached:
        beside.notes.append(f"attached files are not read: {', '.join(attached[:20])}")
    return beside


def _page(page: Any, index: int, beside: Beside) -> None:
    passages = beside.passages[index]
    drawn = _resolved(_resolved(page.get("/Resources"), {}).get("/XObject"), {})
    if any(_resolved(each, {}).get("/Subtype") in ("/Image", "/Form") for each in drawn.values()):
        beside.pictured.add(index)
    for reference in _resolved(page.get("/Annots"), []):
        annotation = _resolved(reference, {})
        kind = annotation.get("/Subtype")
        said = one_line(str(_resolved(annotation.get("/Contents"), "")))
        if kind == "/Widget":
            said = _field(annotation)
        elif kind in _UNREAD or not said:
            continue
        else:
            said = f"[comment: {said}]"
        if said and said not in passages:
            passages.append(said)


def _resolved(value: Any, absent: Any) -> Any:
    value = value.get_object() if hasattr(value, "get_object") else value
    return absent if value is None else value


def _field(annotation: Any) -> str:
    """Return the name and value of a form field; names and values are inherited from the fields above."""
    names: list[str] = []
    value = label = ""
    for each in _above(annotation):
        names.append(str(_resolved(each.get("/T"), "")))
        label = label or str(_resolved(each.get("/TU"), ""))
        value = value or _value(_resolved(each.get("/V"), ""))
    if annotation.get("/AS") == "/Off":
        return ""
    name = label or ".".join(filter(None, reversed(names)))
    return one_line(f"{name}: {value}" if name else value) if value else ""


def _above(annotation: Any) -> Iterator[Any]:
    for _ in range(_DEEPEST):
        yield annotation
        annotation = _resolved(annotation.get("/Parent"), None)
        if annotation is None:
            return


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, (_value(_resolved(each, "")) for each in value)))
    if isinstance(value, dict):  # a signature
        return str(_resolved(value.get("/Name"), ""))
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return "" if text in _OFF else text.removeprefix("/")


def _form(packets: dict[str, Any], beside: Beside) -> None:
    """Append the data of an XFA form, which a viewer draws from XML."""
    if not packets:
        return
    data = packets.get("datasets")
    lines: Sequence[str] = ()
    if data:
        root = parse_xml(data)
        shown = {line.rpartition(": ")[2] for page in beside.passages for line in page}
        values = ((local(each), one_line(each.text or "")) for each in root.iter() if not len(each))
        lines = [f"{name}: {value}" for name, value in values if value and value not in shown]
    if beside.passages:
        beside.passages[-1].extend(dict.fromkeys(lines))
    beside.notes.append("an XFA form: what its fields hold is read, its printed words only where the pages have them")
