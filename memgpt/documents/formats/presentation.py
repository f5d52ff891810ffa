"""Slides whose pictures have no file: the extraction library refuses the whole presentation for one of them."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final

_SLIDE: Final = re.compile(r"ppt/(?:slides|slideLayouts|slideMasters)/[^/]*\.xml")
_PICTURE: Final = re.compile(rb"<p:pic(?=[\s/>])")
_EMBEDDED: Final = re.compile(rb"<a:blip\b[^>]{0,1000}?\b\w{1,20}:embed=")


def without_odd_pictures(data: bytes) -> bytes:
    """Return a PPTX without those of its pictures that name no file in it (linked, lost, or never chosen)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as written:
        for name in archive.namelist():
            content = archive.read(name)
            written.writestr(name, _without(content) if _SLIDE.fullmatch(name) else content)
    return out.getvalue()


def _without(slide: bytes) -> bytes:
    first, *rest = _PICTURE.split(slide)
    parts = [first]
    for part in rest:
        inside, end, after = part.partition(b"</p:pic>")
        tag, _, behind = part.partition(b">")
        if tag.endswith(b"/"):
            parts.append(behind)
        else:
            parts.append(b"<p:pic" + part if not end or _EMBEDDED.search(inside) else after)
    return b"".join(parts)
