"""The size of the embedding columns: the files say 1536, the configured model may say something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from memgpt.database import codes, queries
from memgpt.database.admin.migration import Migration
from memgpt.database.admin.schema_migrations import Survey
from memgpt.database.tables import BY_NAME, for_each, tables
from memgpt.errors import MigrationError

SQL = queries.beside(__name__)

IN_THE_FILES: Final = 1536
"""Dimensions of the embedding columns as the migration files make them."""

TABLES: Final = tuple(sorted(table.name for table in tables() if table.texts))
"""Those with a column ``embedding``, in the order in which they are locked."""
_LATER: Final = ("file_chunks", "store_items")
"""Those that came after the record of the model: a database that is not up to date does not have them."""
_RECORD: Final = "embedding_models"
_INDEXABLE_VECTOR: Final = 2000
_INDEXABLE_HALFVEC: Final = 4000
_BYTES_IN_A_PAGE: Final = 7000  # of 8160, so that the rest of a row fits beside the vector

_RENAME = re.compile(r"ALTER\s+INDEX\s+(?P<old>\w+)\s+RENAME\s+TO\s+(?P<new>\w+)", re.IGNORECASE)
_INDEX = re.compile(r"CREATE\s+INDEX\s+(?P<name>\w+)\s+ON\s+(?P<table>\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """An embedding model and the length of its vectors."""

    name: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Sizing:
    """The step that fits the embedding columns to a model: ``resize`` is False when only the record changes."""

    model: ModelSpec
    resize: bool


@dataclass(frozen=True, slots=True)
class Column:
    """Storage of vectors of some dimensions: type, storage mode, and IVFFlat operator class if there is one."""

    type: str
    dimensions: int
    storage: str
    operators: str | None


def column(dimensions: int) -> Column:
    """Return the column for vectors of this length: IVFFlat takes 2,000 dimensions of ``vector``, 4,000 of
    ``halfvec``."""
    half = _INDEXABLE_VECTOR < dimensions <= _INDEXABLE_HALFVEC
    name = "halfvec" if half else "vector"
    fits = dimensions * (2 if half else 4) <= _BYTES_IN_A_PAGE or dimensions == IN_THE_FILES
    operators = f"{name}_cosine_ops" if dimensions <= _INDEXABLE_HALFVEC else None
    return Column(name, dimensions, "PLAIN" if fits else "EXTERNAL", operators)


def recorded(connection: psycopg.Connection[Any], survey: Survey) -> ModelSpec | None:
    """Return the model the columns are for, as the database records it."""
    if _RECORD not in (survey.relations or ()):
        return None
    row = connection.execute(SQL.active).fetchone()
    return ModelSpec(*row) if row else None


def plan(connection: psycopg.Connection[Any], survey: Survey, model: ModelSpec) -> Sizing | None:
    """Return what has to be done for ``model``; None if nothing has, or if stored vectors keep another model of this
    size.

    Raises:
        MigrationError: vectors of another size are stored.
    """
    columns = _columns(connection, survey)
    wanted = column(model.dimensions)
    if not columns:
        return Sizing(model, resize=model.dimensions != IN_THE_FILES)
    resize = any((kind, size) != (wanted.type, wanted.dimensions) for kind, size in columns.values())
    active = recorded(connection, survey)
    if not resize and active == model:
        return None
    if _any_embedding(connection, columns, survey):
        if resize:
            sizes = "/".join(sorted({str(size) for _, size in columns.values()}))
            raise MigrationError(
                f"the stored embeddings have {sizes} dimensions"
                + (f" (model {active.name})" if active else "")
                + f", but the configured model {model.name} has {model.dimensions}: "
                f"set MEMGPT_EMBEDDING_MODEL to the model of the stored ones, then `memgpt reembed --to {model.name}`"
            )
        if active is not None:
            return None
    return Sizing(model, resize)


def apply(connection: psycopg.Connection[Any], migrations: list[Migration], sizing: Sizing) -> None:
    """Size the columns and record the model. The search path must be set and the tables hold no embedding."""
    if sizing.resize:
        _resize(connection, migrations, column(sizing.model.dimensions))
    connection.execute(SQL.deactivate)
    connection.execute(SQL.activate, {"name": sizing.model.name, "dimensions": sizing.model.dimensions})


def check_rollback(connection: psycopg.Connection[Any], survey: Survey, pending: Iterable[Migration]) -> None:
    """Refuse to go back before the record of the model when the columns hold vectors the older files cannot index."""
    columns = _columns(connection, survey)
    unfit = any(kind != "vector" or size > _INDEXABLE_VECTOR for kind, size in columns.values())
    if unfit and any(_RECORD in m.tables for m in pending) and _any_embedding(connection, columns, survey):
        raise MigrationError(
            "the stored embeddings are too long for the vector indexes of the older migrations: "
            "re-embed with a model of up to 2,000 dimensions first (`memgpt reembed --to MODEL`)"
        )


def restore(
    connection: psycopg.Connection[Any], survey: Survey, migrations: list[Migration], undone: Migration
) -> None:
    """Columns that hold nothing go back to the files' size together with the record of the model."""
    columns = _columns(connection, survey)
    if _RECORD not in undone.tables or _missing(columns, survey):
        return
    if set(columns.values()) != {("vector", IN_THE_FILES)} and not _any_embedding(connection, columns, survey):
        _resize(connection, [m for m in migrations if m.number < undone.number], column(IN_THE_FILES))


def code_is_kept(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Tell whether a switch of the model made the codes an ordinary column that a trigger keeps (decision 12)."""
    row = connection.execute(SQL.code_is_kept, {"schema": schema, "tables": list(TABLES)}).fetchone()
    return bool(row and row[0])


def keep_code(connection: psycopg.Connection[Any]) -> None:
    """Do to empty tables what a switch does to full ones."""
    for table in _there(connection):
        name = _code_name(connection, table)
        connection.execute(_compose(SQL.keep_code, {"table": sql.Identifier(table), "name": sql.Identifier(name)}))
        keep_code_by_trigger(connection, sql.Identifier(table), table, name)


def _there(connection: psycopg.Connection[Any]) -> Sequence[str]:
    """Return the tables with embeddings that the applied migrations have made."""
    return [name for (name,) in connection.execute(SQL.there, {"tables": [*TABLES]})]


def keep_code_by_trigger(
    connection: psycopg.Connection[Any], identifier: sql.Composable, table: str, name: str = "embedding_code"
) -> None:
    """Let a trigger make the codes of rows that are written from now on."""
    parts = {"trigger": sql.Identifier(f"{table}_{name}"), "function": sql.Identifier(f"memory_{name}")}
    connection.execute(_compose(SQL.keep_code_trigger, {"table": identifier, **parts}))


def index_statements(migrations: Iterable[Migration], size: Column) -> dict[str, tuple[str, str]]:
    """Index name -> (table, CREATE INDEX statement) of the indexes over embeddings, as the files make them last."""
    statements: dict[str, tuple[str, str]] = {}
    for statement in (s.text for m in migrations for s in m.statements):
        if (renamed := _RENAME.match(statement)) and renamed["old"] in statements:
            table, text = statements.pop(renamed["old"])
            statements[renamed["new"]] = (table, text.replace(renamed["old"], renamed["new"], 1))
        match = _INDEX.match(statement)
        if match is None or match["table"] not in TABLES or "embedding" not in statement:
            continue
        if size.operators is not None or "ivfflat" not in statement:
            statements[match["name"]] = (match["table"], statement.replace("vector_cosine_ops", size.operators or ""))
    return statements


def _columns(connection: psycopg.Connection[Any], survey: Survey) -> dict[str, tuple[str, int]]:
    rows = connection.execute(SQL.columns, {"schema": survey.schema, "tables": list(TABLES)}).fetchall()
    return {table: (kind.rpartition(".")[2], size) for table, kind, size in rows}


def _missing(columns: dict[str, tuple[str, int]], survey: Survey) -> Sequence[str]:
    """Return the tables whose embeddings should be there and are not."""
    return [t for t in TABLES if t not in columns and (t not in _LATER or t in (survey.relations or ()))]


def _any_embedding(connection: psycopg.Connection[Any], columns: dict[str, tuple[str, int]], survey: Survey) -> bool:
    if missing := _missing(columns, survey):
        raise MigrationError(
            f"{', '.join(missing)} or its column embedding is missing: run `memgpt db verify` to see what was changed"
        )
    has_embedding = for_each(SQL.has_embedding, (BY_NAME[name] for name in columns), b" OR ")
    row = connection.execute(queries.compose(SQL.any_embedding, has_embedding=has_embedding)).fetchone()
    return bool(row and row[0])


def take_no_samples(connection: psycopg.Connection[Any], table: sql.Composable, name: str) -> None:
    """Keep PostgreSQL's statistics from copying values of a column, which would outlive their rows."""
    connection.execute(_compose(SQL.take_no_samples, {"table": table, "column": sql.Identifier(name)}))


def _resize(connection: psycopg.Connection[Any], migrations: list[Migration], size: Column) -> None:
    indexes = index_statements(migrations, size)
    all_names = index_statements(migrations, column(IN_THE_FILES))
    for table in _there(connection):
        parts = {
            "table": sql.Identifier(table),
            "type": sql.SQL("{}({})").format(sql.Identifier(size.type), sql.Literal(size.dimensions)),
            "dimensions": sql.Literal(size.dimensions),
            "storage": sql.SQL("PLAIN" if size.storage == "PLAIN" else "EXTERNAL"),
        }
        for name, (owner, _) in all_names.items():
            if owner == table:
                connection.execute(_compose(SQL.drop_index, {"index": sql.Identifier(name)}))
        code = _code_name(connection, table)
        connection.execute(_compose(SQL.drop_code, {**parts, "name": sql.Identifier(code)}))
        connection.execute(_compose(SQL.set_type, parts))
        add_code(connection, parts["table"], size.dimensions, code)
        unsampled = connection.execute(SQL.unsampled, {"table": table}).fetchone()
        if unsampled and unsampled[0]:
            take_no_samples(connection, parts["table"], code)
        for owner, text in indexes.values():
            if owner == table:
                connection.execute(text.encode())


def add_code(connection: psycopg.Connection[Any], table: sql.Composable, dimensions: int, name: str) -> None:
    """Add the generated column with the codes of vectors of this length, or with the bits of older migrations."""
    of_type = codes.code_type(dimensions)
    parts = {
        "table": table,
        "dimensions": sql.Literal(dimensions),
        "type": sql.SQL(of_type),
        "code": sql.SQL(codes.code(of_type, "embedding").decode()),
    }
    connection.execute(_compose(SQL.add_code if name == "embedding_code" else SQL.add_bits, parts))


def _code_name(connection: psycopg.Connection[Any], table: str) -> str:
    row = connection.execute(SQL.code_name, {"table": table}).fetchone()
    return str(row[0]) if row else "embedding_code"


def _compose(template: bytes, parts: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(template.decode()).format(**parts)
