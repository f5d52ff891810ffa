"""A pytest plug-in that lets LangGraph's own tests of its PostgreSQL stores run against these stores, unmodified.

Load it in a checkout of LangGraph; ``DATABASE_URL`` names a PostgreSQL whose superuser may make databases::

    cd langgraph/libs/checkpoint-postgres
    DATABASE_URL=postgresql://postgres@127.0.0.1/postgres \
        python -m pytest -p memgpt.integrations.langgraph.testing tests/test_store.py tests/test_async_store.py

The names the tests import, ``PostgresStore`` and ``AsyncPostgresStore``, stand for stores of this package; the table
``store``, which they also read and change themselves, is a view.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg.rows import dict_row

from memgpt.database import queries
from memgpt.database.admin.migration import discover
from memgpt.integrations.langgraph.stores import AsyncMemgptStore, MemgptStore

SQL = queries.beside(__name__)

CONFTEST: Final = "tests.conftest"
MIGRATIONS: Final[Sequence[str]] = [migration.source for migration in discover()]


class PostgresStore(MemgptStore):
    """The store in the place of LangGraph's."""

    MIGRATIONS = MIGRATIONS

    @classmethod
    @contextmanager
    def from_conn_string(cls, conn_string: str, *, pipeline: bool = False, **options: Any) -> Iterator[Self]:
        """Open a store; whether LangGraph's would use a pipeline makes no difference."""
        del pipeline
        with super().from_conn_string(conn_string, **options) as store:
            yield store

    @contextmanager
    def _cursor(self) -> Iterator[psycopg.Cursor[dict[str, Any]]]:
        with psycopg.connect(self.lazy.dsn or "", autocommit=True, row_factory=dict_row) as connection:
            connection.execute(SQL.upstream_table)
            yield connection.cursor()


class AsyncPostgresStore(AsyncMemgptStore):
    """The store for ``asyncio`` in the place of LangGraph's."""

    MIGRATIONS = MIGRATIONS

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, conn_string: str, *, pipeline: bool = False, **options: Any) -> AsyncIterator[Self]:
        """Open a store; whether LangGraph's would use a pipeline makes no difference."""
        del pipeline
        async with super().from_conn_string(conn_string, **options) as store:
            yield store

    @asynccontextmanager
    async def _cursor(self) -> AsyncIterator[psycopg.AsyncCursor[dict[str, Any]]]:
        dsn = self.store.lazy.dsn or ""
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
            await connection.execute(SQL.upstream_table)
            yield connection.cursor()


def pytest_collection() -> None:
    """Put our stores, and the server that is to be used, in the places of theirs, before the tests import them."""
    import langgraph.store.postgres as upstream

    upstream.PostgresStore = PostgresStore
    upstream.AsyncPostgresStore = AsyncPostgresStore
    conftest: Any = sys.modules[CONFTEST]
    conftest.DEFAULT_URI = os.environ["DATABASE_URL"]
