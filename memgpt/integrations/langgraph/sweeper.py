"""A thread that forgets what has expired."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock, Thread

from memgpt.errors import MemgptError

LOG = logging.getLogger(__name__)


class Sweeper:
    """Does some work every few minutes, until it is stopped."""

    def __init__(self, sweep: Callable[[], int]) -> None:
        self._sweep = sweep
        self._lock = Lock()
        self._thread: Thread | None = None
        self._stop = Event()
        self._done: Future[None] = Future()

    def start(self, minutes: float | None) -> Future[None]:
        """Start, unless it runs already; answers a future whose ``cancel`` stops it. None minutes: never."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                stop = self._stop = Event()
                self._done = Future()
                self._done.add_done_callback(lambda _: stop.set())
                if minutes is None:
                    self._done.set_result(None)
                    return self._done
                arguments = (minutes * 60, stop, self._done)
                self._thread = Thread(target=self._run, args=arguments, name="memgpt-sweeper", daemon=True)
                self._thread.start()
            return self._done

    def stop(self, timeout: float | None = None) -> bool:
        """Stop; False where it has not stopped within so many seconds."""
        with self._lock:
            thread = self._thread
            self._stop.set()
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self, seconds: float, stop: Event, done: Future[None]) -> None:
        while not stop.wait(seconds):
            try:
                self._sweep()
            except MemgptError:  # the server may be away for a while
                LOG.exception("expired items were not swept; the next attempt is in %s seconds", seconds)
        if not done.done():
            done.set_result(None)
