"""Progress of a long statement, watched from a second connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final

import psycopg

from memgpt.config import Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.errors import MemgptError

SQL = queries.beside(__name__)

_INTERVAL: Final = 0.5


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """A statement of a migration and, while it builds an index, the server's own account of it."""

    migration: str
    statement: int
    statements: int
    summary: str
    phase: str = ""
    done: int = 0
    total: int = 0


class Watcher:
    """Reports each statement as it starts, and a long index build twice a second. Opens nothing for short work."""

    def __init__(self, dsn: str, options: Settings, on_progress: Callable[[MigrationProgress], None] | None) -> None:
        self._dsn, self._options, self._on_progress = dsn, options, on_progress
        self._current: tuple[MigrationProgress, int] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memgpt-progress", daemon=True)

    def __enter__(self) -> Watcher:
        if self._on_progress is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def start(self, progress: MigrationProgress, pid: int) -> None:
        self._current = (progress, pid)
        if self._on_progress is not None:
            self._on_progress(progress)

    def _watch(self) -> None:
        connection: Connection | None = None
        try:
            while not self._stopped.wait(_INTERVAL):
                connection = connection or connect(self._dsn, options=self._options, autocommit=True, vectors=False)
                connection.deadline = 5.0
                self._look(connection)
        except (psycopg.Error, MemgptError):
            return  # the work goes on unwatched
        finally:
            if connection is not None:
                connection.close()

    def _look(self, connection: Connection) -> None:
        if self._current is None or self._on_progress is None:
            return
        progress, pid = self._current
        row = connection.execute(SQL.create_index, {"pid": pid}).fetchone()
        if row is None:
            return
        phase, blocks, all_blocks, tuples, all_tuples = row
        done, total = (tuples, all_tuples) if all_tuples else (blocks, all_blocks)
        self._on_progress(replace(progress, phase=phase, done=done, total=total))
