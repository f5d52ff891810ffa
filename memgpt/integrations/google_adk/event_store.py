"""Where the events of ADK's sessions are among the messages of an agent."""

from __future__ import annotations

from collections.abc import Sequence

from memgpt.database import queries
from memgpt.database.connection import Connection

SQL = queries.beside(__name__)


def messages_of_event(connection: Connection, agent: str, event_id: str) -> Sequence[int]:
    """Return the ids of the messages that are of an event."""
    rows = connection.execute(SQL.messages_of_event, {"agent_id": agent, "event_id": event_id})
    return [id for (id,) in rows]
