"""The audit log: who wrote what through the service, and who was refused."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Final

from memgpt.database import forks
from memgpt.database.connection import Connection, Database
from memgpt.errors import MemgptError
from memgpt.server.keys_store import Entry, KeyStore
from memgpt.server.rates import Rates


class Audit:
    """Writes the audit log behind the requests, many lines at once. While the database is away, lines wait.

    Who has no key cannot make it grow: that is for the access log. A key's denials are noted at most so many a minute.
    """

    MOST_WAITING: Final = 10_000
    DENIALS: Final = 10
    """Of a key, in a minute, that are written."""
    PRUNE_EVERY: Final = 3600.0

    def __init__(self, database: Database) -> None:
        self._database = database
        self.after_fork()
        forks.register(self)
        self.lost = 0
        """Lines given up because the database was away too long."""

    def after_fork(self) -> None:
        """Begin empty: what waits is written by the parent, whose thread the writer is."""
        self._waiting: list[Entry] = []
        self._closing = False
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        self._denials = Rates()
        self._prune_at = 0.0

    @property
    def waiting(self) -> int:
        """Lines to be written."""
        return len(self._waiting)

    def add(
        self, *, request_id: str, key_id: str | None, agent_id: str | None, action: str, status: int, client: str | None
    ) -> None:
        """Note one write, or one denial."""
        if status >= 400 and (key_id is None or self._denials.take(key_id, self.DENIALS)):
            return
        line = Entry(
            datetime.now(UTC), request_id, key_id, _storable(agent_id), _storable(action) or "", status, client
        )
        with self._changed:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="memgpt-audit", daemon=True)
                self._writer.start()
            if len(self._waiting) >= self.MOST_WAITING:
                self.lost += 1
                return
            self._waiting.append(line)
            self._changed.notify()

    def close(self) -> None:
        """Write what is left."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._writer is not None:
            self._writer.join(timeout=5)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                lines = self._waiting[:1000]
                if not lines:
                    return
            try:
                with self._database.transaction() as connection:
                    KeyStore(connection).audit(lines)
                    self._prune(connection)
            except MemgptError:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=1.0)
                    if self._closing:
                        return
                continue
            with self._changed:
                del self._waiting[: len(lines)]

    def _prune(self, connection: Connection) -> None:
        """Once an hour remove what is too old, or too much: only what is written makes the log grow."""
        if time.monotonic() >= self._prune_at:
            KeyStore(connection).prune_audit()
            self._prune_at = time.monotonic() + self.PRUNE_EVERY


def _storable(text: str | None) -> str | None:
    """Make a stranger's text one that PostgreSQL can keep."""
    if text is None:
        return None
    return text[:500].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
