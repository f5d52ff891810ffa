"""Tables of an application beside a memory: the same transaction, the same isolation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, DatabaseError, DeniedError, NotFoundError

WITHOUT_MODEL = Settings(embedding_model="none")
TABLE = """
CREATE TABLE tickets (agent_id text, memory_id bigint, subject text UNIQUE);
ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tickets USING (agent_id = current_setting('memgpt.agent_id'));
GRANT SELECT, INSERT ON tickets TO memgpt_agent;
"""
INSERT = "INSERT INTO tickets (agent_id, memory_id, subject) VALUES (%s, %s, %s)"


class Failure(Exception):
    """What a caller's own code raises."""


@contextmanager
def rolled_back(memory: Memory) -> Iterator[Connection]:
    """A transaction that fails at its end."""
    with suppress(Failure), memory.transaction() as connection:
        yield connection
        raise Failure


@pytest.fixture
def owner(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        memory.remember("seed")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


@pytest.fixture(params=[False, True], ids=["owner", "isolated"])
def memory(owner: object, dsn: str, request: pytest.FixtureRequest) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL, isolated=request.param) as memory:
        yield memory


def tickets(owner: psycopg.Connection[Any]) -> list[tuple[str, int, str]]:
    return owner.execute("SELECT agent_id, memory_id, subject FROM tickets ORDER BY subject").fetchall()


def texts(memory: Memory) -> set[str]:
    return {kept.text for kept in memory.archival.list()} - {"seed"}


def test_own_rows_and_memories_are_committed_together(memory: Memory, owner: psycopg.Connection[Any]) -> None:
    with memory.transaction() as connection:
        kept = memory.remember("Ann asked for a refund.")
        connection.execute(INSERT, [memory.agent, kept.id, "refund"])
        assert tickets(owner) == []
    assert tickets(owner) == [("ann", kept.id, "refund")]


def test_a_failure_takes_back_both(memory: Memory, owner: psycopg.Connection[Any]) -> None:
    with rolled_back(memory) as connection:
        kept = memory.remember("Ann asked for a refund.")
        connection.execute(INSERT, [memory.agent, kept.id, "refund"])
    assert (tickets(owner), texts(memory)) == ([], set())


def test_an_inner_transaction_is_a_savepoint_of_both(memory: Memory, owner: psycopg.Connection[Any]) -> None:
    with memory.transaction() as connection:
        connection.execute(INSERT, ["ann", 1, "outer"])
        with rolled_back(memory) as inner:
            assert inner is connection
            memory.remember("lost")
            inner.execute(INSERT, ["ann", 2, "inner"])
        memory.remember("kept")
    assert (tickets(owner), texts(memory)) == ([("ann", 1, "outer")], {"kept"})


def test_a_refused_call_of_the_memory_leaves_own_rows(memory: Memory, owner: psycopg.Connection[Any]) -> None:
    with memory.transaction() as connection:
        connection.execute(INSERT, ["ann", 1, "mine"])
        with pytest.raises(NotFoundError):
            memory.archival.update(10**9, text="nobody's")
    assert tickets(owner) == [("ann", 1, "mine")]


def test_an_own_statement_that_fails_is_the_drivers_error_inside_and_ours_outside(
    memory: Memory, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(INSERT, ["ann", 1, "taken"])
    with memory.transaction() as connection:
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(INSERT, ["ann", 2, "taken"])
        memory.remember("goes on")

    def write() -> None:
        with memory.transaction() as connection:
            memory.remember("goes with it")
            connection.execute(INSERT, ["ann", 2, "taken"])

    with pytest.raises(ConflictError) as refused:
        write()
    assert isinstance(refused.value.__cause__, psycopg.errors.UniqueViolation)
    assert texts(memory) == {"goes on"}


def test_the_end_of_the_transaction_is_the_memorys_business(memory: Memory) -> None:
    def write() -> None:
        with memory.transaction() as connection:
            memory.remember("not kept")
            connection.commit()

    with pytest.raises(DatabaseError, match="commit"):
        write()
    assert texts(memory) == set()


def test_isolation_is_kept_for_own_statements_too(owner: psycopg.Connection[Any], dsn: str) -> None:
    owner.execute(INSERT, ["bob", 1, "bob's"])
    with Memory("bob", dsn=dsn, options=WITHOUT_MODEL) as bob:
        bob.remember("Bob's own")
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL, isolated=True) as ann:
        with ann.transaction() as connection:
            assert connection.execute("SELECT DISTINCT agent_id FROM archival_memories").fetchall() == [("ann",)]
            assert connection.execute("SELECT * FROM tickets").fetchall() == []
        with pytest.raises(DeniedError), ann.transaction() as connection:
            connection.execute(INSERT, ["bob", 2, "in Bob's name"])
        with pytest.raises(DeniedError), ann.transaction() as connection:
            connection.execute("SELECT * FROM api_keys")
