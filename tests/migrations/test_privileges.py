"""What the role of requests may not make, because row-level security does not know it."""

from __future__ import annotations

import psycopg
import pytest

from memgpt.database.admin import migrate
from tests.conftest import Server

FORBIDDEN = (
    "CREATE TEMPORARY TABLE t (n int)",
    "SELECT lo_creat(-1)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'what somebody said')",
)


def test_requests_make_no_temporary_tables_and_no_large_objects(empty_dsn: str) -> None:
    migrate.apply(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE memgpt_agent")
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        connection.execute("RESET ROLE")
        for statement in FORBIDDEN:
            connection.execute(statement)
    migrate.rollback(empty_dsn, target="12")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("SET ROLE memgpt_agent")
        for statement in FORBIDDEN:
            connection.execute(statement)


def test_a_database_shared_with_others_keeps_their_rights(server: Server, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody_else")
        connection.execute("CREATE SCHEMA theirs AUTHORIZATION somebody_else CREATE TABLE theirs.t (n int)")
        connection.execute("ALTER TABLE theirs.t OWNER TO somebody_else")
        try:
            migrate.apply(empty_dsn)
            connection.execute("SET ROLE somebody_else")
            for statement in FORBIDDEN:
                connection.execute(statement)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY somebody_else CASCADE")
            connection.execute("DROP ROLE somebody_else")
