"""``memgpt server``: a server that stays up between commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest

from memgpt.database.embedded import stop

MEMGPT = Path(sys.executable).with_name("memgpt")
HOLD = """
import sys
from memgpt import Memory
memory = Memory("ann")
memory.archival.list()
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def data_dir(server_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    data_dir = server_directory / f"stays-{uuid4().hex[:8]}"
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MEMGPT_DATA_DIR", str(data_dir))
    yield data_dir
    stop(data_dir)


def memgpt(*arguments: str) -> str:
    done = subprocess.run([MEMGPT, *arguments], capture_output=True, text=True, check=False, start_new_session=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(memgpt("server", "status", "--json"))
    return found


def holder() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def test_it_stays_until_it_is_stopped(data_dir: Path) -> None:
    started = json.loads(memgpt("server", "start", "--json"))
    assert (started["running"], started["stays"], started["owners"]) == (True, True, [])
    assert started["data_dir"] == str(data_dir)
    with psycopg.connect(started["dsn"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    memgpt("remember", "kept by one command", "--agent", "ann")
    assert "kept by one command" in memgpt("search", "command", "--agent", "ann")
    assert json.loads(memgpt("server", "start", "--json"))["pid"] == started["pid"], "it is the one that runs"
    for end in (lambda p: p.communicate(), lambda p: p.kill()):  # however those end that use it
        with holder() as process:
            assert status()["owners"] == [process.pid]
            end(process)  # type: ignore[no-untyped-call]
        now = status()
        assert (now["pid"], now["stays"], now["owners"]) == (started["pid"], True, [])
    assert memgpt("server", "stop") == "server stopped\n"
    assert not psutil.pid_exists(started["pid"])
    assert (status()["running"], status()["stays"], status()["dsn"]) == (False, False, None)
    assert memgpt("server", "stop") == ""


def test_what_is_in_use_stops_with_the_last_that_uses_it(data_dir: Path) -> None:
    """Also where that is killed, and where it was there before."""
    with holder() as first:
        pid = status()["pid"]
        memgpt("server", "start")
        with holder() as second:
            assert memgpt("server", "stop").startswith("in use: it stops with the last of the processes ")
            assert (status()["running"], status()["stays"]) == (True, False)
            first.communicate()
            assert status()["owners"] == [second.pid]
            os.kill(second.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
    assert not status()["running"]


def test_a_server_killed_with_its_supervisor_does_not_stay_by_itself(data_dir: Path) -> None:
    pid = json.loads(memgpt("server", "start", "--json"))["pid"]
    postmaster = psutil.Process(pid)
    supervisor = postmaster.parent()
    assert supervisor is not None
    supervisor.kill()
    postmaster.wait(60)
    assert not status()["running"]
    memgpt("remember", "x", "--agent", "ann")
    assert not status()["running"]
