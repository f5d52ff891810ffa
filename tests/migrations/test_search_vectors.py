"""Migration 017 gives memories of every size, at every stage of a change of the model, the codes that search reads."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from memgpt.database import codes
from memgpt.database.admin import migrate, verify
from memgpt.database.admin.migrate import ModelSpec
from memgpt.database.dimensions import TABLES

THEN = [table for table in TABLES if table not in ("store_items", "file_chunks")]
"""Those with embeddings at the time."""

OF_TABLE = {
    "archival_memories": "text",
    "conversations": "role, content",
    "document_chunks": "chunk_text",
    "kg_entities": "name",
}


@pytest.fixture
def before(empty_dsn: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A memory of migration 016 with vectors of the length asked for."""
    migrate.apply(empty_dsn, model=ModelSpec("m", request.param))
    migrate.rollback(empty_dsn, target="16")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        for table, columns in OF_TABLE.items():
            values = ", ".join("'user'" if name == "role" else "'text ' || n" for name in columns.split(", "))
            connection.execute(
                f"INSERT INTO {table} (agent_id, {columns}, embedding) SELECT 'a', {values}, "
                f"(SELECT array_agg(sin(n * i)) FROM generate_series(1, {request.param}) i)::vector "
                "FROM generate_series(1, 50) n"
            )
        yield connection


def wrong(connection: psycopg.Connection[tuple[object, ...]], table: str, dimensions: int, side: str = "") -> object:
    """Rows of a table whose code is not that of their vector."""
    code = codes.code(codes.code_type(dimensions), f"embedding{side}").decode()
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE embedding{side}_code <> {code}").fetchone()
    return row and row[0]


@pytest.mark.parametrize("before", [256, 1536], indirect=True)
@pytest.mark.parametrize("kept_by_a_trigger", [False, True])
def test_a_memory_of_before_gets_codes_and_loses_them_again(
    empty_dsn: str, before: psycopg.Connection[tuple[object, ...]], kept_by_a_trigger: bool
) -> None:
    [[dimensions]] = before.execute("SELECT DISTINCT vector_dims(embedding) FROM conversations").fetchall()
    assert isinstance(dimensions, int)
    if kept_by_a_trigger:
        for table in THEN:
            before.execute(f"ALTER TABLE {table} ALTER COLUMN embedding_bits DROP EXPRESSION")
            before.execute(
                f"CREATE TRIGGER {table}_embedding_bits BEFORE INSERT OR UPDATE OF embedding ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION memory_embedding_bits()"
            )
        assert verify.verify(empty_dsn).drifts == ()  # a newer library knows an older memory
    migrate.apply(empty_dsn)
    assert verify.verify(empty_dsn).drifts == ()
    for table in TABLES:
        assert wrong(before, table, dimensions) == 0
    migrate.rollback(empty_dsn, target="16")
    assert verify.verify(empty_dsn).drifts == ()
    for table in THEN:
        [[left]] = before.execute(
            f"SELECT count(*) FROM {table} WHERE embedding_bits <> binary_quantize(embedding)"
        ).fetchall()
        assert left == 0


@pytest.mark.parametrize("before", [1536], indirect=True)
def test_a_change_of_the_model_goes_on_across_it(
    empty_dsn: str, before: psycopg.Connection[tuple[object, ...]]
) -> None:
    for side, dimensions in (("_next", 256), ("_previous", 3072)):
        for table in OF_TABLE:
            before.execute(f"ALTER TABLE {table} ADD COLUMN embedding{side} vector({dimensions})")
            before.execute(f"ALTER TABLE {table} ADD COLUMN embedding{side}_bits bit({dimensions})")
            before.execute(
                f"UPDATE {table} SET embedding{side} = "
                f"(SELECT array_agg(cos(id * i)) FROM generate_series(1, {dimensions}) i)::vector"
            )
            before.execute(f"UPDATE {table} SET embedding{side}_bits = binary_quantize(embedding{side})")
            before.execute(
                f"CREATE INDEX {table}_agent_embedding_idx{side} ON {table} (agent_id) "
                f"INCLUDE (id, embedding{side}_bits) WHERE embedding{side}_bits IS NOT NULL"
            )
    indexes = (
        "SELECT indexname::text FROM pg_indexes WHERE indexname ~ '_agent_embedding_idx_(next|previous)$' ORDER BY 1"
    )
    there = before.execute(indexes).fetchall()
    migrate.apply(empty_dsn)
    assert before.execute(indexes).fetchall() == there
    for side, dimensions in (("_next", 256), ("_previous", 3072)):
        for table in OF_TABLE:
            assert wrong(before, table, dimensions, side) == 0
    migrate.rollback(empty_dsn, target="16")
    assert before.execute(indexes).fetchall() == there


def test_no_agent_is_planned_for_by_samples_of_others(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        sampled = connection.execute(
            """
            SELECT c.relname FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                AND a.attname = 'agent_id' AND a.attstattarget IS DISTINCT FROM 0
            """
        ).fetchall()
    assert sampled == [], "ALTER TABLE … ALTER COLUMN agent_id SET STATISTICS 0, in the migration that makes the table"
