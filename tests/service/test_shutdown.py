"""SIGTERM: what is at work ends and is answered, what comes later is not taken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import httpx
import psycopg

from tests.conftest import free_port, wait_for_port

PROGRAM = [sys.executable, "-c", "from memgpt.cli import main; main()", "serve", "--no-auth"]
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_running_request_is_answered(dsn: str) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*PROGRAM, "--port", str(port), "--dsn", dsn], env=os.environ, stderr=subprocess.PIPE, text=True
    )
    answers: list[int] = []

    def write() -> None:
        address = f"http://127.0.0.1:{port}/v1/agents/ann/archival-memory"
        answers.append(httpx.post(address, json={"text": "kept"}, timeout=60).status_code)

    try:
        wait_for_port(port, process)  # type: ignore[arg-type]
        with psycopg.connect(dsn) as blocking, psycopg.connect(dsn, autocommit=True) as watching:
            blocking.execute("LOCK TABLE archival_memories IN ACCESS EXCLUSIVE MODE")
            writer = threading.Thread(target=write)
            writer.start()
            while watching.execute(WAITS).fetchone() == (0,):
                assert writer.is_alive()
            process.terminate()
            while _answers(port):
                assert process.poll() is None
            assert answers == []
            blocking.rollback()
            writer.join()
        assert answers == [201]
        process.communicate(timeout=60)
    finally:
        process.kill()
    with psycopg.connect(dsn) as owner:
        assert owner.execute("SELECT text FROM archival_memories").fetchall() == [("kept",)]
        assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == (1,)


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5)
    except httpx.TransportError:
        return False
    return True
