"""One private event loop per process, on which the provider clients live.

The core is synchronous and may itself be called from a thread that runs an event loop, so the clients'
coroutines run on a thread of their own. A forked child starts a loop of its own, because threads do not
survive a fork.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_running: asyncio.AbstractEventLoop | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The loop, started when first needed."""
    global _running
    with _lock:
        if _running is None:
            _running = asyncio.new_event_loop()
            threading.Thread(target=_running.run_forever, name="memgpt-embeddings", daemon=True).start()
        return _running


def run(work: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; the calling thread waits. Interrupted, it cancels the work."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result()
    finally:
        future.cancel()


def later(work: Callable[[], Coroutine[Any, Any, object]], on: asyncio.AbstractEventLoop) -> None:
    """Start the work if ``on`` still runs in this process; nobody waits for it."""
    if on is _running:
        asyncio.run_coroutine_threadsafe(work(), on)


def _forget() -> None:
    global _lock, _running
    _lock, _running = threading.Lock(), None


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget)
