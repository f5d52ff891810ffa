"""What is undone is undone exactly, with data in the tables too."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from memgpt.database.admin import migrate
from memgpt.database.admin.migrate import ModelSpec
from memgpt.errors import MigrationError, NotFoundError

ALL = len(migrate.discover())
MADE = ("name_keys", "normal_hash", "embedding_bits", "embedding_code")
"""Columns that are made of others, by some migrations only."""

ROWS = """
INSERT INTO document_chunks (agent_id, chunk_text, embedding)
SELECT 'a', 'chunk ' || g, array_fill(g::real, ARRAY[{d}])::vector FROM generate_series(1, 20) g;
INSERT INTO archival_memories (agent_id, text, embedding)
SELECT 'a', 'memory ' || g, array_fill(g::real, ARRAY[{d}])::vector FROM generate_series(1, 20) g;
INSERT INTO core_memories (agent_id, label, value) VALUES ('a', 'human', 'Ada');
INSERT INTO kg_entities (agent_id, id, name) VALUES ('a', 1, 'Ada'), ('a', 2, 'London');
INSERT INTO kg_relationships (agent_id, source_id, target_id, type) VALUES ('a', 1, 2, 'lives_in');
INSERT INTO conversations (agent_id, role, content) VALUES ('a', 'user', 'hello');
"""


def fill(dsn: str, dimensions: int = 1536) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(ROWS.replace("{d}", str(dimensions)))


def contents(dsn: str) -> list[dict[str, object]]:
    tables = (
        "document_chunks",
        "archival_memories",
        "core_memories",
        "kg_entities",
        "kg_relationships",
        "conversations",
    )
    with psycopg.connect(dsn) as connection:
        return [
            row[0]
            for table in tables
            for row in connection.execute(
                f"SELECT jsonb_strip_nulls(to_jsonb(t)) - %s::text[] FROM {table} t ORDER BY t.id", [[*MADE]]
            ).fetchall()
        ]


def in_any_order(dump: str) -> list[str]:
    """The lines of a dump: a column that 017 replaces, and its downward file brings back, is the last of its table
    then, for PostgreSQL adds columns nowhere else."""
    return sorted(line.rstrip(",") for line in dump.splitlines())


@pytest.mark.parametrize("data", [False, True])
def test_every_step_down_is_the_step_up_reversed(empty_dsn: str, dump: Callable[..., str], data: bool) -> None:
    dumps = {}
    for number in range(1, ALL + 1):
        migrate.apply(empty_dsn, target=str(number))
        if data and number == 1:
            fill(empty_dsn)
        dumps[number] = in_any_order(dump(empty_dsn))
    before = contents(empty_dsn)
    for number in range(ALL - 1, 0, -1):
        migrate.rollback(empty_dsn)
        assert in_any_order(dump(empty_dsn)) == dumps[number], f"after rolling back to {number:03}"
    assert contents(empty_dsn) == before
    migrate.apply(empty_dsn)
    assert in_any_order(dump(empty_dsn)) == dumps[ALL]
    assert contents(empty_dsn) == before


def test_a_target_that_far_back_removes_every_table(dsn: str) -> None:
    fill(dsn, 256)
    report = migrate.rollback(dsn, target="0")
    assert [s.name for s in report.steps] == [m.name for m in reversed(migrate.discover())]
    assert migrate.status(dsn).pending == ALL
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row == (1,)  # the tracking table
    with pytest.raises(NotFoundError, match="nothing to roll back"):
        migrate.rollback(dsn)
    migrate.apply(dsn, model=ModelSpec("small", 64))
    assert migrate.status(dsn).pending == 0


def test_an_empty_memory_goes_back_to_the_files_size(dsn: str, empty_dsn: str, dump: Callable[..., str]) -> None:
    migrate.apply(empty_dsn, target="3")
    migrate.rollback(dsn, target="3")
    assert sorted(dump(dsn).split()) == sorted(dump(empty_dsn).split())  # columns may stand in another order


def test_vectors_that_older_indexes_cannot_hold_are_kept(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, model=ModelSpec("long", 3000))
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO kg_entities (agent_id, name, embedding) VALUES ('a', 'x', array_fill(1, ARRAY[3000])::halfvec)"
        )
    with pytest.raises(MigrationError, match="reembed"):
        migrate.rollback(empty_dsn, target="1")
    assert migrate.status(empty_dsn).pending == 0


def test_the_specifications_rollback_by_hand_is_noticed_and_mended(empty_dsn: str) -> None:
    from memgpt.database.admin import verify

    migrate.apply(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(
            """
            DROP TABLE IF EXISTS conversations CASCADE;
            DROP TABLE IF EXISTS kg_relationships CASCADE;
            DROP TABLE IF EXISTS kg_entities CASCADE;
            DROP TABLE IF EXISTS archival_memories CASCADE;
            DROP TABLE IF EXISTS core_memories CASCADE;
            DROP TABLE IF EXISTS document_chunks CASCADE;
            """
        )
    drifts = verify.verify(empty_dsn).drifts
    assert ("undone by hand", "memgpt db rollback --target 0, then memgpt db migrate") in {
        (d.kind, d.remedy) for d in drifts
    }
    migrate.rollback(empty_dsn, target="0")
    migrate.apply(empty_dsn)
    assert verify.verify(empty_dsn).drifts == ()
