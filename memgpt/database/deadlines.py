"""The deadline of statements, lifted for work on a whole memory: it takes as long as the memory is large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from memgpt.database import queries
from memgpt.database.connection import Connection

SQL = queries.beside(__name__)


@contextmanager
def without_deadline(connection: Connection) -> Iterator[None]:
    """One transaction (or a savepoint of the open one) in which neither this side nor the server ends a statement
    because it takes long."""
    deadline = connection.deadline
    try:
        with connection.transaction():
            connection.execute(SQL.lift)
            connection.deadline = None
            yield
            connection.deadline = deadline  # what ends the transaction is short
    finally:
        connection.deadline = deadline
