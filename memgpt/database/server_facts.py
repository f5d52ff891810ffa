"""The facts about a server that connections to it depend on: version, encoding, pgvector, settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from pgvector.psycopg.vector import register_vector_info
from psycopg.rows import class_row
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb

from memgpt.database import numbers, queries, times
from memgpt.errors import DatabaseError

SQL = queries.beside(__name__)

SESSION: Final = {
    "array_nulls": "on",
    "extra_float_digits": "1",
    "intervalstyle": "postgres",
    "quote_all_identifiers": "off",
    "row_security": "on",
    "standard_conforming_strings": "on",
}
"""What our statements, and the driver that reads their answers, rely on. A role or a database may have it otherwise."""


@dataclass(frozen=True, slots=True)
class Server:
    """Facts about a server, read in one round trip."""

    version: int
    backend_pid: int
    standby: bool
    citus: bool
    leakproof: bool
    """Whether a superuser said of ``@@`` that it tells nothing of what it sees."""
    schemas: list[str]
    vector_schema: str | None
    vector_version: str | None
    types: dict[str, list[int]] | None
    encoding: str
    by_code_point: bool
    """Whether texts are ordered by code points, so that those with one beginning are neighbours."""
    settings: dict[str, str]
    """Settings of :data:`SESSION` that this role or database has otherwise."""


def describe(connection: psycopg.Connection[Any]) -> Server:
    """Describe the server, in one round trip."""
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        server = cursor.execute(SQL.describe_server, {"session": Jsonb(SESSION)}).fetchone()
    assert server is not None  # noqa: S101 - the statement always gives one row
    return server


def check_encoding(encoding: str) -> None:
    """Refuse a database whose encoding cannot hold every text.

    Raises:
        DatabaseError: the database is not encoded in UTF-8.
    """
    if encoding != "UTF8":
        raise DatabaseError(
            f"this database is encoded as {encoding}, in which many texts cannot be stored: make one with "
            "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0, and use that"
        )


def register_types(connection: psycopg.Connection[Any], server: Server) -> None:
    """Teach a connection to send and read vectors, and to read times as UTC."""
    times.register(connection)
    numbers.register(connection)
    if not server.types:
        raise DatabaseError("pgvector is not installed in this database: run `memgpt db migrate`")
    register_vector_info(connection, TypeInfo("vector", *server.types["vector"]))
    if "halfvec" in server.types:
        register_halfvec_info(connection, TypeInfo("halfvec", *server.types["halfvec"]))
