"""From which address, and from which page of a browser, a request may come.

A web page must not reach a service on somebody's machine through their browser: neither under another name (DNS
rebinding), nor by the requests that a page may send anywhere without asking first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from memgpt.server.api.problems import Refused, refuse
from memgpt.server.service import Service

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_READS: Final = ("GET", "HEAD", "OPTIONS")
_ASKED: Final = (
    *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "last-event-id"),
    *("memgpt-agent", "memgpt-session", "memgpt-budget", "mcp-protocol-version", "x-request-id"),
)
_TOLD: Final = ("etag", "link", "location", "next-cursor", "retry-after", "idempotency-replayed", "x-request-id")


class Origins:
    """ASGI middleware that refuses foreign names and pages.

    Args:
        hosts: names of the service beside those of the loopback address.
        pages: origins whose scripts may call the service: ``https://app.example.com``.
    """

    def __init__(self, app: ASGIApp, *, service: Service, hosts: Iterable[str], pages: Sequence[str]) -> None:
        self._app = app
        self._service = service
        self._names = frozenset(name.lower() for name in (*LOOPBACK, *hosts))
        self._pages = frozenset(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope["method"], scope["path"], Headers(scope=scope))
            except Refused as refused:
                await refuse(refused, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        host = host_name(headers.get("host", ""))
        if (path == "/mcp" or not self._service.keys_required) and host not in self._names:
            raise Refused(421, "the service is not known under this host name: see `memgpt serve --allow-host`")
        origin = headers.get("origin")
        if origin is not None and not self._may_call(origin, host):
            raise Refused(403, "pages of this origin may not call the service: see MEMGPT_CORS_ORIGINS")
        if origin is None and method not in _READS and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "pages of another origin may not change anything")

    def _may_call(self, origin: str, host: str) -> bool:
        name = host_name(_address(origin))
        return origin in self._pages or name in self._names or (bool(name) and name == host)


def cross_origin(app: ASGIApp, pages: Sequence[str]) -> ASGIApp:
    """Answer browsers that ask whether a page of another origin may call the service."""
    return CORSMiddleware(
        app,
        allow_origins=pages,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_ASKED,
        expose_headers=_TOLD,
    )


def _address(origin: str) -> str:
    """Return the host and port of an origin; empty where it is none, such as ``null``."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""


def host_name(address: str) -> str:
    """Return a host without its port."""
    name, colon, port = address.rpartition(":")
    return (name if colon and port.isdigit() else address).lower()
