"""``memgpt db``, as a person or a machine runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from memgpt.database.admin import backup, migrate, rehearsal, verify
from memgpt.database.admin.progress import MigrationProgress
from memgpt.database.embedded import binaries
from memgpt.errors import DatabaseError, InputError

COMMAND = [sys.executable, "-c", "from memgpt.cli import main; main()"]


def memgpt(dsn: str, *arguments: str, status: int = 0, **environment: str) -> str:
    given = {k: v for k, v in os.environ.items() if not k.startswith("MEMGPT_")} | {"DATABASE_URL": dsn}
    done = subprocess.run([*COMMAND, *arguments], env=given | environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 or "--json" in arguments else done.stderr


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def test_the_whole_way_in_json(empty_dsn: str, dump: Callable[..., str]) -> None:
    before = dump(empty_dsn)
    names = [m.name for m in migrate.discover()]
    assert [m["name"] for m in json.loads(memgpt(empty_dsn, "db", "plan", "--json"))["pending"]] == names
    dry = json.loads(memgpt(empty_dsn, "db", "migrate", "--dry-run", "--json"))
    assert dry["dry_run"]
    assert dump(empty_dsn) == before
    done = json.loads(memgpt(empty_dsn, "db", "migrate", "--json"))
    assert [s["name"] for s in done["steps"]] == names
    assert done["sizing"]["model"]["dimensions"] == 256
    status = json.loads(memgpt(empty_dsn, "db", "status", "--json"))
    assert {r["state"] for r in status["records"]} == {"applied"}
    assert json.loads(memgpt(empty_dsn, "db", "verify", "--json"))["drifts"] == []
    assert {d["table"] for d in json.loads(memgpt(empty_dsn, "db", "vacuum", "--json"))} >= {"conversations", "agents"}


def test_verify_fails_when_something_drifted(dsn: str) -> None:
    execute(dsn, "DROP INDEX kg_entities_name_idx")
    (drift,) = json.loads(memgpt(dsn, "db", "verify", "--json", status=1))["drifts"]
    assert drift["remedy"].startswith("CREATE INDEX kg_entities_name_idx ON public.kg_entities")


def test_errors_are_one_line(dsn: str) -> None:
    line = memgpt(dsn, "db", "migrate", "--target", "999", status=1)
    assert line.startswith("error: there is no migration '999'")
    assert line.count("\n") == 1


def test_rows_are_not_dropped_without_a_yes(dsn: str) -> None:
    assert "Is there a backup?" in memgpt(dsn, "db", "rollback", "--target", "0", status=1)
    assert migrate.status(dsn).pending == 0
    memgpt(dsn, "db", "rollback", "--target", "0", "--yes")
    assert migrate.status(dsn).pending == len(migrate.discover())


def test_a_backup_restores_everything(dsn: str, empty_dsn: str, tmp_path: Path, dump: Callable[..., str]) -> None:
    execute(dsn, "INSERT INTO conversations (agent_id, role, content) VALUES ('a', 'user', 'hello')")
    file = tmp_path / "b.dump"
    memgpt(dsn, "db", "backup", str(file))
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="exists already"):
        backup.backup(file, dsn)
    memgpt(empty_dsn, "db", "restore", str(file))
    assert dump(empty_dsn) == dump(dsn)
    assert verify.verify(empty_dsn).drifts == ()
    with pytest.raises(InputError, match="already holds a memory"):
        backup.restore(file, dsn)
    execute(dsn, "DELETE FROM conversations")
    backup.restore(file, dsn, replace=True)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT content FROM conversations").fetchall() == [("hello",)]


def test_a_failed_backup_leaves_no_file(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE ROLE blind LOGIN PASSWORD 'b'")
    blind = psycopg.conninfo.make_conninfo(dsn, user="blind", password="b")
    try:
        with pytest.raises(DatabaseError, match=r"pg_dump failed.*permission denied"):
            backup.backup(tmp_path / "b.dump", blind)
    finally:
        execute(dsn, "DROP ROLE blind")
    assert list(tmp_path.iterdir()) == []


def test_nothing_secret_is_in_a_program_s_arguments(dsn: str, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n')
    program.chmod(0o755)
    backup.run(str(program), [], psycopg.conninfo.make_conninfo(dsn, password="s3cret"))
    assert "dbname=" in (tmp_path / "arguments").read_text()
    assert "s3cret" not in (tmp_path / "arguments").read_text()
    with pytest.raises(InputError, match="sslpassword would show in the process list"):
        backup.run(str(program), [], psycopg.conninfo.make_conninfo(dsn, sslpassword="s3cret"))


def test_an_older_client_on_the_path_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of PostgreSQL 17 the wheel has no programs, but newer ones."""
    client = tmp_path / "pg_dump"
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = str(binaries(18) / "pg_dump")
    assert backup.program("pg_dump", 17) == bundled
    for version, chosen in (("15.4", bundled), ("17.2", str(client))):
        client.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        client.chmod(0o755)
        assert backup.program("pg_dump", 17) == chosen
    assert backup.program("pg_dump", 16) == str(binaries(16) / "pg_dump")
    with pytest.raises(DatabaseError, match="postgresql-client-19"):
        backup.program("pg_dump", 19)


@pytest.mark.parametrize("busy", [False, True])
def test_staging_leaves_the_database_alone(dsn: str, server: Any, busy: bool) -> None:
    execute(dsn, "INSERT INTO conversations (agent_id, role, content) VALUES ('a', 'user', 'hello')")
    migrate.rollback(dsn, target="1")
    other = psycopg.connect(dsn) if busy else None
    found = rehearsal.stage(dsn)
    if other:
        other.close()
    assert found.copied_by == ("dump" if busy else "template")
    assert [s.name for s in found.report.steps] == [m.name for m in migrate.discover()[1:]]
    assert found.drifts == ()
    assert migrate.status(dsn).pending == len(found.report.steps)
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname LIKE 'memgpt_stage%'").fetchall() == []


def test_cost_is_computed_from_what_is_stored(dsn: str) -> None:
    execute(
        dsn,
        "INSERT INTO conversations (agent_id, role, content, tokens) VALUES ('a', 'user', 'x', 1200000000); "
        "INSERT INTO archival_memories (agent_id, text) VALUES ('a', repeat('abcd', 100))",
    )
    found = json.loads(memgpt(dsn, "embeddings", "cost", "--json"))
    assert found["tokens"] == 1_200_000_100
    assert found["estimated_tokens"] == 100
    assert found["dollars"]["text-embedding-ada-002"]["last_30_days"] == pytest.approx(120, rel=1e-6)
    assert found["dollars"]["text-embedding-3-small"]["last_30_days"] == pytest.approx(24, rel=1e-6)
    assert found["saved"] == pytest.approx(0.8)


def test_monitor_explains_a_search(dsn: str) -> None:
    execute(
        dsn,
        "INSERT INTO document_chunks (agent_id, chunk_text, embedding) "
        "VALUES ('a', 'x', array_fill(1, ARRAY[256])::vector)",
    )
    assert "Execution Time" in memgpt(dsn, "db", "monitor")


def test_progress_names_every_statement(empty_dsn: str) -> None:
    seen: list[MigrationProgress] = []
    migrate.apply(empty_dsn, on_progress=seen.append)
    started = [(p.migration, p.statement) for p in seen if not p.phase]
    assert started == [(m.name, n) for m in migrate.discover() for n in range(1, len(m.statements) + 1)]


def test_a_database_name_needs_no_url(empty_dsn: str) -> None:
    given = conninfo_to_dict(empty_dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    environment = {v: str(given[k]) for k, v in names.items()} | {"PATH": os.environ["PATH"]}
    done = subprocess.run([*COMMAND, "db", "status"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(given["dbname"]) in done.stdout
