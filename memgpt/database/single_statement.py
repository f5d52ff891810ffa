"""Changes that are one statement: what such a statement begins with, so that it needs no transaction around it."""

from __future__ import annotations

from typing import Any

import psycopg

from memgpt.database import languages, queries
from memgpt.database.driver import Connection

SQL = queries.beside(__name__)


def guarded(statement: bytes, connection: psycopg.Connection[Any], *, noting: bool = False) -> bytes:
    """Return the statement with its ``{guard}``: CTEs ``model`` (the active one) and ``current``, which is empty where
    the statement names another. ``noting`` notes languages of the agent, unless agents' rows are distributed."""
    own_row = queries.compose(SQL.own_row_noting, note=languages.SQL.note) if noting else SQL.own_row
    guard = SQL.guarded_before if _distributed(connection) else queries.compose_partly(SQL.guard, own_row=own_row)
    return queries.compose_partly(statement, guard=guard)


def with_agent(statement: bytes, connection: psycopg.Connection[Any]) -> bytes:
    """Return the statement with its ``{agent}``: a CTE that makes the agent's own row."""
    return queries.compose_partly(statement, agent=b"" if _distributed(connection) else SQL.agent)


def _distributed(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether agents' rows lie on several servers: a statement that writes is then about one agent's tables
    alone."""
    return isinstance(connection, Connection) and connection.citus
