"""The queue: procrastinate's tables in the PostgreSQL schema ``memgpt_queue``, and who may touch them.

Its search path lasts for one transaction, so it works behind a transaction pooler, and nothing listens: workers poll.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from memgpt.database import queries
from memgpt.database.connection import Connection, Database
from memgpt.errors import MissingExtraError

try:
    import procrastinate
    from procrastinate.schema import SchemaManager
except ImportError as error:
    raise MissingExtraError("procrastinate", "server", "work in the background") from error

SQL = queries.beside(__name__)

SCHEMA: Final = "memgpt_queue"
TASK: Final = "memgpt.run"
SLEEP: Final = "memgpt.sleep"

_deferring: Final = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
"""Never opened: it works on connections of ours."""


def install(database: Database) -> None:
    """Make the queue, or bring it to the version of the library that is installed."""
    versions = sorted(path.name for path in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    if database.read(_found) == versions[-1]:
        return
    with database.transaction() as connection:
        connection.execute(SQL.lock)
        installed = _found(connection)
        connection.execute(SQL.create_schema)
        with _inside(connection):
            if not installed:
                connection.cursor(binary=False).execute(SchemaManager.get_schema())
            for version in versions if installed else ():
                if version > installed:
                    file = Path(SchemaManager.get_migrations_path()) / version
                    connection.cursor(binary=False).execute(file.read_bytes())
        note = sql.SQL("COMMENT ON SCHEMA {} IS {}")
        connection.execute(note.format(sql.Identifier(SCHEMA), sql.Literal(versions[-1])))


def defer(connection: Connection, queue: str, agent_id: str, job_id: int) -> None:
    """Put a job on the queue, in the transaction of the connection. One of an agent is worked on at a time, and agents
    take turns: however much one asks for, the first of another comes in the next round."""
    lock = f"{queue}:{agent_id}"
    with _inside(connection):
        row = connection.execute(SQL.turn, {"queue": queue, "lock": lock}).fetchone()
        assert row is not None  # noqa: S101 - an aggregate
        task = _deferring.configure_task(TASK, queue=queue, lock=lock, priority=row[0], connection=connection)
        task.defer(agent_id=agent_id, job_id=job_id)


@contextmanager
def _inside(connection: Connection) -> Iterator[None]:
    """Use the queue library's schema, whose tables are the owner's, also in a transaction of a request."""
    with connection.as_owner():
        row = connection.execute(SQL.path).fetchone()
        assert row is not None  # noqa: S101 - there is always a path
        connection.execute(SQL.set_path, {"path": SCHEMA})
        yield
        connection.execute(SQL.set_path, {"path": row[0]})


def _found(connection: Connection) -> str:
    row = connection.execute(SQL.found).fetchone()
    return str(row[0]) if row else ""


class QueueCursor(psycopg.AsyncCursor[Any]):
    """A cursor of the worker: the first statement of a transaction says where the library's tables are."""

    async def execute(self, query: Any, params: Any = None, **kwargs: Any) -> QueueCursor:
        connection = self.connection
        if not connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
            await psycopg.AsyncCursor(connection).execute(SQL.enter_queue)
        await super().execute(query, params, **kwargs)
        return self


def connector(dsn: str) -> procrastinate.PsycopgConnector:
    """Return the worker's own connector, with few connections, for it needs few."""
    return procrastinate.PsycopgConnector(
        conninfo=dsn,
        min_size=0,
        max_size=2,
        kwargs={"cursor_factory": QueueCursor, "prepare_threshold": None, "application_name": "memgpt worker"},
    )
