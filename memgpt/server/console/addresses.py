"""Addresses of pages: names of agents, blocks and conversations as single segments that every browser leaves alone."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from pydantic import BeforeValidator

_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*+")

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")

Value = str | int | float | bool | datetime | None
Values = Value | Sequence[str] | Sequence[int]
"""Of a name in a query; several are repeated."""


def segment(name: str) -> str:
    """Write a name as one segment.

    A slash would be decoded before routing and ``..`` swallowed by the browser, so what is not plain goes as ``~`` and
    base64.
    """
    if _PLAIN.fullmatch(name):
        return name
    return "~" + base64.urlsafe_b64encode(name.encode()).rstrip(b"=").decode()


def name_of(segment: str) -> str:
    """Read the name in a segment.

    Raises:
        ValueError: it is not one that :func:`segment` writes.
    """
    if not segment.startswith("~"):
        if _PLAIN.fullmatch(segment):
            return segment
        raise ValueError("not a name as the console writes it")
    try:
        written = segment[1:].encode("ascii")
        return base64.b64decode(written + b"=" * (-len(written) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("not a name as the console writes it") from error


Name = Annotated[str, BeforeValidator(name_of)]
"""A segment of an address as a route gets it."""


def address(*parts: str | int, **query: Values) -> str:
    """Return the address of a page; what is None or false in the query is left out."""
    path = "/" + "/".join(segment(str(part)) for part in parts)
    pairs = [
        (name.rstrip("_"), _written(each))
        for name, value in query.items()
        for each in ([value] if isinstance(value, str) or not isinstance(value, Sequence) else value)
        if each not in (None, False, "")
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def own_page(target: str | None) -> str:
    """Return an address somebody asks to be led to, if it is a page of this console; else the first page."""
    if target and _OWN_PATH.fullmatch(target):
        return target
    return "/"


def _written(value: Value) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "1" if value is True else str(value)
