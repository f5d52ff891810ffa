"""Cancellation of work that runs in a thread: it ends the statement, or the wait for a provider, that is under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Interrupt = Callable[[], object]


class Cancellation:
    """Work somebody may cancel from another thread. What it does afterwards, but to roll back, ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._told = False
        self._interrupt: Interrupt | None = None

    @contextmanager
    def waiting(self, interrupt: Interrupt) -> Iterator[None]:
        """Let ``interrupt`` end the wait inside, from the thread that cancels; a wait that has ended is left alone.

        Raises:
            asyncio.CancelledError: the work was cancelled before. Once: what then rolls back may wait again.
        """
        with self._lock:
            if self._cancelled and not self._told:
                self._told = True
                raise asyncio.CancelledError
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:  # until an interruption that is under way is done: it is of this wait, not of the next
                self._interrupt = None

    def cancel(self) -> None:
        """Cancel the work, and end what it waits for."""
        with self._lock:
            self._cancelled = True
            if self._interrupt is not None:
                self._interrupt()


_current: ContextVar[Cancellation | None] = ContextVar("memgpt_cancellation", default=None)


def begin() -> Cancellation:
    """Let what runs in this context from here on be cancelled."""
    cancellation = Cancellation()
    _current.set(cancellation)
    return cancellation


@contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[None]:
    """Wait inside; where the running work can be cancelled, ``interrupt`` ends the wait."""
    cancellation = _current.get()
    if cancellation is None:
        yield
        return
    with cancellation.waiting(interrupt):
        yield
