"""The procedures of the specification, as written there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
import pytest

from memgpt.database.admin import migrate, verify

ROOT = Path(__file__).parents[2]
FILES = ["001_initial_schema", "002_optimize_indexes", "003_embedding_model_migration"]
ALL = [m.name for m in migrate.discover()]

OPTION_2 = """
import psycopg2
from database.connection import get_db_connection

def run_migration(sql_file):
    conn = get_db_connection()
    cur = conn.cursor()
    
    with open(sql_file, 'r') as f:
        sql = f.read()
    
    cur.execute(sql)
    conn.commit()
    cur.close()
    conn.close()
    print(f"✓ {sql_file} completed")

# Run in order
run_migration('database/migrations/001_initial_schema.sql')
run_migration('database/migrations/002_optimize_indexes.sql')
run_migration('database/migrations/003_embedding_model_migration.sql')
"""  # noqa: W293 - verbatim

TRACKING = """
-- Create migrations table (optional)
CREATE TABLE IF NOT EXISTS schema_migrations (
    id SERIAL PRIMARY KEY,
    migration_name VARCHAR(255) UNIQUE NOT NULL,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- Record migration
INSERT INTO schema_migrations (migration_name) VALUES ('001_initial_schema');
INSERT INTO schema_migrations (migration_name) VALUES ('002_optimize_indexes');
INSERT INTO schema_migrations (migration_name) VALUES ('003_embedding_model_migration');
"""

EXPLAIN = """
EXPLAIN ANALYZE
SELECT chunk_text, embedding <=> '[{vector}]'::vector as distance
FROM document_chunks
WHERE agent_id = 'test_agent'
ORDER BY distance
LIMIT 10;
"""

ROLLBACK_002 = """
DROP INDEX IF EXISTS document_chunks_agent_embedding_idx;
DROP INDEX IF EXISTS archival_memories_agent_embedding_idx;
DROP INDEX IF EXISTS document_chunks_created_at_idx;
DROP INDEX IF EXISTS archival_memories_accessed_at_idx;
DROP INDEX IF EXISTS conversations_created_at_idx;
DROP INDEX IF EXISTS kg_relationships_source_idx;
DROP INDEX IF EXISTS kg_relationships_target_idx;
DROP INDEX IF EXISTS kg_entities_name_idx;
DROP INDEX IF EXISTS kg_relationships_type_idx;
DROP INDEX IF EXISTS core_memories_type_idx;
DROP INDEX IF EXISTS conversations_intent_idx;
"""


def run(*command: str, dsn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("MEMGPT_")} | {"DATABASE_URL": dsn}
    return subprocess.run(command, cwd=ROOT, env=given | environment, capture_output=True, text=True, check=False)


def applied(dsn: str) -> list[str]:
    return [r.name for r in migrate.status(dsn).records if r.state == "applied"]


def by_psql(server: Any, dsn: str, *names: str) -> None:
    for name in names:
        file = f"database/migrations/{name}.sql"
        done = run(server.program("psql"), "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", file, dsn=dsn)
        assert done.returncode == 0, done.stderr


def test_option_1_psql(server: Any, empty_dsn: str) -> None:
    by_psql(server, empty_dsn, *FILES)
    assert applied(empty_dsn) == FILES


def test_option_2_the_python_script(empty_dsn: str) -> None:
    done = run(sys.executable, "-c", OPTION_2, dsn=empty_dsn)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 3
    assert applied(empty_dsn) == FILES


def test_option_2_with_a_connection_of_psycopg2_itself(empty_dsn: str) -> None:
    connection = psycopg2.connect(empty_dsn)
    for name in FILES:
        with connection.cursor() as cursor:
            cursor.execute((ROOT / f"database/migrations/{name}.sql").read_text())
        connection.commit()
    connection.close()
    assert applied(empty_dsn) == FILES


def test_option_3_run_migration(empty_dsn: str) -> None:
    done = run(sys.executable, "database/migrations/run_migration.py", dsn=empty_dsn)
    assert done.returncode == 0, done.stderr
    assert applied(empty_dsn) == ALL


def test_option_3_says_what_is_missing(empty_dsn: str) -> None:
    done = run(sys.executable, "-S", "database/migrations/run_migration.py", dsn=empty_dsn)
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(sys.executable, "database/migrations/run_migration.py", dsn="postgresql://x@127.0.0.1:1/x")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot connect")


def test_psql_then_the_runner(server: Any, empty_dsn: str) -> None:
    by_psql(server, empty_dsn, *FILES)
    assert [s.name for s in migrate.apply(empty_dsn).steps] == ALL[3:]
    assert all(r.checksum_recorded for r in migrate.status(empty_dsn).records)
    assert verify.verify(empty_dsn).drifts == ()


def test_psql_alone_is_adopted_by_the_next_run(server: Any, empty_dsn: str) -> None:
    by_psql(server, empty_dsn, *ALL)
    assert not any(r.checksum_recorded for r in migrate.status(empty_dsn).records)
    assert migrate.apply(empty_dsn).steps == ()
    assert all(r.checksum_recorded for r in migrate.status(empty_dsn).records)


def test_the_runner_then_psql_again(server: Any, empty_dsn: str) -> None:
    migrate.apply(empty_dsn)
    done = run(
        server.program("psql"),
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        empty_dsn,
        "-f",
        "database/migrations/001_initial_schema.sql",
        dsn=empty_dsn,
    )
    assert done.returncode != 0
    assert "already exists" in done.stderr
    assert verify.verify(empty_dsn).drifts == ()


@pytest.mark.parametrize("first", [True, False])
def test_the_tracking_statements_may_be_run_before_or_after(server: Any, empty_dsn: str, first: bool) -> None:
    if first:
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute(TRACKING.split("-- Record")[0])
    by_psql(server, empty_dsn, *FILES)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(TRACKING)
        rows = connection.execute("SELECT * FROM schema_migrations ORDER BY applied_at").fetchall()
    assert [r[1] for r in rows] == FILES


def test_the_verification_queries_show_our_tables_and_indexes(dsn: str) -> None:
    found = verify.verify(dsn)
    assert "document_chunks_agent_embedding_idx" in {index for _, index, _, _ in found.index_usage}
    assert {"document_chunks", "conversations"} <= {table for table, *_ in found.table_sizes}


def test_the_sample_search_runs(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, target="3")
    with psycopg.connect(empty_dsn) as connection:
        lines = connection.execute(EXPLAIN.format(vector=", ".join(["0.1"] * 1536))).fetchall()
    assert any("Execution Time" in line for (line,) in lines)


def test_the_rollback_of_002_by_hand_is_named_and_mended(empty_dsn: str) -> None:
    migrate.apply(empty_dsn)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(ROLLBACK_002)
    drifts = verify.verify(empty_dsn).drifts
    assert drifts[0].kind == "undone by hand"
    assert drifts[0].what.startswith("002_optimize_indexes")
    assert "memgpt db rollback --target 1" in drifts[0].remedy
    assert {d.kind for d in drifts[1:]} == {"missing"}
    migrate.rollback(empty_dsn, target="1")
    migrate.apply(empty_dsn)
    assert verify.verify(empty_dsn).drifts == ()
