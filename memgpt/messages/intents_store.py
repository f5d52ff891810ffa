"""Labelled examples of intents, and how often each intent occurs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from memgpt.database import queries
from memgpt.models import IntentCount

SQL = queries.beside(__name__)


class IntentStore:
    """The rows of ``intent_examples`` of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def learn(self, intent: str, texts: Sequence[str]) -> None:
        """Keep texts as examples of an intent."""
        self._connection.execute(SQL.learn, {"agent_id": self._agent_id, "intent": intent, "texts": [*texts]})

    def unlearn(self, intent: str, texts: Sequence[str] | None) -> int:
        """Remove these examples of an intent, or all; answers how many there were."""
        parameters = {"agent_id": self._agent_id, "intent": intent, "texts": None if texts is None else [*texts]}
        return self._connection.execute(SQL.unlearn, parameters).rowcount

    def examples(self) -> tuple[Sequence[tuple[str, str]], int]:
        """Every (intent, text) of the agent, oldest first, and their version: others have another one."""
        rows = self._connection.execute(SQL.examples, {"agent_id": self._agent_id}).fetchall()
        return [(intent, text) for intent, text, _ in rows], rows[0][2] if rows else 0

    def statistics(self, *, since: datetime | None, until: datetime | None) -> Sequence[IntentCount]:
        """Messages of each intent in a half-open span, the most frequent first."""
        parameters = {"agent_id": self._agent_id, "since": since, "until": until}
        with self._connection.cursor(row_factory=class_row(IntentCount)) as cursor:
            return cursor.execute(SQL.statistics, parameters).fetchall()
