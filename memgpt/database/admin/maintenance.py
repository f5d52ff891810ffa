"""The care a database needs after migrations: watching, vacuuming, and counting what embedding costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg.rows import class_row

from memgpt.config import Settings, settings
from memgpt.database import queries
from memgpt.database.admin import schema_migrations
from memgpt.database.admin.migration import discover
from memgpt.database.connection import Connection, connect
from memgpt.errors import MigrationError

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class RunningMaintenance:
    """An index build or a vacuum that is running."""

    pid: int
    table: str
    work: str
    phase: str
    percent: int | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A session that waits for another's lock."""

    pid: int
    blocked_by: list[int]
    seconds: int
    query: str


@dataclass(frozen=True, slots=True)
class Monitor:
    """Running work, and the plan of the sample search (empty while no chunk has an embedding)."""

    running: tuple[RunningMaintenance, ...]
    blocked: tuple[Blocked, ...]
    plan: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one table: counted when they were stored, estimated from the text, and those of the last 30 days."""

    table: str
    texts: int
    counted: int
    estimated: int
    last_month: int


def monitor(dsn: str | None = None, *, options: Settings | None = None) -> Monitor:
    """Report running index builds and vacuums, waiting sessions, and EXPLAIN ANALYZE of a search for the largest
    agent."""
    with _inside(dsn, options or settings(), "document_chunks") as connection:
        with connection.cursor(row_factory=class_row(RunningMaintenance)) as cursor:
            running = cursor.execute(SQL.running).fetchall()
        with connection.cursor(row_factory=class_row(Blocked)) as cursor:
            blocked = cursor.execute(SQL.blocked).fetchall()
        agent = connection.execute(SQL.largest_agent).fetchone()
        rows = connection.execute(SQL.explain_search, {"agent_id": agent[0]}).fetchall() if agent else []
    return Monitor(tuple(running), tuple(blocked), tuple(r[0] for r in rows))


def vacuum(dsn: str | None = None, *, options: Settings | None = None) -> Iterator[tuple[str, float]]:
    """VACUUM ANALYZE every table of memgpt, the largest first; gives each with its seconds when it is done."""
    options = options or settings()
    ours = ["schema_migrations", *(t for m in discover() for t in m.tables)]
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        schema_migrations.check_writable(schema_migrations.survey(connection, options.db_schema))
        rows = connection.execute(SQL.tables, {"schema": options.db_schema, "tables": ours}).fetchall()
        for (table,) in rows:
            started = time.monotonic()
            connection.execute(queries.compose(SQL.vacuum, table=queries.identifier(options.db_schema, table)))
            yield table, time.monotonic() - started


def tokens(dsn: str | None = None, *, options: Settings | None = None) -> list[Tokens]:
    """Count the tokens stored, table by table."""
    with (
        _inside(dsn, options or settings(), "kg_relationships") as connection,
        connection.cursor(row_factory=class_row(Tokens)) as cursor,
    ):
        return cursor.execute(SQL.tokens).fetchall()


@contextmanager
def _inside(dsn: str | None, options: Settings, needs: str) -> Iterator[Connection]:
    """Open a transaction with the search path of a migrated schema."""
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection, connection.transaction():
        survey = schema_migrations.survey(connection, options.db_schema)
        if needs not in (survey.relations or ()):
            raise MigrationError(f"schema {options.db_schema!r} has no memory yet: run `memgpt db migrate`")
        schema_migrations.set_schema(connection, options.db_schema, survey.vector_schema)
        yield connection
