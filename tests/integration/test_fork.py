"""Forked processes: prefork servers, ``multiprocessing``, task queues. Each has connections of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from memgpt import Agent, Agents, Memory
from memgpt.agent.chat_model import ChatModel
from memgpt.config import Settings
from memgpt.database.connection import Database, connect
from memgpt.errors import DatabaseError, MemgptError
from memgpt.memory import scope_of
from memgpt.server.service import Caller, Service
from tests.chat_dialects import Json
from tests.chat_server import ChatServer, Say, said

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = Settings(embedding_model="none", pool_size=4)
AGENTS = 4


@pytest.fixture
def memories(dsn: str) -> Iterator[list[Memory]]:
    """Several agents on one pool that is in use; half of them isolated."""
    database = Database(dsn, options=OPTIONS)
    memories = [Memory(f"agent-{n}", database=database, options=OPTIONS, isolated=bool(n % 2)) for n in range(AGENTS)]
    for n, memory in enumerate(memories):
        memory.remember(secret(n))
    yield memories
    database.close()


def secret(n: int) -> str:
    return f"secret of agent number {n}"


def texts(memory: Memory) -> list[str]:
    return [kept.text for kept in memory.archival.list()]


def wrong(memories: Sequence[Memory], rounds: int) -> int:
    """Answers that are not the asked agent's."""
    return sum(
        texts(memory) != [secret(n)] or [hit.text for hit in memory.search("secret number")] != [secret(n)]
        for _ in range(rounds)
        for n, memory in enumerate(memories)
    )


class Child:
    """A forked process that does some work; it is killed where it waits for ever."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(60)
            try:
                report: dict[str, Any] = {"result": work()}
            except BaseException as error:  # noqa: BLE001 - the parent judges it
                report = {"error": f"{type(error).__name__}: {error}"}
            os.write(writer, json.dumps(report).encode())
            os._exit(0)
        os.close(writer)

    def result(self) -> Any:
        with os.fdopen(self._reader, "rb") as pipe:
            report = json.loads(pipe.read() or b'{"error": "no report"}')
        os.waitpid(self.pid, 0)
        assert "error" not in report, report
        return report["result"]


def test_every_process_gets_its_own_answers(memories: list[Memory]) -> None:
    children = [Child(lambda: wrong(memories, 25)) for _ in range(6)]
    assert wrong(memories, 25) == 0
    assert [child.result() for child in children] == [0] * 6
    assert wrong(memories, 5) == 0


def test_forks_while_threads_search(memories: list[Memory]) -> None:
    """Locks may be held and answers under way at that moment."""
    stop, faults = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            faults.append(wrong(memories, 1))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert [Child(lambda: wrong(memories, 2)).result() for _ in range(12)] == [0] * 12
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(faults) == 0
    assert faults


def test_a_fork_of_a_fork(memories: list[Memory]) -> None:
    def work() -> int:
        grandchild = Child(lambda: wrong(memories, 3))
        return wrong(memories, 3) + int(grandchild.result())

    assert Child(work).result() == 0
    assert wrong(memories, 1) == 0


def test_multiprocessing(memories: list[Memory]) -> None:
    HANDED_ON[:] = memories
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(_listed, range(30)) == [[secret(n % AGENTS)] for n in range(30)]


HANDED_ON: list[Memory] = []
"""By the fork: memories are not pickled."""


def _listed(n: int) -> list[str]:
    return texts(HANDED_ON[n % AGENTS])


def test_other_objects_follow(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Agents(dsn, options=OPTIONS) as agents:
        agents.create("ann")
        assert Child(lambda: [a.agent_id for a in agents.list()]).result() == ["ann"]
    monkeypatch.setenv("DATABASE_URL", dsn)
    service = Service(Settings(embedding_model="none"))
    memory = service.memory(Caller(None), "ann", "write")
    memory.remember("kept")
    service.audit.add(request_id="1", key_id=None, agent_id="ann", action="x", status=200, client=None)

    def work() -> list[Any]:
        service.audit.add(request_id="2", key_id=None, agent_id="ann", action="x", status=200, client=None)
        found = texts(service.memory(Caller(None), "ann", "read"))
        keys = service.keys.any()
        service.close()
        return [found, keys, service.audit.waiting]

    assert Child(work).result() == [["kept"], False, 0]
    service.close()
    with psycopg.connect(dsn) as direct:
        assert sorted(direct.execute("SELECT request_id FROM audit_log").fetchall()) == [("1",), ("2",)]


def test_an_agent_s_model_is_asked_on_a_connection_of_its_own(dsn: str) -> None:
    def echo(request: Json) -> Say:
        return Say(f"heard: {said(request)[-1][1]}")

    with ChatServer().running() as chat, Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        chat.script(otherwise=echo)
        agent = Agent(memory, ChatModel("openai:scripted", base_url=chat.url, api_key="k"))
        assert agent.send("before").text == "heard: before"
        child = Child(lambda: [agent.send(f"in the child {n}").text for n in range(3)])
        assert child.result() == [f"heard: in the child {n}" for n in range(3)]
        assert agent.send("after").text == "heard: after"


def test_closing_in_one_process_leaves_the_other(dsn: str) -> None:
    memory = Memory("ann", dsn=dsn, options=OPTIONS)
    memory.remember("kept")

    def close() -> list[str]:
        found = texts(memory)
        memory.close()
        return found

    assert Child(close).result() == ["kept"]
    assert texts(memory) == ["kept"]
    ready, go = os.pipe()
    child = Child(lambda: (os.read(ready, 1), texts(memory))[1])
    memory.close()
    os.write(go, b".")
    assert child.result() == ["kept"]
    with pytest.raises(DatabaseError, match="closed"):
        memory.archival.list()
    with pytest.raises(AssertionError, match="closed"):
        Child(lambda: texts(memory)).result()


EXITS = """
import gc, os, sys
from memgpt import Memory
from memgpt.memory import scope_of
from memgpt.config import Settings
with Memory("ann", dsn=sys.argv[1], options=Settings(embedding_model="none", pool_size=1)) as memory:
    memory.remember("kept")
    backend = "SELECT pg_backend_pid()"
    def pid():
        return scope_of(memory).read(lambda c: c.execute(backend).fetchone()[0])
    before = pid()
    for n in range(6):
        child = os.fork()
        if child == 0:
            if n % 2:
                assert pid() != before
            if n > 3:
                del memory
                gc.collect()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert pid() == before, "the child ended its parent's session"
        assert [kept.text for kept in memory.archival.list()] == ["kept"]
print("right")
"""


def test_a_child_that_exits_leaves_its_parent_s_sessions(dsn: str) -> None:
    """However it exits: the interpreter's own end collects what is left."""
    done = subprocess.run(
        [sys.executable, "-c", EXITS, dsn],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("right\n", "")


def test_a_transaction_stays_with_the_process_that_opened_it(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        memory.remember("before")
        with memory.transaction():
            memory.remember("in the transaction")

            def work() -> list[str]:
                memory.remember("of the child")
                return texts(memory)

            assert Child(work).result() == ["of the child", "before"]
            assert texts(memory) == ["of the child", "in the transaction", "before"]
        assert sorted(texts(memory)) == ["before", "in the transaction", "of the child"]


def test_a_child_cannot_commit_its_parent_s_transaction(dsn: str) -> None:
    """It leaves the block that it was forked in: with an error, and without a word to the server."""
    with Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        memory.remember("before")
        parent = os.getpid()
        report_read, report = os.pipe()
        try:
            with memory.transaction():
                memory.remember("of the parent")
                pid = os.fork()
                if pid != 0:
                    os.close(report)
                    with os.fdopen(report_read) as pipe:
                        words = pipe.read()
                    os.waitpid(pid, 0)
                    memory.remember("after the fork")
        except MemgptError as error:
            assert os.getpid() != parent
            os.write(report, str(error).encode())
        finally:
            if os.getpid() != parent:
                os._exit(0)
        assert "belongs to the process from which this one was forked" in words
        assert sorted(texts(memory)) == ["after the fork", "before", "of the parent"]


def test_a_single_connection_is_its_opener_s(dsn: str) -> None:
    with connect(dsn, options=OPTIONS, autocommit=True) as connection:

        def work() -> str:
            try:
                connection.execute("SELECT 1")
            except DatabaseError as error:
                return str(error)
            finally:
                connection.close()
            return "it was used"

        assert "forked" in Child(work).result()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_locks_are_free_in_the_child(memories: list[Memory]) -> None:
    database = scope_of(memories[0]).database
    with database.caches._lock, database._pool._lock:
        child = Child(lambda: wrong(memories, 1))
    assert child.result() == 0


EMBEDDED = """
import os, sys
from memgpt import Memory
memory = Memory("ann")
memory.remember("kept")
read, write = os.pipe()
if os.fork() == 0:
    os.close(write)
    os.read(read, 1)  # until the parent is gone
    memory.remember("the parent is gone")
    print(len(memory.archival.list()), flush=True)
    sys.stdin.read()
    sys.exit(0)
os.close(read)
"""


def test_the_embedded_server_runs_until_the_last_child_ends(server_directory: Path) -> None:
    data_dir = server_directory / "forked"
    with subprocess.Popen(
        [sys.executable, "-c", EMBEDDED],
        env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        | {"PYTHONPATH": str(ROOT), "MEMGPT_DATA_DIR": str(data_dir)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2\n"
        assert process.wait(60) == 0
        pid = (data_dir / "postgres/cluster/postmaster.pid").read_text().split()[0]
        postmaster = psutil.Process(int(pid))
    postmaster.wait(60)
