"""Tabs of Word files, which the extraction library leaves out: the words on both sides would become one."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final

_TEXT: Final = re.compile(r"word/(?:document|footnotes|endnotes)\.xml")
_TAB: Final = re.compile(rb"<w:tab\s{0,9}/>")
"""In a run; the stops of a paragraph, which have the same name, say their position."""


def with_tabs(data: bytes) -> bytes:
    """Return a DOCX with a space in place of each tab."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if not any(_TEXT.fullmatch(name) and _TAB.search(content) for name, content in members.items()):
        return data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            spaced = _TAB.sub(b'<w:t xml:space="preserve"> </w:t>', content) if _TEXT.fullmatch(name) else content
            archive.writestr(name, spaced)
    return out.getvalue()
