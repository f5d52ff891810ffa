"""Vacuum after many new rows: until then searches by vector, which read an index alone, look at every row as well."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Final

from psycopg import sql

from memgpt.database import queries
from memgpt.database.connection import Database
from memgpt.errors import DatabaseError

SQL = queries.beside(__name__)

MANY: Final = 1000
"""New rows of a table that are worth it: fewer cost a search little, and autovacuum comes for them."""


class NewRows:
    """The rows that one scope has written to each table since it last had it vacuumed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: Counter[str] = Counter()

    def add(self, table: str, rows: int) -> None:
        self._written[table] += rows

    def vacuum(self) -> None:
        """Vacuum the tables with many; outside of transactions. The rows are stored, whatever becomes of this."""
        for table in [table for table, rows in self._written.items() if rows >= MANY]:
            del self._written[table]
            name = sql.Identifier(self._database.schema, table)
            with suppress(DatabaseError), self._database.as_owner() as connection:
                connection.execute(sql.SQL(SQL.vacuum.decode()).format(table=name))
