"""Signing in: the form that asks for a key, and what it needs: style sheets, scripts, the icon."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final
from urllib.parse import parse_qsl

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from memgpt.errors import MemgptError
from memgpt.server.api.intake import Intake
from memgpt.server.api.origins import LOOPBACK, host_name
from memgpt.server.api.problems import Refused, detail_of, status_of
from memgpt.server.console import addresses, assets, pages, policy
from memgpt.server.console.cookies import Cookies
from memgpt.server.console.sessions import Sessions
from memgpt.server.service import Service

PER_MINUTE: Final = 10
"""Times that one address may try to sign in."""


class Outside:
    """The part of the console that asks for no session."""

    def __init__(self, service: Service, sessions: Sessions, cookies: Cookies) -> None:
        self._service = service
        self._sessions = sessions
        self._cookies = cookies
        self._attempts = _Attempts()
        self._bodies = Intake(most=4096, seconds=10, quiet_seconds=5)
        self.app = Starlette(
            routes=[
                Route("/sign-in", self.ask, methods=["GET"]),
                Route("/sign-in", self.sign_in, methods=["POST"]),
                Route("/static/{version}/{name:path}", self.file),
                Route("/favicon.ico", self.icon),
            ]
        )

    async def ask(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, request.query_params.get("next"))

    async def sign_in(self, request: Request) -> Response:
        """Sign in by a key, or by the one-time token of `memgpt console`."""
        fields = await self._fields(request)
        if not self._cookies.tls and host_name(request.headers["host"]) not in LOOPBACK:
            return self._form(request, fields.get("next"), 403, pages.say("sign_in.needs_tls"))
        if not self._attempts.allowed(request.client.host if request.client else ""):
            page = self._form(request, fields.get("next"), 429, pages.say("sign_in.too_often"))
            page.headers["Retry-After"] = "60"
            return page
        try:
            cookie = await anyio.to_thread.run_sync(self._start, fields)
        except MemgptError as error:
            return self._form(request, fields.get("next"), status_of(error), detail_of(error))
        response = RedirectResponse(addresses.own_page(fields.get("next")), 303)
        self._cookies.set(response, cookie)
        return response

    async def file(self, request: Request) -> Response:
        """Answer a file as its address names it."""
        asset = assets.assets().get(request.path_params["name"])
        if asset is None or request.path_params["version"] != assets.version():
            return pages.failure(request, 404, pages.say("failure.no_file"))
        response = Response(asset.body, media_type=asset.media_type)
        response.headers.raw.extend(policy.of_file())
        return response

    async def icon(self, _: Request) -> Response:
        """Lead browsers that look at the usual place to the icon."""
        return RedirectResponse(assets.address("icon.svg"), 308)

    def _start(self, fields: dict[str, str]) -> str:
        once = fields.get("once")
        if once and self._sessions.redeem(once):
            return self._sessions.start(None)
        return self._sessions.start(self._service.keys.authenticate(fields.get("key", "").strip()))

    async def _fields(self, request: Request) -> dict[str, str]:
        try:
            self._bodies.size(request.headers.get("content-length"), "transfer-encoding" in request.headers)
            body = await self._bodies.read(request.receive, None)
            return dict(parse_qsl(body.decode()))
        except (Refused, UnicodeDecodeError):
            return {}

    def _form(self, request: Request, target: str | None, status: int = 200, problem: str | None = None) -> Response:
        target = addresses.own_page(target)
        return pages.page(request, "sign_in.html", {"target": target, "problem": problem}, status=status)


class _Attempts:
    """Number of attempts of each address in this minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._by_address: Counter[str] = Counter()

    def allowed(self, address: str) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._by_address = minute, Counter()
        self._by_address[address] += 1
        return self._by_address[address] <= PER_MINUTE
