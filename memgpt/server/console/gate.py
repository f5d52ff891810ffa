"""In front of the pages: the name of the host, who is signed in, from which page a request comes, and the headers of
every answer. It passes on what is not the console's."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memgpt.errors import MemgptError
from memgpt.server.api.event_stream import EVENT_STREAM
from memgpt.server.api.origins import LOOPBACK, host_name
from memgpt.server.api.problems import status_of
from memgpt.server.console import addresses, pages, policy
from memgpt.server.console.cookies import Cookies
from memgpt.server.console.sessions import Sessions, SignIn
from memgpt.server.service import Caller, Service

_OURS: Final = re.compile(r"/|/(?:agents|operations)(?:/.*)?|/sign-out|/theme|/receipt|/palette")
_OPEN: Final = re.compile(r"/sign-in|/static/.*|/favicon\.ico")
_UPLOAD: Final = re.compile(r"/agents/[^/]+/documents/files")
_OF_AGENT: Final = re.compile(r"/agents/([^/]+)")
_READS: Final = ("GET", "HEAD")


class Gate:
    """ASGI middleware between the journal and the edge of the API.

    Args:
        outside: answers those who are not signed in: sign-in, style sheets and scripts.
        hosts: names under which the service is reached, beside those of the loopback address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: Service,
        sessions: Sessions,
        outside: Starlette,
        cookies: Cookies,
        hosts: Iterable[str],
    ) -> None:
        self._app = app
        self._service = service
        self._sessions = sessions
        self._outside = outside
        self._cookies = cookies
        self._names = frozenset(name.lower() for name in (*LOOPBACK, *hosts))
        self._nobody = SignIn(Caller(None), secrets.token_urlsafe(32), datetime.now(UTC), kept=False)
        self._lookups: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if not (_OURS.fullmatch(path) or _OPEN.fullmatch(path)):
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        state["nonce"] = secrets.token_urlsafe(16)
        answer = _PageAnswer(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await pages.failure(Request(scope), *refusal)(scope, receive, answer.send)
        elif _OPEN.fullmatch(path):
            await self._outside(scope, receive, answer.send)
        else:
            await self._admit(scope, receive, answer)

    async def _admit(self, scope: Scope, receive: Receive, answer: _PageAnswer) -> None:
        try:
            session = await self._session(scope)
        except MemgptError as error:
            page: Response = pages.failure(Request(scope), status_of(error), pages.say("failure.database"))
            await page(scope, receive, answer.send)
            return
        if session is None:
            await self._ask_to_sign_in(scope)(scope, receive, answer.send)
            return
        state = scope["state"]
        state |= {"session": session, "caller": session.caller, "body_kind": "application/x-www-form-urlencoded"}
        if _UPLOAD.fullmatch(scope["path"]):
            state["body_kind"] = "multipart/form-data"
        if (of_agent := _OF_AGENT.match(scope["path"])) is not None:
            with suppress(ValueError):  # a route answers that there is none
                state["agent_id"] = addresses.name_of(of_agent[1])
        await self._app(scope, receive, answer.send)

    async def _session(self, scope: Scope) -> SignIn | None:
        if not self._service.keys_required:
            return self._nobody
        cookie = _cookie(scope, self._cookies.name)
        if not cookie:
            return None
        if (session := self._sessions.known(cookie)) is not None:
            return session
        if self._lookups is None:  # it belongs to the loop
            self._lookups = CapacityLimiter(4)
        return await anyio.to_thread.run_sync(self._sessions.find, cookie, limiter=self._lookups)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host_name(host) not in self._names:
            return 421, pages.say("failure.host")
        if scope["method"] not in _READS and not _from_own_page(headers, host):
            return 403, pages.say("failure.foreign")
        return None

    def _ask_to_sign_in(self, scope: Scope) -> Response:
        if scope["method"] in _READS and "hx-request" not in Headers(scope=scope):
            asked = scope["raw_path"].decode("ascii") + (
                "?" + query if (query := scope["query_string"].decode()) else ""
            )
            return RedirectResponse(addresses.address("sign-in", next=asked if asked != "/" else None), 303)
        return pages.failure(Request(scope), 401, pages.say("failure.signed_out"))


def _from_own_page(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of ours sends this."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == host


def _cookie(scope: Scope, name: str) -> str:
    return cookie_parser(Headers(scope=scope).get("cookie", "")).get(name, "")


class _PageAnswer:
    """Answer with the headers of the console; a problem of the API becomes a page, but for who reads events."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._asks_for_events = Headers(scope=scope).get("accept") == EVENT_STREAM
        self._problem: tuple[int, MutableHeaders] | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            if headers.get("content-type") == "application/problem+json" and not self._asks_for_events:
                self._problem = (message["status"], headers)
                return
            if b"content-security-policy" not in dict(headers.raw):
                headers.raw.extend(policy.of_page(self._scope["state"]["nonce"]))
            await self._send({**message, "headers": headers.raw})
        elif self._problem is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._page(*self._problem)

    async def _page(self, status: int, headers: MutableHeaders) -> None:
        self._problem = None
        detail = json.loads(self._body)["detail"]
        seconds = headers.get("retry-after", "")
        page = pages.failure(Request(self._scope), status, detail, wait=int(seconds) if seconds.isdecimal() else None)
        await page(self._scope, self._receive, self.send)
