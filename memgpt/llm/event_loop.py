"""One private event loop per process, on which the provider clients live.

The core is synchronous and may itself be called from a thread that runs an event loop, so the clients'
coroutines run on a thread of their own. A forked child starts a loop of its own, because threads do not
survive a fork.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from memgpt.database import forks
from memgpt.database.cancellation import interruptible

T = TypeVar("T")


class _Loop:
    """The loop and the thread it runs on; a forked child starts its own, when it needs one."""

    def __init__(self) -> None:
        self._lock = forks.lock()
        self.running: asyncio.AbstractEventLoop | None = None
        self._inherited: list[asyncio.AbstractEventLoop] = []
        forks.register(self)

    def after_fork(self) -> None:
        """Leave the parent's loop as it is: closing it would end its waking up, which the two share."""
        if self.running is not None:
            self._inherited.append(self.running)
        self.running = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.running is None:
                self.running = asyncio.new_event_loop()
                threading.Thread(target=self.running.run_forever, name="memgpt-embeddings", daemon=True).start()
            return self.running


_loop = _Loop()


def loop() -> asyncio.AbstractEventLoop:
    """Return the event loop, started on first use."""
    return _loop.get()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return a coroutine's result; the calling thread waits. Interrupted, it cancels the coroutine."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        with interruptible(future.cancel):
            return future.result()
    finally:
        future.cancel()


def later(work: Callable[[], Coroutine[Any, Any, object]], on: asyncio.AbstractEventLoop) -> None:
    """Start the work if ``on`` still runs in this process; nobody waits for it."""
    if on is _loop.running:
        asyncio.run_coroutine_threadsafe(work(), on)
