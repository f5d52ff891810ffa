"""Numbers of rows in a memory."""

from __future__ import annotations

from memgpt.agents.stats_store import StatsStore
from memgpt.database.connection import Connection
from memgpt.database.deadlines import without_deadline
from memgpt.models import Stats
from memgpt.scope.scope import AgentScope


def stats(scope: AgentScope) -> Stats:
    """Count one agent's memory; see :meth:`memgpt.Memory.stats`."""
    model = scope.model

    def work(connection: Connection) -> Stats:
        with without_deadline(connection):
            store = StatsStore(connection, scope.agent_id)
            sessions, changes = store.totals()
            return Stats(scope.agent_id, model.name, model.dimensions, store.kinds(), sessions, changes)

    return scope.read(work)
