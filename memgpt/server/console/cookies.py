"""Cookies of the console: the one that signs in, and the one that remembers light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

THEME: Final = "memgpt-theme"
THEMES: Final = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Cookies:
    """Settings of the sign-in cookie: only over TLS, or on a loopback address, where no network hears it.

    Args:
        port: of the service; cookies do not know ports, so the name has it.
        tls: a proxy in front ends TLS, under the address given as ``--public-url``.
    """

    port: int
    tls: bool = False

    @property
    def name(self) -> str:
        return "__Host-memgpt" if self.tls else f"memgpt-{self.port}"

    def set(self, response: Response, cookie: str) -> None:
        response.set_cookie(self.name, cookie, path="/", secure=self.tls, httponly=True, samesite="lax")

    def remove(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.tls, httponly=True, samesite="lax")
