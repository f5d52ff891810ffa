"""A server as Supabase sets it up: pgvector in "extensions", a plain role, 32 MB, a transaction pooler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memgpt.config import Settings
from memgpt.database.admin import backup, migrate, verify
from memgpt.database.admin.index_memory import build_bytes
from memgpt.errors import MigrationError

ROWS = 10_500
FILL = f"""
INSERT INTO document_chunks (agent_id, chunk_text, embedding)
SELECT 'a', '', (SELECT array_agg(sin(g * i)) FROM generate_series(1, 1536) AS i)::vector
FROM generate_series(1, {ROWS}) AS g
"""


@pytest.fixture
def supabase(server: Any, empty_dsn: str) -> Iterator[str]:
    """The DSN of a role that owns the schema but is no superuser, with the limits of a small plan."""
    name = conninfo_to_dict(empty_dsn)["dbname"]
    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions")
        admin.execute("CREATE ROLE tenant LOGIN PASSWORD 't'; GRANT USAGE ON SCHEMA extensions TO tenant")
        admin.execute(f"GRANT ALL ON DATABASE {name} TO tenant; GRANT ALL ON SCHEMA public TO tenant")
        admin.execute("ALTER ROLE tenant SET maintenance_work_mem = '32MB'")
    yield make_conninfo(empty_dsn, user="tenant", password="t")
    server.drop(name)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP ROLE tenant")


def limit(server: Any, change: str) -> None:
    """Only a superuser may keep a setting of memgpt's for a role; the role itself may SET it in its session."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"ALTER ROLE tenant {change}")


def test_a_plain_role_migrates_a_full_table_with_32_mb(server: Any, supabase: str) -> None:
    migrate.apply(supabase, target="1")
    with psycopg.connect(supabase, autocommit=True) as connection:
        connection.execute("SET search_path TO public, extensions")
        # The index of 001 is dropped while rows are put in: this test is about the builds, not about inserts.
        connection.execute("DROP INDEX document_chunks_embedding_idx")
        connection.execute(FILL)

    needed = build_bytes(1536, 200, rows=True)
    assert needed > 64 * 1024**2
    with psycopg.connect(supabase, autocommit=True) as connection:
        connection.execute("SET search_path TO public, extensions")
        with connection.transaction(force_rollback=True):
            connection.execute(f"SET LOCAL maintenance_work_mem = '{needed // 1024 - 1024}kB'")
            with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="memory required is"):
                connection.execute(
                    "CREATE INDEX too_little ON document_chunks USING ivfflat (embedding vector_cosine_ops) "
                    "WITH (lists = 200)"
                )

    limit(server, "SET memgpt.maintenance_work_mem_limit = '32MB'")
    with pytest.raises(
        MigrationError, match=r"need 72 MB.*maintenance_work_mem_limit is 32MB.*raise that setting to 72MB"
    ):
        migrate.apply(supabase)
    assert migrate.status(supabase).pending == len(migrate.discover()) - 1

    limit(server, "RESET memgpt.maintenance_work_mem_limit")
    migrate.apply(supabase)
    assert verify.verify(supabase).drifts == ()
    with psycopg.connect(supabase) as connection:
        assert connection.execute("SHOW maintenance_work_mem").fetchone() == ("32MB",)


def test_a_limit_of_32_mb_is_enough_for_a_first_installation(server: Any, supabase: str) -> None:
    limit(server, "SET memgpt.maintenance_work_mem_limit = '32MB'")
    migrate.apply(supabase)
    migrate.rollback(supabase, target="1")
    assert migrate.status(supabase).pending == len(migrate.discover()) - 1


def test_the_schema_may_be_another(supabase: str) -> None:
    options = Settings(db_schema="memory")
    migrate.apply(supabase, options=options, model=migrate.ModelSpec("m", 64))
    assert verify.verify(supabase, options=options).drifts == ()


def test_a_plain_role_backs_up_and_restores(supabase: str, tmp_path: Path) -> None:
    migrate.apply(supabase)
    with psycopg.connect(supabase, autocommit=True) as connection:
        connection.execute("INSERT INTO conversations (agent_id, role, content) VALUES ('a', 'user', 'hello')")
    backup.backup(tmp_path / "b.dump", supabase)
    migrate.rollback(supabase, target="1")
    backup.restore(tmp_path / "b.dump", supabase, replace=True)
    assert migrate.status(supabase).pending == 0
    assert verify.verify(supabase).drifts == ()
