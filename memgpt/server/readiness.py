"""Can requests be served? Asked by anybody, as often as they like; the database is asked at most once a second."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import anyio.to_thread
from anyio import CapacityLimiter

from memgpt.errors import MemgptError
from memgpt.server.service import Service

EVERY: Final = 1.0
"""Seconds for which an answer of the database is good."""


class Readiness:
    """The state of the database as all who ask see it: one question at a time, and its answer for all of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asking: asyncio.Task[str | None] | None = None
        self._until = 0.0

    async def problem(self) -> str | None:
        """Why requests cannot be served; None when they can."""
        if self._asking is None or (self._asking.done() and time.monotonic() >= self._until):
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str | None:
        try:
            await anyio.to_thread.run_sync(self._service.check, limiter=CapacityLimiter(1))
        except MemgptError as error:
            return str(error).split(":")[0]
        finally:
            self._until = time.monotonic() + EVERY
        return None
