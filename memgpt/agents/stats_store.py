"""Numbers of rows in one agent's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from memgpt.database import queries
from memgpt.models import KindStats

SQL = queries.beside(__name__)


class StatsStore:
    """Counts the rows of one agent on a connection of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def kinds(self) -> Sequence[KindStats]:
        """One entry for each kind of row, also for those the agent has none of."""
        with self._connection.cursor(row_factory=class_row(KindStats)) as cursor:
            return cursor.execute(SQL.kinds, {"agent_id": self._agent_id}).fetchall()

    def totals(self) -> tuple[int, int]:
        """Count the conversations, and the changes of the history."""
        row = self._connection.execute(SQL.totals, {"agent_id": self._agent_id}).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return row[0], row[1]
