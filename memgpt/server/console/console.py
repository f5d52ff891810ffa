"""The console as the service mounts it: its pages, and the gate in front of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.types import ASGIApp

from memgpt.errors import InputError
from memgpt.server.console.cookies import Cookies
from memgpt.server.console.gate import Gate
from memgpt.server.console.routes import (
    agents,
    blocks,
    chat,
    conversations,
    documents,
    entities,
    files,
    forget,
    graph,
    health,
    history,
    items,
    jobs,
    keys,
    memories,
    models,
    overview,
    palette,
    proposals,
    search,
    session,
)
from memgpt.server.console.sessions import Sessions
from memgpt.server.console.signing import Outside
from memgpt.server.service import Service

PAGES: Final = (
    agents,
    palette,
    overview,
    blocks,
    memories,
    documents,
    files,
    items,
    conversations,
    search,
    graph,
    entities,
    history,
    proposals,
    forget,
    chat,
    health,
    models,
    jobs,
    keys,
)


class Console:
    """Pages for people, over one service.

    Args:
        port: of the service.
        hosts: names under which the service is reached, beside those of the loopback address.
        public_url: the address that a proxy with TLS in front gives the service; without one people sign in on a
            loopback address only.
    """

    def __init__(
        self, service: Service, *, port: int, hosts: Iterable[str] = (), public_url: str | None = None
    ) -> None:
        self.sessions = Sessions(service.database)
        self._service = service
        self._hosts = [*hosts, *([_host_of(public_url)] if public_url else [])]
        self._cookies = Cookies(port, tls=public_url is not None)
        own = session.make_router(self.sessions, self._cookies)
        self.routers: Sequence[APIRouter] = (own, *(module.router for module in PAGES))

    def gate(self, app: ASGIApp) -> ASGIApp:
        """Return the layer between the journal and the edge of the API."""
        outside = Outside(self._service, self.sessions, self._cookies)
        return Gate(
            app,
            service=self._service,
            sessions=self.sessions,
            outside=outside.app,
            cookies=self._cookies,
            hosts=self._hosts,
        )


def _host_of(public_url: str) -> str:
    parts = urlsplit(public_url)
    if parts.scheme != "https" or not parts.hostname:
        raise InputError(f"--public-url must begin with https://, not {public_url!r}: it is where a proxy ends TLS")
    return parts.hostname
