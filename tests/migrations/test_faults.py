"""Killed in the middle, run twice at once: nothing is half-applied."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from memgpt.database.admin import migrate, verify
from memgpt.errors import MemgptError, MigrationError

NAMES = [m.name for m in migrate.discover()]
RUNNER = [sys.executable, "-c", "from memgpt.cli import main; main()", "db", "migrate"]


@contextmanager
def stuck_in_002(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """002 waits for this writer at one of its last indexes; it has made others by then."""
    with psycopg.connect(dsn) as writer:
        writer.execute(
            "INSERT INTO kg_relationships (agent_id, source_id, target_id, type) SELECT 'a', 1, 1, 'x' WHERE false"
        )
        yield writer


def wait_until_stuck(dsn: str) -> int:
    """The backend that waits for a relation's lock."""
    with psycopg.connect(dsn, autocommit=True) as watcher:
        while True:
            row = watcher.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
                "AND wait_event = 'relation'"
            ).fetchone()
            if row:
                return int(row[0])


def start_runner(dsn: str) -> subprocess.Popen[str]:
    environment = os.environ | {"DATABASE_URL": dsn, "MEMGPT_EMBEDDING_MODEL": "none"}
    return subprocess.Popen(RUNNER, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def only_001(dsn: str, dump: Any) -> None:
    assert [r.name for r in migrate.status(dsn).records if r.state == "applied"] == NAMES[:1]
    assert "kg_entities_name_idx" not in dump(dsn)
    assert dump(dsn).count("lists='100'") == 2


@pytest.mark.parametrize("which", ["empty_dsn", "empty_pooled_dsn"])
def test_a_killed_runner_leaves_nothing(which: str, empty_dsn: str, dump: Any, request: pytest.FixtureRequest) -> None:
    migrate.apply(empty_dsn, target="1")
    with stuck_in_002(empty_dsn):
        runner = start_runner(request.getfixturevalue(which))
        wait_until_stuck(empty_dsn)
        runner.kill()
        runner.communicate()
        only_001(empty_dsn, dump)
    assert [s.name[:3] for s in migrate.apply(empty_dsn).steps] == [n[:3] for n in NAMES[1:]]
    assert verify.verify(empty_dsn).drifts == ()


def test_readers_go_on_while_the_indexes_are_built(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, target="1")
    with stuck_in_002(empty_dsn):
        runner = start_runner(empty_dsn)
        wait_until_stuck(empty_dsn)
        with psycopg.connect(empty_dsn) as reader:
            reader.execute("SET lock_timeout = '1s'")
            for table in ("document_chunks", "archival_memories", "conversations", "kg_relationships"):
                reader.execute(f"SELECT * FROM {table} WHERE agent_id = 'a'")
    assert runner.communicate()[1] == ""
    assert runner.returncode == 0


def test_ctrl_c_cancels_in_the_server_and_says_so(empty_dsn: str, dump: Any) -> None:
    migrate.apply(empty_dsn, target="1")
    with stuck_in_002(empty_dsn):
        runner = start_runner(empty_dsn)
        wait_until_stuck(empty_dsn)
        runner.send_signal(signal.SIGINT)
        _, said = runner.communicate()
        assert runner.returncode == 130
        assert said.strip().splitlines() == [
            "error: interrupted: the running migration left nothing behind, those before it are kept"
        ]
        with psycopg.connect(empty_dsn) as connection:
            waiting = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
        assert waiting == (0,)
        only_001(empty_dsn, dump)


def test_a_killed_server_leaves_nothing(own_server: Any, dump: Any) -> None:
    dsn = own_server.dsn(own_server.create())
    migrate.apply(dsn, target="1")
    failure: list[Exception] = []

    def work() -> None:
        try:
            migrate.apply(dsn)
        except (MemgptError, psycopg.Error) as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    try:
        with stuck_in_002(dsn):
            thread.start()
            wait_until_stuck(dsn)
            os.kill(own_server.embedded.pid, signal.SIGKILL)
            thread.join()
    except psycopg.OperationalError:
        pass  # the writer's connection is gone with the server
    assert isinstance(failure[0], MigrationError)
    assert "Nothing of this migration was applied" in str(failure[0])
    wait_for_server(dsn)
    only_001(dsn, dump)
    migrate.apply(dsn)
    assert verify.verify(dsn).drifts == ()


def wait_for_server(dsn: str) -> None:
    """Until the supervisor has restarted it and it has recovered."""
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            continue


@pytest.mark.parametrize("which", ["empty_dsn", "empty_pooled_dsn"])
def test_two_runners_at_once(which: str, request: pytest.FixtureRequest) -> None:
    dsn = request.getfixturevalue(which)
    together, reports = threading.Barrier(3), []

    def work() -> None:
        together.wait()
        reports.append(migrate.apply(dsn))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    assert sorted(s.name[:3] for r in reports for s in r.steps) == [n[:3] for n in NAMES]
    assert verify.verify(dsn).drifts == ()
