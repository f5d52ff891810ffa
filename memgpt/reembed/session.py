"""Connections of a re-embedding process: transactions, statements that stand alone, the short lock of a switch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

from psycopg import sql

from memgpt.config import Settings
from memgpt.database import queries
from memgpt.database.admin.index_memory import build_bytes
from memgpt.database.connection import Connection, Database, connect, locate
from memgpt.database.dimensions import TABLES
from memgpt.database.server_facts import describe
from memgpt.errors import ContentionError, DatabaseError
from memgpt.reembed.tables import SQL as TABLES_SQL

SQL = queries.beside(__name__)

T = TypeVar("T")

_LISTS: Final = 200
_LOCK_TRIES: Final = 40
_SHORT_WAIT_MS: Final = 150
_LONGEST_WAIT_MS: Final = 2_000


class ReembedSession:
    """One process at work on a switch."""

    def __init__(self, dsn: str | None, options: Settings) -> None:
        self.options = options
        self.dsn = locate(options) if dsn is None else dsn
        self.database = Database(self.dsn, options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    @contextmanager
    def alone(self, *, dimensions: int = 0) -> Iterator[Connection]:
        """Lend a connection for what may not run in a transaction and may take long: index builds, vacuums.

        With ``dimensions`` it has the memory that building a vector index takes. Behind a transaction pooler nothing
        can be set for a session, so there it is what the server gives everybody.
        """
        with connect(self.dsn, options=self.options, autocommit=True) as connection:
            server = describe(connection)
            if server.backend_pid == connection.info.backend_pid:
                path = dict.fromkeys([self.options.db_schema, server.vector_schema or "public"])
                connection.execute(
                    sql.SQL("SET search_path TO {}").format(sql.SQL(", ").join(map(sql.Identifier, path)))
                )
                connection.execute(SQL.alone)
                if dimensions:
                    connection.execute(
                        SQL.set_memory, {"kilobytes": build_bytes(dimensions, _LISTS, rows=True) // 1024}
                    )
            yield connection

    def locked(self, work: Callable[[Connection], T], between: Callable[[], None] = lambda: None) -> T:
        """``work`` in a transaction that has the tables with embeddings for itself.

        Whoever uses a memory in a transaction holds its table of models first, so when that is ours nobody is halfway
        through a write; only then are the others asked for. Waits are short, so that others hardly notice and
        PostgreSQL's deadlock detection never ends somebody else's transaction: this one gives up and tries again, after
        what is to be done ``between``.

        Raises:
            DatabaseError: others keep the tables busy.
        """
        for attempt in range(_LOCK_TRIES):
            try:
                with self.database.transaction() as connection:
                    wait = min(100 * 2**attempt, _LONGEST_WAIT_MS)
                    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(wait)))
                    connection.execute(TABLES_SQL.lock_models)
                    wait = (
                        _SHORT_WAIT_MS if attempt < _LOCK_TRIES / 4 else _LONGEST_WAIT_MS
                    )  # long enough to end a vacuum
                    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(wait)))
                    connection.execute(queries.compose(TABLES_SQL.lock_tables, tables=queries.identifiers(TABLES)))
                    connection.execute("SET LOCAL lock_timeout = 0")
                    return work(connection)
            except (ContentionError, Retry):
                time.sleep(min(0.05 * 2**attempt, 3.0))
                between()
        raise DatabaseError(
            f"the tables were in use by long transactions at each of {_LOCK_TRIES} attempts; what is done is kept. "
            "`memgpt db monitor` shows who holds them; then run the same command again"
        )


class Retry(Exception):
    """The work of a locked transaction wants to begin again, without the lock for a while."""


def rate_limited(per_second: float | None) -> Callable[[int], None]:
    """Return a function to call after each piece of work with its size: it sleeps if that was faster than allowed."""
    state: dict[str, Any] = {"started": time.monotonic(), "done": 0}

    def pause(done: int) -> None:
        if per_second is not None:
            state["done"] += done
            time.sleep(max(0.0, state["started"] + state["done"] / per_second - time.monotonic()))

    return pause
