"""The migration runner: plans, applies and undoes the numbered files.

Each migration and its record are one transaction, statement by statement, under a lock that the transaction holds;
so two runners are safe, an interrupted one leaves nothing half-applied, and a transaction pooler may sit in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from memgpt.config import Settings, settings
from memgpt.database import dimensions, isolation, queries
from memgpt.database.admin import schema_migrations
from memgpt.database.admin.index_memory import check_memory
from memgpt.database.admin.migration import Migration, discover, find
from memgpt.database.admin.progress import MigrationProgress, Watcher
from memgpt.database.admin.schema_migrations import MigrationRecord, Survey
from memgpt.database.admin.sql_split import SqlStatement
from memgpt.database.connection import Connection, connect, locate
from memgpt.database.dimensions import ModelSpec, Sizing
from memgpt.database.server_facts import check_encoding
from memgpt.errors import MigrationError, NotFoundError

__all__ = [
    "Migration",
    "MigrationPlan",
    "MigrationReport",
    "MigrationStatus",
    "ModelSpec",
    "apply",
    "discover",
    "plan",
    "rollback",
    "status",
]

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """Work of a run: the migrations to apply (or to undo), and the sizing of the embedding columns."""

    schema: str
    pending: tuple[Migration, ...]
    sizing: Sizing | None
    server: Survey


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One migration that was applied or undone."""

    name: str
    statements: int
    seconds: float


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """Work that a run did; of a dry run, what it would have done (no seconds passed)."""

    schema: str
    direction: str
    dry_run: bool
    steps: tuple[MigrationStep, ...]
    sizing: Sizing | None = None
    notices: tuple[str, ...] = ()
    """What the server said that somebody should do."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Applied and pending migrations of a database."""

    database: str
    schema: str
    server_version: str
    vector_version: str | None
    records: tuple[MigrationRecord, ...]
    model: ModelSpec | None

    @property
    def pending(self) -> int:
        return sum(r.state == "pending" for r in self.records)


def status(
    dsn: str | None = None, *, options: Settings | None = None, directory: Path | None = None
) -> MigrationStatus:
    """Report which migrations are applied, pending, edited or unknown. Works on a standby."""
    options = options or settings()
    migrations = discover(directory)
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection, connection.transaction():
        survey = schema_migrations.survey(connection, options.db_schema)
        schema_migrations.set_schema(connection, options.db_schema, survey.vector_schema)
        return MigrationStatus(
            database=survey.database,
            schema=options.db_schema,
            server_version=survey.server_version,
            vector_version=survey.vector_version,
            records=tuple(schema_migrations.records(connection, migrations, options.db_schema)),
            model=dimensions.recorded(connection, survey),
        )


def plan(
    dsn: str | None = None,
    *,
    options: Settings | None = None,
    target: str | None = None,
    model: ModelSpec | None = None,
    directory: Path | None = None,
) -> MigrationPlan:
    """Plan what ``apply`` would do; raise what it would raise before touching anything."""
    options = options or settings()
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        return _plan(connection, discover(directory), options.db_schema, target, model)


def apply(
    dsn: str | None = None,
    *,
    options: Settings | None = None,
    target: str | None = None,
    dry_run: bool = False,
    model: ModelSpec | None = None,
    on_progress: Callable[[MigrationProgress], None] | None = None,
    directory: Path | None = None,
) -> MigrationReport:
    """Apply what is pending, up to ``target``, each migration in its own transaction; then size the embedding columns.

    ``model`` is the embedding model the columns are for; None leaves them (and its record) as they are.

    Raises:
        MigrationError, DatabaseError: the migration that failed left nothing behind; those before it stay applied.
    """
    options = options or settings()
    dsn = locate(options) if dsn is None else dsn
    migrations = discover(directory)
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        todo = _plan(connection, migrations, options.db_schema, target, model)
        if dry_run:
            steps = tuple(MigrationStep(m.name, len(m.statements), 0.0) for m in todo.pending)
            return MigrationReport(todo.schema, "up", True, steps, todo.sizing)
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: _note(notices, notice))
        with Watcher(dsn, options, on_progress) as watcher:
            done = [_apply_one(connection, m, migrations, todo, watcher) for m in todo.pending]
            sizing = _size(connection, migrations, todo, model, watcher) if todo.sizing else None
        if not todo.pending:
            _adopt(connection, migrations, todo)
            _use_role(connection, todo)
    return MigrationReport(todo.schema, "up", False, tuple(s for s in done if s), sizing, tuple(dict.fromkeys(notices)))


def rollback(
    dsn: str | None = None,
    *,
    options: Settings | None = None,
    target: str | None = None,
    dry_run: bool = False,
    on_progress: Callable[[MigrationProgress], None] | None = None,
    directory: Path | None = None,
) -> MigrationReport:
    """Undo the last migration, or everything after ``target`` (``0``: all of them), the latest first."""
    options = options or settings()
    dsn = locate(options) if dsn is None else dsn
    migrations = discover(directory)
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        todo = _plan_rollback(connection, migrations, options.db_schema, target)
        if dry_run:
            steps = tuple(MigrationStep(m.name, len(m.undo_statements), 0.0) for m in todo.pending)
            return MigrationReport(todo.schema, "down", True, steps)
        with Watcher(dsn, options, on_progress) as watcher:
            done = [_undo_one(connection, m, todo, migrations, watcher) for m in todo.pending]
    return MigrationReport(todo.schema, "down", False, tuple(s for s in done if s))


def _plan(
    connection: Connection, migrations: list[Migration], schema: str, target: str | None, model: ModelSpec | None
) -> MigrationPlan:
    last = find(migrations, target).number if target else migrations[-1].number
    with connection.transaction():
        survey = schema_migrations.survey(connection, schema)
        check_encoding(survey.encoding)
        schema_migrations.check_writable(survey)
        schema_migrations.set_schema(connection, schema, survey.vector_schema)
        records = schema_migrations.records(connection, migrations, schema)
        schema_migrations.check_records(records)
        waiting = {r.name for r in records if r.state == "pending"}
        pending = tuple(m for m in migrations if m.name in waiting and m.number <= last)
        schema_migrations.check_room(survey, list(pending), schema)
        check_memory(connection, survey, pending)
        complete = len(pending) == len(waiting)
        sizing = dimensions.plan(connection, survey, model) if model and complete else None
    return MigrationPlan(schema, pending, sizing, survey)


def _plan_rollback(
    connection: Connection, migrations: list[Migration], schema: str, target: str | None
) -> MigrationPlan:
    with connection.transaction():
        survey = schema_migrations.survey(connection, schema)
        schema_migrations.check_writable(survey)
        schema_migrations.set_schema(connection, schema, survey.vector_schema)
        records = schema_migrations.records(connection, migrations, schema)
        applied = {r.name for r in records if r.state in ("applied", "edited")}
        undo = [m for m in reversed(migrations) if m.name in applied]
        if not undo:
            raise NotFoundError(f"no migration is applied in schema {schema!r}: there is nothing to roll back")
        keep = (
            undo[0].number - 1 if target is None else 0 if target in ("0", "000") else find(migrations, target).number
        )
        pending = tuple(m for m in undo if m.number > keep)
        dimensions.check_rollback(connection, survey, pending)
    return MigrationPlan(schema, pending, None, survey)


def _apply_one(
    connection: Connection, migration: Migration, migrations: list[Migration], todo: MigrationPlan, watcher: Watcher
) -> MigrationStep | None:
    """One migration in one transaction; None when another runner did it while this one waited."""
    started = time.monotonic()
    with _transaction(connection, migration.name):
        vector_schema = _enter(connection, todo).vector_schema
        if migration.number == 1 and vector_schema is None:
            vector_schema = _create_extension(connection)
        if not todo.server.schema_exists:
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(todo.schema)))
        schema_migrations.set_schema(connection, todo.schema, vector_schema)
        records = schema_migrations.records(connection, migrations, todo.schema)
        schema_migrations.check_records(records)
        if any(r.name == migration.name and r.state == "applied" for r in records):
            return None
        _run(connection, migration.name, migration.statements, watcher)
        if not _one(connection, SQL.still_recorded, name=migration.name):
            raise MigrationError(f"{migration.name}.sql did not record itself in schema_migrations")
        _record_checksums(connection, migrations, todo.schema)
    return MigrationStep(migration.name, len(migration.statements), time.monotonic() - started)


def _undo_one(
    connection: Connection, migration: Migration, todo: MigrationPlan, migrations: list[Migration], watcher: Watcher
) -> MigrationStep | None:
    started = time.monotonic()
    with _transaction(connection, migration.name):
        survey = _enter(connection, todo)
        schema_migrations.set_schema(connection, todo.schema, survey.vector_schema)
        if not _one(connection, SQL.still_recorded, name=migration.name):
            return None
        dimensions.restore(connection, survey, migrations, migration)
        _run(connection, f"{migration.name}.down", migration.undo_statements, watcher)
        if schema_migrations.has_checksums(connection, todo.schema):
            connection.execute(SQL.forget_checksum, {"name": migration.name})
    return MigrationStep(migration.name, len(migration.undo_statements), time.monotonic() - started)


@contextmanager
def _transaction(connection: Connection, name: str) -> Iterator[None]:
    """One migration's transaction; a connection lost at its very end leaves open whether it was committed."""
    try:
        with connection.transaction():
            yield
    except psycopg.OperationalError as error:
        raise MigrationError(
            f"{name}: {_words(error)}. `memgpt db status` tells whether it was committed; run this again if it was not"
        ) from error


def _enter(connection: Connection, todo: MigrationPlan) -> Survey:
    """Take the lock; what was read before may be old by now."""
    connection.execute(SQL.no_timeouts)
    connection.execute(SQL.notice_lost_client)
    connection.execute(SQL.lock)
    connection.execute(isolation.SQL.name_role, {"role": connection.role})
    return schema_migrations.survey(connection, todo.schema)


def _create_extension(connection: Connection) -> str:
    """pgvector, where the session's own search path puts it: a schema given for the tables does not capture it."""
    try:
        connection.execute("CREATE EXTENSION vector")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise MigrationError(
            f"pgvector cannot be created in this database ({_words(error)}): "
            "let a superuser run CREATE EXTENSION vector here once, then run this again"
        ) from error
    return schema_migrations.survey(connection, "public").vector_schema or "public"


def _run(connection: Connection, name: str, statements: list[SqlStatement], watcher: Watcher) -> None:
    pid = _one(connection, SQL.backend)
    for index, statement in enumerate(statements, start=1):
        watcher.start(MigrationProgress(name, index, len(statements), statement.summary), pid)
        try:
            connection.execute(statement.text.encode())
        except psycopg.errors.DiskFull as error:
            raise MigrationError(
                f"{name}.sql line {statement.line}: the server's disk is full ({_words(error)}). "
                "Nothing of this migration was applied: free space and run it again"
            ) from error
        except psycopg.OperationalError as error:
            raise MigrationError(
                f"{name}.sql line {statement.line}: {_words(error)}. "
                "Nothing of this migration was applied: run it again, applied ones are kept"
            ) from error
        except psycopg.Error as error:
            hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
            raise MigrationError(
                f"{name}.sql line {statement.line}: {_words(error)}. Nothing of this migration was applied.{hint}"
            ) from error


def _size(
    connection: Connection, migrations: list[Migration], todo: MigrationPlan, model: ModelSpec | None, watcher: Watcher
) -> Sizing | None:
    assert model is not None  # noqa: S101 - only a model plans a sizing
    with connection.transaction():
        survey = _enter(connection, todo)
        schema_migrations.set_schema(connection, todo.schema, survey.vector_schema)
        sizing = dimensions.plan(connection, survey, model)
        if sizing is not None:
            watcher.start(MigrationProgress("embedding columns", 1, 1, f"{model.dimensions} dimensions"), 0)
            dimensions.apply(connection, migrations, sizing)
    return sizing


def _adopt(connection: Connection, migrations: list[Migration], todo: MigrationPlan) -> None:
    """Checksums of files that psql applied."""
    with connection.transaction():
        schema_migrations.set_schema(connection, todo.schema, _enter(connection, todo).vector_schema)
        _record_checksums(connection, migrations, todo.schema)


def _use_role(connection: Connection, todo: MigrationPlan) -> None:
    """Let the configured role work where the policies are for another one, or an administrator has made it since."""
    with connection.transaction():
        schema_migrations.set_schema(connection, todo.schema, _enter(connection, todo).vector_schema)
        role = {"role": connection.role}
        if _one(connection, SQL.can_use_role) and not all(
            connection.execute(isolation.SQL.role, role).fetchone() or ()
        ):
            connection.execute(isolation.SQL.use_role, role)


def _note(notices: list[str], notice: psycopg.errors.Diagnostic) -> None:
    """Keep what the migrations themselves tell an operator; hints of PostgreSQL and pgvector are not for one."""
    if notice.message_hint and notice.source_function == "exec_stmt_raise":
        notices.append(f"{notice.message_primary}. {notice.message_hint}")


def _record_checksums(connection: Connection, migrations: list[Migration], schema: str) -> None:
    if not schema_migrations.has_checksums(connection, schema):
        return
    connection.execute(SQL.forget_unapplied)
    for record in schema_migrations.records(connection, migrations, schema):
        if record.state == "applied" and not record.checksum_recorded:
            checksum = next(m.checksum for m in migrations if m.name == record.name)
            connection.execute(SQL.record_checksum, {"name": record.name, "checksum": checksum})


def _one(connection: Connection, query: bytes, **parameters: object) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return None if row is None else row[0]


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())
