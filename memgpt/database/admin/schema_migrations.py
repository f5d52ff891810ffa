"""A database's own record of its migrations, compared with the files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from memgpt.database import queries
from memgpt.database.admin.migration import Migration
from memgpt.database.server_facts import SESSION
from memgpt.errors import DatabaseError, MigrationError, ReadOnlyError

SQL = queries.beside(__name__)

State = Literal["applied", "pending", "edited", "unknown"]


@dataclass(frozen=True, slots=True)
class Survey:
    """The server and the schema as a plan finds them."""

    schema: str
    database: str
    server_version: str
    encoding: str
    read_only: bool
    schema_exists: bool
    may_create_schema: bool
    may_create: bool
    vector_schema: str | None
    vector_version: str | None
    vector_available: bool
    relations: list[str] | None
    tracking_is_ours: bool
    memory_limit: str | None
    memory_limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class MigrationRecord:
    """One migration as files and database see it. ``checksum_recorded`` is false for a file that only psql applied."""

    name: str
    state: State
    applied_at: datetime | None = None
    checksum_recorded: bool = False


def survey(connection: psycopg.Connection[Any], schema: str) -> Survey:
    """One look at the server; refuses a schema_migrations table of somebody else."""
    with connection.cursor(row_factory=class_row(Survey)) as cursor:
        row = cursor.execute(SQL.survey, {"schema": schema}).fetchone()
    assert row is not None  # noqa: S101 - the statement always gives one row
    if "schema_migrations" in (row.relations or ()) and not row.tracking_is_ours:
        raise MigrationError(
            f"{schema}.schema_migrations belongs to another program (it has no column migration_name): "
            "give memgpt a schema of its own with --schema NAME"
        )
    return row


def set_schema(connection: psycopg.Connection[Any], schema: str, vector_schema: str | None) -> None:
    """Names without a schema mean ``schema`` until the transaction ends, and literals what our files mean by them."""
    path = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys((schema, vector_schema or schema))))
    settings = {name: sql.SQL(value) for name, value in SESSION.items()} | {"search_path": path}
    words = [sql.SQL("SET LOCAL {} TO {}").format(sql.Identifier(name), value) for name, value in settings.items()]
    connection.cursor(binary=False).execute(sql.SQL("; ").join(words))  # several in one take text only


def has_checksums(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Tell whether the migration that brings the table of checksums was applied."""
    exists = connection.execute(SQL.tracking_tables, {"schema": schema}).fetchone()
    return exists is not None and bool(exists[1])


def records(connection: psycopg.Connection[Any], migrations: list[Migration], schema: str) -> list[MigrationRecord]:
    """Every migration, of the files or only of the database, in order. The search path must be set."""
    exists = connection.execute(SQL.tracking_tables, {"schema": schema}).fetchone()
    assert exists is not None  # noqa: S101 - the statement always gives one row
    applied: dict[str, datetime] = dict(connection.execute(SQL.applied).fetchall()) if exists[0] else {}
    checksums: dict[str, str] = dict(connection.execute(SQL.checksums).fetchall()) if exists[1] else {}
    recorded = [_record(m, applied, checksums) for m in migrations]
    names = {m.name for m in migrations}
    return recorded + [MigrationRecord(name, "unknown", at) for name, at in applied.items() if name not in names]


def _record(migration: Migration, applied: dict[str, datetime], checksums: dict[str, str]) -> MigrationRecord:
    if migration.name not in applied:
        return MigrationRecord(migration.name, "pending")
    recorded = checksums.get(migration.name)
    state: State = "applied" if recorded in (None, migration.checksum) else "edited"
    return MigrationRecord(migration.name, state, applied[migration.name], recorded is not None)


def check_writable(survey: Survey) -> None:
    if survey.read_only:
        raise ReadOnlyError("this server is a read-only standby (or the session is read-only): migrate the primary")


def check_records(recorded: list[MigrationRecord]) -> None:
    """Refuse what cannot be continued: an edited file, a newer database, a hole in the order.

    Raises:
        MigrationError: naming the migration and what to do.
    """
    for record in recorded:
        if record.state == "edited":
            raise MigrationError(
                f"{record.name}.sql was edited after it was applied: restore the file as it was, "
                "and put the change into a new migration"
            )
        if record.state == "unknown":
            raise MigrationError(
                f"the database has the migration {record.name!r}, which this version of memgpt does not know: "
                "upgrade memgpt"
            )
    pending = [r.name for r in recorded if r.state == "pending"]
    later = [r.name for r in recorded if r.state == "applied" and pending and r.name > pending[0]]
    if later:
        raise MigrationError(
            f"{later[0]} is recorded but {pending[0]} before it is not: run that file by hand, or "
            f"`memgpt db rollback --target {int(pending[0][:3]) - 1:03}` and migrate again"
        )


def check_room(survey: Survey, pending: list[Migration], schema: str) -> None:
    """Refuse where the migrations could not be applied: no pgvector, no right to create, names in use.

    Raises:
        DatabaseError, MigrationError: naming what is missing and what to do.
    """
    if not pending:
        return
    if survey.vector_version is None and not survey.vector_available:
        raise DatabaseError(
            f"pgvector is not available on this server (PostgreSQL {survey.server_version}): install the package "
            "(Debian: postgresql-NN-pgvector), then run this again"
        )
    if not survey.schema_exists and not survey.may_create_schema:
        raise DatabaseError(
            f"the schema {schema!r} does not exist and this role may not create it: "
            f"GRANT CREATE ON DATABASE {survey.database} TO the role, or create the schema for it"
        )
    if survey.schema_exists and not survey.may_create:
        raise DatabaseError(
            f"this role may not create tables in schema {schema!r}: GRANT CREATE ON SCHEMA {schema} TO the role, "
            "or give memgpt a schema of its own with --schema NAME"
        )
    taken = sorted({t for m in pending for t in m.tables} & set(survey.relations or ()))
    if taken:
        raise MigrationError(
            f"schema {schema!r} already has {', '.join(taken)}, not made by memgpt's migrations: "
            "give memgpt a schema of its own with --schema NAME, or rename the other table"
        )
