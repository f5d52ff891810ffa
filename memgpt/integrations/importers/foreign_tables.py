"""Memories in the tables of a PostgreSQL database: mem0's and LangGraph's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.rows import dict_row

from memgpt.database import queries
from memgpt.errors import InputError
from memgpt.integrations.importers import langgraph, mem0
from memgpt.integrations.importers.import_items import ImportItem

SQL = queries.beside(__name__)

_SCHEMES: Final = ("postgresql://", "postgres://")


class ForeignTable(NamedTuple):
    """A table somebody's memory is in."""

    schema: str
    name: str
    is_mem0: bool


def is_dsn(source: str) -> bool:
    return source.startswith(_SCHEMES)


def find(dsn: str, wanted: str | None, kind: str | None) -> tuple[str, ForeignTable]:
    """Return the kind and the table of a memory.

    Raises:
        InputError: the database cannot be read, or has none or several.
    """
    with _connected(dsn) as connection:
        tables = [ForeignTable(**row) for row in connection.execute(SQL.candidates)]
    names = ", ".join(f"{table.schema}.{table.name}" for table in tables) or "none"
    fitting = [
        table
        for table in tables
        if wanted in (None, table.name, f"{table.schema}.{table.name}")
        and kind in (None, "mem0" if table.is_mem0 else "langgraph")
    ]
    if len(fitting) != 1:
        which = f"{len(fitting)} tables" if fitting else "no table"
        raise InputError(
            f"{which} of that database {'are' if fitting else 'is'} a memory of mem0 or LangGraph that was asked for; "
            f"name one with --table (table=): there are {names}"
        )
    return "mem0" if fitting[0].is_mem0 else "langgraph", fitting[0]


def read(dsn: str, table: ForeignTable) -> Iterator[ImportItem]:
    """Yield the items in a table."""
    return mem0.rows(_rows(dsn, table)) if table.is_mem0 else langgraph.rows(_rows(dsn, table))


def _rows(dsn: str, table: ForeignTable) -> Iterator[dict[str, Any]]:
    columns = queries.identifiers(("id", "payload")) if table.is_mem0 else b"*"
    order = queries.identifiers(("id",) if table.is_mem0 else ("prefix", "key"))
    there = queries.identifier(table.schema, table.name)
    statement = queries.compose(SQL.open_rows, columns=columns, table=there, order=order)
    with _connected(dsn) as connection:
        connection.execute(statement)
        while rows := connection.execute(SQL.more_rows).fetchall():
            yield from rows


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Open a connection that can only read.

    Raises:
        InputError: the database cannot be reached, or refuses.
    """
    try:
        with psycopg.connect(dsn, row_factory=dict_row, connect_timeout=10) as connection:
            connection.read_only = True
            yield connection
    except psycopg.Error as error:
        raise InputError(f"the database cannot be read: {' '.join(str(error).split())}") from error
