"""The database's record of a switch, and the guard that lets one process work on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.config import Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.embeddings.base import UsageTotals
from memgpt.errors import ConfigurationError, ConflictError
from memgpt.models import Json

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of the embedding model, as recorded."""

    id: int
    from_model: str
    from_dimensions: int
    to_model: str
    to_dimensions: int
    state: Literal["running", "switched", "finished", "rolled back", "cancelled"]
    backward: bool
    """True while, and after, it is being taken back: then ``to_model`` is the model it began with."""
    rows_total: int
    rows_done: int
    tokens: int
    cost: float | None
    phase: str
    verification: Json | None
    started_at: datetime
    updated_at: datetime
    switched_at: datetime | None
    ended_at: datetime | None


def current(connection: psycopg.Connection[Any]) -> Switch | None:
    """Return the switch that is under way, or whose old vectors are still kept."""
    with connection.cursor(row_factory=class_row(Switch)) as cursor:
        return cursor.execute(SQL.current).fetchone()


def last(connection: psycopg.Connection[Any]) -> Switch | None:
    with connection.cursor(row_factory=class_row(Switch)) as cursor:
        return cursor.execute(SQL.last).fetchone()


def active(connection: psycopg.Connection[Any]) -> tuple[str, int]:
    """Name and dimensions of the model of the stored vectors."""
    row = connection.execute(SQL.active).fetchone()
    if row is None:
        raise ConfigurationError("the database does not say which embedding model it holds: run `memgpt db migrate`")
    return row[0], row[1]


def activate(connection: psycopg.Connection[Any], name: str, dimensions: int) -> None:
    connection.execute(SQL.deactivate)
    connection.execute(SQL.activate, {"name": name, "dimensions": dimensions})


def advance(connection: psycopg.Connection[Any], rows: int, used: UsageTotals) -> None:
    connection.execute(SQL.advance, {"rows": rows, "tokens": used.tokens, "cost": used.cost})


def verified(connection: psycopg.Connection[Any], result: Json) -> None:
    connection.execute(SQL.verified, {"verification": Jsonb(result)})


class Guard:
    """One process at a time. The lock belongs to an open transaction that holds nothing else: it is safe behind a
    pooler, keeps no vacuum waiting, and is gone the moment the process is."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self) -> None:
        """Make sure that the lock is still ours; raises the driver's error when the connection was lost."""
        self._connection.execute(SQL.keep_guard)


@contextmanager
def guard(dsn: str, options: Settings) -> Iterator[Guard]:
    """Acquire the right to work on a switch.

    Raises:
        ConflictError: another process has it.
    """
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection, connection.transaction():
        # What is fetched in binary leaves its portal behind, and with it a snapshot; a plain statement ends both.
        # Building an index concurrently waits for every snapshot there is.
        connection.in_binary = False
        if not _taken(connection, options.db_schema):
            raise ConflictError(
                "another process is changing the embedding model: `memgpt reembed --status` shows how far"
            )
        # without parameters, so it is plain, which the statement before was not
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield Guard(connection)


def at_work(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Is a process working on a switch at this moment?"""
    with connection.transaction():
        return not _taken(connection, schema)


def _taken(connection: psycopg.Connection[Any], schema: str) -> bool:
    row = connection.execute(SQL.try_guard, {"schema": schema}).fetchone()
    return bool(row and row[0])
