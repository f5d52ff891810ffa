"""Jobs of many agents: taken in turn, and limited before they are let in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from memgpt import embeddings
from memgpt.config import Settings, settings
from memgpt.database.connection import Database
from memgpt.errors import BusyError
from memgpt.jobs import Jobs, api, queue
from memgpt.jobs.runner import Runner
from memgpt.jobs.store import JobFile
from memgpt.jobs.worker import Worker
from memgpt.memory import Memory

FILE = JobFile("a.md", b"# A\n\nThe night train to Ulm.")


@pytest.fixture
def options(dsn: str) -> Settings:
    return settings().model_copy(update={"database_url": SecretStr(dsn)})


@pytest.fixture
def owner(dsn: str, options: Settings) -> Iterator[Database]:
    database = Database(dsn, options=options)
    queue.install(database)
    yield database
    database.close()


def jobs_of(agent: str, options: Settings, key: str = "test") -> Jobs:
    """As a request of a key has them."""
    return Jobs(Memory(agent, options=options, isolated=True, actor=f"key:{key}"))


def test_agents_take_turns(owner: Database, options: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(Runner, "run", lambda _, agent_id, *__: done.append(agent_id))
    worker = Worker(owner, embeddings.from_settings(options), options, concurrency=1)
    for agent in ("hog", "boar"):
        for _ in range(10):
            jobs_of(agent, options).add("sleep")
    jobs_of("ann", options).add("sleep")
    jobs_of("bob", options).add("sleep")
    asyncio.run(worker.run(wait=False))
    assert len(done) == 22
    assert {*done[:4]} == {"hog", "boar", "ann", "bob"}
    assert all({*done[n : n + 2]} == {"hog", "boar"} for n in range(4, 22, 2))


def test_who_comes_late_joins_the_round_that_is_worked_on(owner: Database, options: Settings) -> None:
    for _ in range(3):
        jobs_of("hog", options).add("sleep")
    with owner.transaction() as connection:  # as if two of them were done
        connection.execute("SET LOCAL search_path = memgpt_queue")
        connection.execute("DELETE FROM procrastinate_jobs WHERE id < (SELECT max(id) FROM procrastinate_jobs)")
    for agent in ("ann", "ann", "hog"):
        jobs_of(agent, options).add("sleep")
    with owner.transaction() as connection:
        rows = connection.execute(
            "SELECT args->>'agent_id', priority FROM memgpt_queue.procrastinate_jobs ORDER BY id"
        ).fetchall()
    assert rows == [("hog", -2), ("ann", -2), ("ann", -3), ("hog", -3)]


def added_at_once(many: list[Jobs], files: list[JobFile]) -> int:
    """How many of the jobs, all asked for at the same moment, are let in."""
    start = threading.Barrier(len(many))

    def add(own: Jobs) -> bool:
        start.wait()
        try:
            own.add("ingest", files=files)
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(len(many)) as threads:
        return sum(threads.map(add, many))


def test_jobs_are_counted_before_they_are_let_in(
    owner: Database, options: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_UNDER_WAY", 3)
    assert added_at_once([jobs_of("ann", options, f"k{n}") for n in range(8)], [FILE]) == 3
    assert added_at_once([jobs_of(f"bob-{n}", options, "one") for n in range(8)], [FILE]) == 3
    with pytest.raises(BusyError, match="this key has 3 jobs under way"):
        jobs_of("carl", options, "one").add("ingest", files=[FILE])
    jobs_of("carl", options, "another").add("ingest", files=[FILE])


def test_waiting_bytes_are_counted_before_they_are_let_in(
    owner: Database, options: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = JobFile("a.txt", b"x" * 1000)
    monkeypatch.setattr(api, "MOST_WAITING_BYTES", 3500)
    assert added_at_once([jobs_of("ann", options, f"k{n}") for n in range(6)], [file]) == 3
    assert added_at_once([jobs_of(f"bob-{n}", options, "one") for n in range(6)], [file]) == 3
    with pytest.raises(BusyError, match=r"agent 'ann' has 3,000 bytes of files waiting, of 3,500"):
        jobs_of("ann", options, "new").add("ingest", files=[file])
    jobs_of("ann", options, "new").add("sleep")
