"""Signing out, and light or dark."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from memgpt.server.console import addresses, visits
from memgpt.server.console.cookies import THEME, THEMES, Cookies
from memgpt.server.console.sessions import Sessions


def make_router(sessions: Sessions, cookies: Cookies) -> APIRouter:
    """Return the routes that write cookies."""
    router = visits.router()

    @router.post("/sign-out")
    def sign_out(request: Request) -> Response:
        """End the session and remove its cookie."""
        if (cookie := request.cookies.get(cookies.name)) is not None:
            sessions.end(cookie)
        response = RedirectResponse(addresses.address("sign-in"), 303)
        cookies.remove(response)
        return response

    @router.post("/theme")
    def choose_theme(theme: Annotated[str, Form()], back: Annotated[str | None, Form()] = None) -> Response:
        """Remember light or dark for this browser."""
        response = RedirectResponse(addresses.own_page(back), 303)
        chosen = theme if theme in THEMES else "system"
        response.set_cookie(THEME, chosen, max_age=365 * 86400, path="/", httponly=True, samesite="lax")
        return response

    return router
