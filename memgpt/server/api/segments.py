"""Addresses with a slash inside a segment: ``/v1/agents/team%2Fann`` is the agent ``team/ann``.

Servers decode an address as a whole, after which ``%2F`` separates segments as ``/`` does. Here segments are separated
first and decoded once; a slash in one stays escaped for the routing, and the parameters of the routes undo that.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote, unquote_to_bytes

from fastapi import Path
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH: Final = "%2F"
_PERCENT: Final = "%25"


class Segments:
    """The outermost ASGI middleware: everything after it sees the same address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            scope["path"] = "/".join(map(_escaped, scope["raw_path"].split(b"/")))
        await self._app(scope, receive, send)


def _escaped(segment: bytes) -> str:
    text = unquote_to_bytes(segment).decode(errors="replace")  # what is not UTF-8 is refused by its bytes
    return text.replace("%", _PERCENT).replace("/", _SLASH)


def decoded(segment: str) -> str:
    """Decode a segment of the routed address."""
    return segment.replace(_SLASH, "/").replace(_PERCENT, "%")


Segment = Annotated[str, BeforeValidator(decoded)]
"""A text that is one segment of an address, whatever characters it has."""


def named_segment(description: str, example: str, *, most: int, pattern: str) -> Any:
    """Return the parameter of a route that is a name, with its bounds and what the document says of it."""
    extra = {"pattern": pattern}
    return Path(description=description, examples=[example], min_length=1, max_length=most, json_schema_extra=extra)


def address(request: Request) -> str:
    """Return the address of a request, without its query, as it can be sent again."""
    return quote(request.scope["path"], safe="/%")
