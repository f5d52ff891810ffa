"""The columns and indexes a switch makes beside the live ones, and their exchange.

The new vectors live in ``embedding_next`` with their codes, their model and the hash of the text they were made from.
The hash is what keeps writers out of this: a partial index holds the rows whose hash is not that of their text, so a
row that is written or changed while a switch runs is found again without the writer, or a trigger, doing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from memgpt.database import codes, queries
from memgpt.database.admin.migration import discover
from memgpt.database.dimensions import (
    IN_THE_FILES,
    TABLES,
    Column,
    column,
    index_statements,
    keep_code_by_trigger,
    take_no_samples,
)

SQL = queries.beside(__name__)

_PARTS: Final = {"embedding": "embedding{}", "code": "embedding{}_code", "model": "embedding{}_model"}


@dataclass(frozen=True, slots=True)
class EmbeddedTable:
    """A table with embeddings, in its schema."""

    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def text(self) -> sql.SQL:
        """The expression of what is embedded."""
        return sql.SQL(getattr(SQL, f"text_{self.name}").decode())

    @property
    def missing_index(self) -> str:
        return f"{self.name}_next_missing_idx"

    def compose(self, template: bytes, **parts: sql.Composable) -> sql.Composed:
        return sql.SQL(template.decode()).format(table=self.identifier, text=self.text, **parts)


def tables(schema: str) -> list[EmbeddedTable]:
    return [EmbeddedTable(schema, name) for name in TABLES]


def add_columns(connection: psycopg.Connection[Any], table: EmbeddedTable, size: Column) -> None:
    kind = sql.SQL("{}({})").format(sql.SQL(size.type), sql.Literal(size.dimensions))
    code = sql.SQL("{}({})").format(sql.SQL(codes.code_type(size.dimensions)), sql.Literal(size.dimensions))
    connection.execute(table.compose(SQL.add_columns, type=kind, code=code))
    for name in ("embedding_next", "embedding_next_code", "embedding_next_hash"):
        take_no_samples(connection, table.identifier, name)


def drop_columns(connection: psycopg.Connection[Any], table: EmbeddedTable, which: str) -> None:
    """Drop the columns of one side ("next" or "previous"), and their indexes with them."""
    names = {part: sql.Identifier(name.format(f"_{which}")) for part, name in _PARTS.items()}
    connection.execute(table.compose(SQL.drop_columns, **names, hash=sql.Identifier(f"embedding_{which}_hash")))
    connection.execute(table.compose(SQL.drop_index, index=sql.Identifier(table.schema, table.missing_index)))


def index_missing(table: EmbeddedTable) -> sql.Composed:
    return table.compose(SQL.index_missing, index=sql.Identifier(table.missing_index))


def next_indexes(table: EmbeddedTable, size: Column) -> Iterator[tuple[str, sql.SQL]]:
    """Name and statement of each index the new column needs: those of the migrations, for its type."""
    for name, (owner, statement) in index_statements(discover(), size).items():
        if owner != table.name:
            continue
        text = statement.replace(f"INDEX {name}", f"INDEX CONCURRENTLY IF NOT EXISTS {name}_next", 1)
        text = text.replace(f"ON {owner}", f"ON {table.identifier.as_string()}", 1)
        text = text.replace("embedding_code", "embedding_next_code").replace("(embedding ", "(embedding_next ")
        yield f"{name}_next", sql.SQL(text)


def invalid_indexes(connection: psycopg.Connection[Any], table: EmbeddedTable) -> list[str]:
    names = [table.missing_index, *(f"{name}_next" for name in _index_names(table))]
    rows = connection.execute(SQL.invalid_indexes, {"schema": table.schema, "names": names}).fetchall()
    return [row[0] for row in rows]


def exchange(connection: psycopg.Connection[Any], table: EmbeddedTable, size: Column) -> None:
    """Make the live columns and indexes the previous ones, and the next ones live. The tables must be locked."""
    _rename(connection, table, "", "_previous")
    _rename(connection, table, "_next", "")
    _rename_column(connection, table, "embedding_next_hash", "embedding_previous_hash")
    connection.execute(table.compose(SQL.drop_index, index=sql.Identifier(table.schema, table.missing_index)))
    _store(connection, table, "embedding_previous", "EXTERNAL")  # both fit into a row because this one can leave it
    _store(connection, table, "embedding", size.storage)
    if is_generated(connection, table, "embedding_code"):
        connection.execute(table.compose(SQL.leave_code, trigger=sql.Identifier(f"{table.name}_embedding_code")))
    else:
        keep_code_by_trigger(connection, table.identifier, table.name)


def bring_back(connection: psycopg.Connection[Any], table: EmbeddedTable) -> None:
    """Make the previous columns and indexes the next ones, so that a switch in the other direction can begin."""
    _rename(connection, table, "_previous", "_next")
    _rename_column(connection, table, "embedding_previous_hash", "embedding_next_hash")


def is_generated(connection: psycopg.Connection[Any], table: EmbeddedTable, name: str) -> bool:
    parameters = {"table": table.identifier.as_string(connection), "column": name}
    row = connection.execute(SQL.is_generated, parameters).fetchone()
    return bool(row and row[0])


def dimensions_of(connection: psycopg.Connection[Any], table: EmbeddedTable, name: str) -> int:
    """Return the length of the vectors of one side, 0 where there is no such column."""
    row = connection.execute(
        SQL.dimensions, {"table": table.identifier.as_string(connection), "column": name}
    ).fetchone()
    return int(row[0]) if row else 0


def _rename(connection: psycopg.Connection[Any], table: EmbeddedTable, old: str, new: str) -> None:
    for name in _PARTS.values():
        _rename_column(connection, table, name.format(old), name.format(new))
    for name in _index_names(table):
        source, target = sql.Identifier(table.schema, f"{name}{old}"), sql.Identifier(f"{name}{new}")
        connection.execute(table.compose(SQL.rename_index, old=source, new=target))


def _rename_column(connection: psycopg.Connection[Any], table: EmbeddedTable, old: str, new: str) -> None:
    connection.execute(table.compose(SQL.rename_column, old=sql.Identifier(old), new=sql.Identifier(new)))


def _store(connection: psycopg.Connection[Any], table: EmbeddedTable, name: str, storage: str) -> None:
    connection.execute(table.compose(SQL.set_storage, column=sql.Identifier(name), storage=sql.SQL(storage)))


def _index_names(table: EmbeddedTable) -> list[str]:
    every = index_statements(discover(), column(IN_THE_FILES))
    return [name for name, (owner, _) in every.items() if owner == table.name]
