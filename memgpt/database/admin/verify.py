"""Verification of the live schema: the migrations are run in a scratch schema that is rolled back, and both are
compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from memgpt.config import Settings, settings
from memgpt.database import dimensions, isolation, queries
from memgpt.database.admin import schema_migrations
from memgpt.database.admin.migration import Migration, discover
from memgpt.database.admin.schema_migrations import Survey
from memgpt.database.connection import Connection, connect
from memgpt.database.dimensions import IN_THE_FILES, Sizing
from memgpt.errors import DatabaseError, MigrationError

SQL = queries.beside(__name__)

_INDEX = re.compile(r"CREATE\s++(?:UNIQUE\s++)?INDEX\s++(?P<name>\w++)\s++ON\s++(?P<table>\w++)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Object:
    """One thing a schema has; ``owner`` is the table it belongs to."""

    kind: str
    owner: str
    name: str
    definition: str
    valid: bool

    @property
    def label(self) -> str:
        return self.name if self.owner == self.name or self.kind == "index" else f"{self.owner}.{self.name}"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the live schema and the migrations, and what removes it."""

    kind: Literal["missing", "changed", "invalid", "edited", "undone by hand"]
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SchemaVerification:
    """Differences that ``verify`` found. ``extras`` are things on memgpt's tables that no migration made: not an
    error."""

    schema: str
    migrations: int
    pending: int
    objects: int
    drifts: tuple[Drift, ...]
    extras: tuple[str, ...]
    index_usage: tuple[tuple[str, str, int, str], ...]
    table_sizes: tuple[tuple[str, str, str, str], ...]


def verify(dsn: str | None = None, *, options: Settings | None = None) -> SchemaVerification:
    """Compare, in one transaction that is rolled back; then the specification's two verification queries.

    Raises:
        MigrationError: no migration is applied.
        DatabaseError: a standby, or no right to create the scratch schema.
    """
    options = options or settings()
    schema = options.db_schema
    migrations = discover()
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        with connection.transaction(force_rollback=True):
            survey = schema_migrations.survey(connection, schema)
            _check(survey)
            schema_migrations.set_schema(connection, schema, survey.vector_schema)
            records = schema_migrations.records(connection, migrations, schema)
            applied = [
                m for m in migrations if any(r.name == m.name and r.state in ("applied", "edited") for r in records)
            ]
            if not applied:
                raise MigrationError(f"no migration is applied in schema {schema!r}: run `memgpt db migrate`")
            live = _objects(connection, schema)
            expected = _expected(connection, survey, applied)
        drifts = [*_edited(records), *_undone(applied, live), *_differences(expected, live, schema, applied)]
        parameters = {"schema": schema}
        usage = connection.execute(SQL.index_usage, parameters).fetchall()
        sizes = connection.execute(SQL.table_sizes, parameters).fetchall()
    tables = {o.owner for o in expected.values()}
    extras = sorted(f"{o.kind} {o.label}" for key, o in live.items() if key not in expected and o.owner in tables)
    pending = sum(r.state == "pending" for r in records)
    return SchemaVerification(
        schema, len(applied), pending, len(expected), tuple(drifts), tuple(extras), tuple(usage), tuple(sizes)
    )


def _check(survey: Survey) -> None:
    if survey.read_only:
        raise DatabaseError(
            "verify builds the expected schema in a transaction that it rolls back, "
            "which a read-only standby does not allow: verify the primary"
        )
    if not survey.may_create_schema:
        raise DatabaseError(
            "verify builds the expected schema in a transaction that it rolls back, for which this role needs "
            f"CREATE on the database: GRANT CREATE ON DATABASE {survey.database} TO the role, or use its owner"
        )


Key = tuple[str, str, str]


def _objects(connection: Connection, schema: str) -> dict[Key, Object]:
    with connection.cursor(row_factory=class_row(Object)) as cursor:
        rows = cursor.execute(SQL.objects, {"schema": schema}).fetchall()
    return {(o.kind, o.owner, o.name): o for o in rows}


def _expected(connection: Connection, survey: Survey, applied: list[Migration]) -> dict[Key, Object]:
    """Return what the applied migrations make, with the columns sized for the recorded model."""
    model = dimensions.recorded(connection, survey)
    row = connection.execute(SQL.scratch_name).fetchone()
    scratch = str(row[0]) if row else ""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(scratch)))
    schema_migrations.set_schema(connection, scratch, survey.vector_schema)
    connection.execute(isolation.SQL.name_role, {"role": connection.role})
    for migration in applied:
        for statement in migration.statements:
            try:
                connection.execute(statement.text.encode())
            except psycopg.Error as error:
                raise MigrationError(
                    f"{migration.name}.sql line {statement.line} does not run in an empty schema: {error}"
                ) from error
    if model is not None and model.dimensions != IN_THE_FILES:
        dimensions.apply(connection, applied, Sizing(model, resize=True))
    if dimensions.code_is_kept(connection, survey.schema):
        dimensions.keep_code(connection)
    return _objects(connection, scratch)


def _edited(records: Iterable[schema_migrations.MigrationRecord]) -> list[Drift]:
    return [
        Drift("edited", f"{r.name}.sql differs from the file that was applied", "restore the file as it was")
        for r in records
        if r.state == "edited"
    ]


def _undone(applied: list[Migration], live: dict[Key, Object]) -> list[Drift]:
    """Migrations that are recorded although everything they made is gone."""
    names = {o.name for o in live.values()}
    seen: set[str] = set()
    drifts = []
    for migration in applied:
        indexes = [m for s in migration.statements if (m := _INDEX.match(s.text))]
        lost = {m["name"] for m in indexes if m["table"] not in names}  # with their table, which is named by itself
        created = {*migration.tables, *(m["name"] for m in indexes)} - seen - lost
        seen |= created
        if created and not created & names:
            what = f"{migration.name} is recorded as applied, but nothing of it is there"
            remedy = f"memgpt db rollback --target {migration.number - 1}, then memgpt db migrate"
            drifts.append(Drift("undone by hand", what, remedy))
    return drifts


def _differences(
    expected: dict[Key, Object], live: dict[Key, Object], schema: str, applied: list[Migration]
) -> Iterable[Drift]:
    tables = {o.name for o in live.values() if o.kind == "table"}
    for key, wanted in expected.items():
        actual = live.get(key)
        if actual is None:
            if wanted.kind == "table" or wanted.owner in tables or wanted.kind == "function":
                yield Drift("missing", f"{wanted.kind} {wanted.label}", _create(wanted, schema, applied))
        elif actual.definition != wanted.definition:
            what = f"{wanted.kind} {wanted.label} is {actual.definition!r}, not {wanted.definition!r}"
            yield Drift("changed", what, _change(wanted, actual, schema))
        elif not actual.valid:
            yield Drift("invalid", f"{wanted.kind} {wanted.label}", _validate(wanted, schema))


def _create(wanted: Object, schema: str, applied: list[Migration]) -> str:
    """Return the statement that makes a missing object, to be run with this search path."""
    table = f"{_quote(schema)}.{_quote(wanted.owner)}"
    match wanted.kind:
        case "table":
            origin = next((m for m in applied if wanted.name in m.tables), applied[0])
            return (
                f"restore it from a backup, or memgpt db rollback --target {origin.number - 1}, then memgpt db migrate"
            )
        case "column":
            return f"ALTER TABLE {table} ADD COLUMN {_quote(wanted.name)} {wanted.definition};"
        case "constraint":
            return f"ALTER TABLE {table} ADD CONSTRAINT {_quote(wanted.name)} {wanted.definition};"
        case "index":
            return wanted.definition.replace(f" ON {_quote(wanted.owner)} ", f" ON {table} ", 1) + ";"
        case "policy":
            policy = f"CREATE POLICY {_quote(wanted.name)} ON {_quote(wanted.owner)} {wanted.definition};"
            return f"SET search_path TO {_quote(schema)}; {policy}"
        case _:
            return f"SET search_path TO {_quote(schema)}; {wanted.definition};"


def _change(wanted: Object, actual: Object, schema: str) -> str:
    table = f"{_quote(schema)}.{_quote(wanted.owner)}"
    match wanted.kind:
        case "index":
            return f"DROP INDEX {_quote(schema)}.{_quote(wanted.name)}; " + _create(wanted, schema, [])
        case "constraint":
            return f"ALTER TABLE {table} DROP CONSTRAINT {_quote(wanted.name)}; " + _create(wanted, schema, [])
        case "column":
            return _alter_column(wanted, actual, table)
        case "table":
            return " ".join(f"ALTER TABLE {table} {clause};" for clause in _table_clauses(wanted, actual))
        case "policy" | "trigger":
            drop = f"DROP {wanted.kind.upper()} {_quote(wanted.name)} ON {table}; "
            return drop + _create(wanted, schema, [])
        case _:
            return _create(wanted, schema, [])


def _table_clauses(wanted: Object, actual: Object) -> Iterator[str]:
    """Yield the clauses that turn the options and the row-level security of a table into those wanted."""
    (options, security), (options_found, security_found) = map(_table_parts, (wanted, actual))
    if set_ := [f"{name}={value}" for name, value in options.items() if options_found.get(name) != value]:
        yield f"SET ({', '.join(set_)})"
    if reset := [name for name in options_found if name not in options]:
        yield f"RESET ({', '.join(reset)})"
    for word, on, off in (("ROW LEVEL", "ENABLE", "DISABLE"), ("FORCED", "FORCE", "NO FORCE")):
        if (word in security) != (word in security_found):
            yield f"{on if word in security else off} ROW LEVEL SECURITY"


def _table_parts(table: Object) -> tuple[dict[str, str], str]:
    """Return the options of a table by name, and the rest of its definition."""
    options, _, rest = table.definition.removeprefix("WITH (").rpartition(")")
    return dict(option.split("=", 1) for option in options.split(", ") if option), rest


def _alter_column(wanted: Object, actual: Object, table: str) -> str:
    """Return the one clause that differs, where it can be altered in place."""
    column = f"ALTER TABLE {table} ALTER COLUMN {_quote(wanted.name)}"
    if wanted.definition.replace(" STORAGE PLAIN", "") == actual.definition:
        return f"{column} SET STORAGE PLAIN;"
    if wanted.definition.replace(" NOT NULL", "") == actual.definition:
        return f"{column} SET NOT NULL;"
    if wanted.definition == actual.definition.replace(" NOT NULL", ""):
        return f"{column} DROP NOT NULL;"
    type_wanted, _, default_wanted = wanted.definition.partition(" DEFAULT ")
    type_found, _, default_found = actual.definition.partition(" DEFAULT ")
    if type_wanted == type_found and default_wanted != default_found:
        return f"{column} SET DEFAULT {default_wanted};" if default_wanted else f"{column} DROP DEFAULT;"
    return f"make it {wanted.definition} again ({column} …), or restore the table from a backup"


def _validate(wanted: Object, schema: str) -> str:
    if wanted.kind == "constraint":
        return f"ALTER TABLE {_quote(schema)}.{_quote(wanted.owner)} VALIDATE CONSTRAINT {_quote(wanted.name)};"
    return f"REINDEX INDEX CONCURRENTLY {_quote(schema)}.{_quote(wanted.name)};"


def _quote(name: str) -> str:
    return sql.Identifier(name).as_string() if not _PLAIN_NAME.fullmatch(name) else name
