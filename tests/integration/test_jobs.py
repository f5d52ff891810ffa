"""Jobs: on the queue in the same transaction, done once whatever dies, cancelled, never another agent's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from memgpt import embeddings
from memgpt.config import Settings, settings
from memgpt.database.connection import Database
from memgpt.errors import BusyError, ConflictError, DeniedError, InputError, MemgptError, NotFoundError
from memgpt.jobs import JobKind, Jobs, api, kinds, queue
from memgpt.jobs.kinds import JobContext
from memgpt.jobs.store import JobFile
from memgpt.jobs.worker import Worker
from memgpt.memory import Memory, scope_of
from memgpt.models import Job, Json

A, B = JobFile("a.md", b"# A\n\nThe night train to Ulm."), JobFile("b.md", b"# B\n\nThe boat to Linz.")
TALK = JobFile("talk.json", json.dumps([{"role": "user", "content": "I am off to Graz"}]).encode())


def options(dsn: str) -> Settings:
    return settings().model_copy(update={"database_url": SecretStr(dsn)})


@pytest.fixture
def owner(dsn: str) -> Iterator[Database]:
    opened = Database(dsn, options=options(dsn))
    queue.install(opened)
    yield opened
    opened.close()


@contextmanager
def memory_of(agent: str, dsn: str) -> Iterator[Memory]:
    """As a request has it."""
    with Memory(agent, options=options(dsn), isolated=True, actor="key:test") as memory:
        yield memory


@pytest.fixture
def ann(dsn: str, owner: Database) -> Iterator[Memory]:
    with memory_of("ann", dsn) as memory:
        yield memory


def work_off(owner: Database, dsn: str) -> None:
    """A worker that ends when the queue is empty."""
    worker = Worker(owner, embeddings.from_settings(options(dsn)), options(dsn))
    asyncio.run(worker.run(wait=False))


@contextmanager
def working(owner: Database, dsn: str, *, grace: float = 0.0) -> Iterator[Callable[[], None]]:
    """A worker in a thread of its own; what it gives stops it and waits for its end."""
    loop = asyncio.new_event_loop()
    worker = Worker(owner, embeddings.from_settings(options(dsn)), options(dsn), grace=grace)
    task = loop.create_task(worker.run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()

    try:
        yield stop
    finally:
        if thread.is_alive():
            stop()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def rows(dsn: str, query: str, *given: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as direct:
        return direct.execute(query, given).fetchall()


def time_passes(direct: psycopg.Connection[Any]) -> None:
    """What was to be done again later is due."""
    direct.execute("SET LOCAL search_path TO memgpt_queue")
    direct.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")


def queued(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) FROM memgpt_queue.procrastinate_jobs")[0][0])


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a kind of work that a test writes."""

    def add(run: Callable[[JobContext, Json], Json], **fields: Any) -> None:
        made = JobKind("test", "For a test.", run, **fields)
        monkeypatch.setattr(api, "KINDS", {**kinds.KINDS, "test": made})
        monkeypatch.setattr("memgpt.jobs.runner.KINDS", {**kinds.KINDS, "test": made})

    return add


@pytest.mark.parametrize("which", ["dsn", "pooled_dsn"])
def test_files_are_ingested_and_forgotten(which: str, dsn: str, request: pytest.FixtureRequest) -> None:
    reached = request.getfixturevalue(which)
    database = Database(reached, options=options(reached))
    queue.install(database)
    queue.install(database)
    with memory_of("ann", reached) as ann:
        asked = Jobs(ann).add("ingest", {"metadata": {"from": "mail"}}, [A, B])
        assert (asked.status, asked.requested_by, asked.done, asked.total) == ("queued", "key:test", 0, None)
        work_off(database, reached)
        job = Jobs(ann).get(asked.id)
        assert (job.status, job.done, job.total, job.error, job.attempts) == ("succeeded", 2, 2, None, 1)
        assert job.result is not None
        assert [(d["source"], d["outcome"]) for d in job.result["documents"]] == [("a.md", "new"), ("b.md", "new")]
        assert {d.source: d.metadata["from"] for d in ann.documents.list()} == {"a.md": "mail", "b.md": "mail"}
        assert ann.history(limit=1)[0].actor == "key:test"
    database.close()
    assert rows(dsn, "SELECT * FROM job_files") == []
    assert queued(dsn) == 0


def test_a_job_and_its_place_in_the_queue_are_one_transaction(ann: Memory, owner: Database, dsn: str) -> None:
    with psycopg.connect(dsn) as direct:
        direct.execute("REVOKE ALL ON job_files FROM memgpt_agent")
    with pytest.raises(DeniedError):
        Jobs(ann).add("ingest", files=[A])
    with psycopg.connect(dsn) as direct:
        direct.execute("SELECT memory_allow_requests()")
    assert queued(dsn) == 0
    assert list(Jobs(ann).list()) == []
    with ann.transaction():
        Jobs(ann).add("ingest", files=[A])
        ann.remember("still isolated, and still found")  # after the queue was touched
    assert queued(dsn) == 1
    assert [m.text for m in ann.archival.list()] == ["still isolated, and still found"]


def test_what_cannot_be_done_is_refused(ann: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Jobs(ann)
    for kind, arguments, files, words in (
        ("dance", {}, [], "kind"),
        ("ingest", {}, [], "needs a file"),
        ("reembed", {"to": "x"}, [A], "takes no files"),
        ("import", {}, [TALK, TALK], "takes one file, not 2"),
        ("import-agent", {}, [A, B], "takes one file, not 2"),
        ("reembed", {}, [], "to: Field required"),
        ("reembed", {"to": "x", "speed": 3}, [], "speed"),
        ("ingest", {"metadata": {"a": "\0"}}, [A], "NUL"),
    ):
        with pytest.raises(InputError, match=words):
            mine.add(kind, arguments, files)
    with pytest.raises(NotFoundError):
        mine.get(1)
    monkeypatch.setattr(api, "MOST_UNDER_WAY", 1)
    mine.add("import", files=[TALK])
    with pytest.raises(BusyError):
        mine.add("import", files=[TALK])


def test_a_file_that_cannot_be_read_is_told(ann: Memory, owner: Database, dsn: str) -> None:
    broken = JobFile("../../etc/broken.pdf", b"%PDF-1.7 nothing of the kind")
    alone = Jobs(ann).add("ingest", files=[broken])
    beside = Jobs(ann).add("ingest", files=[broken, A])
    unknown = Jobs(ann).add("import", files=[JobFile("x.json", b'{"a": 1}')])
    work_off(owner, dsn)
    failed = Jobs(ann).get(alone.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.startswith("../../etc/broken.pdf: ")
    result = Jobs(ann).get(beside.id).result
    assert result is not None
    assert [d["outcome"] for d in result["documents"]] == ["failed", "new"]
    assert Jobs(ann).get(unknown.id).status == "failed"


def test_an_exported_agent_is_imported(ann: Memory, owner: Database, dsn: str, tmp_path: Any) -> None:
    from memgpt.agents.agents import Agents

    with Memory("bob", options=options(dsn)) as bob, Agents(options=options(dsn)) as agents:
        bob.remember("Bob sails")
        bob.core["human"].append("Bob")
        agents.export("bob", tmp_path / "bob.jsonl")
    Jobs(ann).add("import-agent", files=[JobFile("bob.jsonl", (tmp_path / "bob.jsonl").read_bytes())])
    work_off(owner, dsn)
    [job] = Jobs(ann).list()
    assert job.error is None
    assert [m.text for m in ann.archival.list()] == ["Bob sails"]


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.02)


@contextmanager
def blocked_at_b(dsn: str) -> Iterator[None]:
    """Somebody is about to store b.md: who stores it too waits for the end of this."""
    with psycopg.connect(dsn) as direct:
        direct.execute("INSERT INTO documents (agent_id, title, source) VALUES ('ann', 'b', 'b.md')")
        yield
        direct.rollback()


def waits(dsn: str) -> bool:
    asleep = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(rows(dsn, asleep))


@pytest.mark.parametrize("which", ["dsn", "pooled_dsn"])
def test_a_killed_workers_job_is_done_by_another_and_once(
    which: str, ann: Memory, owner: Database, dsn: str, request: pytest.FixtureRequest
) -> None:
    job = Jobs(ann).add("ingest", files=[A, B])
    command = [sys.executable, "-c", "from memgpt.cli import main; main()", "worker"]
    environment = os.environ | {"DATABASE_URL": request.getfixturevalue(which)}
    with blocked_at_b(dsn):
        worker = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        wait_until(lambda: waits(dsn) or worker.poll() is not None)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert Jobs(ann).get(job.id).status == "running"
    wait_until(lambda: not waits(dsn))
    assert [d.source for d in ann.documents.list()] == ["a.md"]
    # half a minute later
    rows(dsn, "UPDATE memgpt_queue.procrastinate_workers SET last_heartbeat = now() - interval '31 s' RETURNING 1")
    work_off(owner, dsn)
    done = Jobs(ann).get(job.id)
    assert (done.status, done.attempts) == ("succeeded", 2)
    assert done.result is not None
    assert [d["outcome"] for d in done.result["documents"]] == ["unchanged", "new"]
    assert sorted(d.source or "" for d in ann.documents.list()) == ["a.md", "b.md"]
    assert queued(dsn) == 0


def test_what_kills_every_worker_is_given_up(ann: Memory, owner: Database, dsn: str) -> None:
    job = Jobs(ann).add("ingest", files=[A])
    rows(dsn, "UPDATE jobs SET status = 'running', attempts = 3 RETURNING 1")
    work_off(owner, dsn)
    failed = Jobs(ann).get(job.id)
    assert (failed.status, failed.error) == ("failed", "the process that worked on it died 3 times")
    assert rows(dsn, "SELECT * FROM job_files") == []


def test_an_atomic_job_is_done_or_not(ann: Memory, owner: Database, dsn: str) -> None:
    """A transcript without ids would be kept twice if its end were not in the transaction of its messages."""
    job = Jobs(ann).add("import", files=[TALK])
    with psycopg.connect(dsn) as direct:
        direct.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE SQLSTATE ''57P01''; END'"
        )
        when = "FOR EACH ROW WHEN (new.status = 'succeeded') EXECUTE FUNCTION die()"
        direct.execute(f"CREATE TRIGGER die BEFORE UPDATE ON jobs {when}")
    work_off(owner, dsn)
    again = Jobs(ann).get(job.id)
    assert (again.status, again.attempts) == ("queued", 1)
    assert list(ann.messages.list()) == []
    with psycopg.connect(dsn) as direct:
        direct.execute("DROP TRIGGER die ON jobs")
        time_passes(direct)
    work_off(owner, dsn)
    assert Jobs(ann).get(job.id).status == "succeeded"
    assert [m.content for m in ann.messages.list()] == ["I am off to Graz"]


@pytest.mark.parametrize("when", ["new.status = 'running'", "old.status = 'running'"], ids=["begins", "fails"])
def test_a_job_keeps_its_place_while_the_database_is_away(
    when: str, ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]
) -> None:
    """Also where that cannot be written down."""
    tries: list[int] = []

    def once_lost(work: JobContext, _: Json) -> Json:
        tries.append(1)
        if len(tries) == 1:
            raise psycopg.OperationalError("the connection is lost")
        return {}

    kind(once_lost)
    job = Jobs(ann).add("test")
    with psycopg.connect(dsn) as direct:
        direct.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE SQLSTATE ''57P01''; END'"
        )
        direct.execute(f"CREATE TRIGGER die BEFORE UPDATE ON jobs FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION die()")
    work_off(owner, dsn)
    assert not Jobs(ann).get(job.id).finished
    assert queued(dsn) == 1
    with psycopg.connect(dsn) as direct:
        direct.execute("DROP TRIGGER die ON jobs")
    while not Jobs(ann).get(job.id).finished:
        with psycopg.connect(dsn) as direct:
            time_passes(direct)
        work_off(owner, dsn)
    assert Jobs(ann).get(job.id).status == "succeeded"
    assert queued(dsn) == 0


def test_progress_never_goes_back(ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]) -> None:
    seen: list[Job] = []
    tries: list[int] = []

    def climb(work: JobContext, _: Json) -> Json:
        tries.append(1)
        for step in range(1, 5):
            work.progress(step, step if step < 4 or len(tries) > 1 else 4, f"step {step}")
            seen.append(Jobs(ann).get(job.id))
            if len(tries) == 1 and step == 3:
                raise psycopg.OperationalError("the connection is lost")
        return {"steps": 4}

    kind(climb)
    job = Jobs(ann).add("test")
    work_off(owner, dsn)
    waiting = Jobs(ann).get(job.id)
    assert (waiting.status, waiting.done) == ("queued", 3)
    assert waiting.error is not None
    assert "the connection is lost" in waiting.error
    with psycopg.connect(dsn) as direct:
        time_passes(direct)
    work_off(owner, dsn)
    done = [job.done for job in seen]
    assert done == sorted(done)
    assert done == [1, 2, 3, 3, 3, 3, 4]
    end = Jobs(ann).get(job.id)
    assert (end.status, end.result, end.error, end.attempts) == ("succeeded", {"steps": 4}, None, 2)


def test_cancelling(ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(work: JobContext, _: Json) -> Json:
        work.memory.remember("what was done before")
        begun.set()
        go_on.wait()
        work.progress(1, 1)
        work.memory.remember("never")
        return {}

    kind(long)
    mine = Jobs(ann)
    running, waiting, file = mine.add("test"), mine.add("test"), mine.add("ingest", files=[A])
    with working(owner, dsn):
        begun.wait()
        assert mine.cancel(waiting.id).status == "cancelled"
        assert mine.cancel(file.id).status == "cancelled"
        asked = mine.cancel(running.id)
        assert (asked.status, asked.cancel_requested_at is not None) == ("running", True)
        go_on.set()
        wait_until(lambda: mine.get(running.id).finished)
    assert mine.get(running.id).status == "cancelled"
    assert [m.text for m in ann.archival.list()] == ["what was done before"]
    with pytest.raises(ConflictError, match="cancelled"):
        mine.cancel(waiting.id)
    assert rows(dsn, "SELECT * FROM job_files") == []
    work_off(owner, dsn)
    assert [job.status for job in mine.list()] == ["cancelled"] * 3
    assert queued(dsn) == 0


def test_a_stopped_worker_hands_its_job_on(ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]) -> None:
    begun = threading.Event()
    runs: list[int] = []

    def steps(work: JobContext, _: Json) -> Json:
        runs.append(1)
        begun.set()
        while len(runs) == 1:  # until it is stopping
            work.progress(1, 1)
        return {}

    kind(steps)
    job = Jobs(ann).add("test")
    with working(owner, dsn) as stop:
        begun.wait()
        stop()
        left = Jobs(ann).get(job.id)
        assert (left.status, left.attempts) == ("queued", 0)
    work_off(owner, dsn)
    assert Jobs(ann).get(job.id).status == "succeeded"


def test_a_mistake_of_ours_is_a_failure(
    ann: Memory, owner: Database, dsn: str, kind: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(work: JobContext, _: Json) -> Json:
        raise ZeroDivisionError("secret of ann")

    kind(wrong)
    Jobs(ann).add("test")
    work_off(owner, dsn)
    [job] = Jobs(ann).list()
    assert (job.status, job.error) == ("failed", "an unexpected error; the worker's log has it")
    assert "ZeroDivisionError" in caplog.text


def test_a_runner_that_was_thought_dead_writes_nothing_more(
    ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]
) -> None:
    def slow(work: JobContext, _: Json) -> Json:
        with psycopg.connect(dsn) as direct:
            direct.execute("UPDATE jobs SET runner = gen_random_uuid()")  # another one took over
        work.memory.remember("too late")
        return {"by": "the slow one"}

    kind(slow, atomic=True)
    Jobs(ann).add("test")
    work_off(owner, dsn)
    [job] = Jobs(ann).list()
    assert (job.status, job.result) == ("running", None)
    assert list(ann.archival.list()) == []


def test_a_job_is_its_agents(ann: Memory, owner: Database, dsn: str, kind: Callable[..., None]) -> None:
    """Also when the work asks for the rows of others, and when the statements do not ask for an agent."""

    def pry(work: JobContext, _: Json) -> Json:
        count = "SELECT count(*) FROM archival_memories"
        [seen] = scope_of(work.memory).read(lambda connection: connection.execute(count).fetchone()) or (None,)
        return {"seen": seen}

    kind(pry)
    with memory_of("bob", dsn) as bob:
        bob.remember("Bob's own")
        job = Jobs(ann).add("test")
        for call in (Jobs(bob).get, Jobs(bob).cancel):
            with pytest.raises(NotFoundError):
                call(job.id)
        assert list(Jobs(bob).list()) == []
        for statement in ("SELECT * FROM jobs", "SELECT * FROM job_files", "UPDATE jobs SET done = 9 RETURNING id"):
            assert scope_of(bob).read(lambda c, words=statement: c.execute(words).fetchall()) == []  # type: ignore[misc]
        with pytest.raises(DeniedError), bob.transaction():
            scope_of(bob).read(lambda c: c.execute("SELECT * FROM memgpt_queue.procrastinate_jobs"))
    work_off(owner, dsn)
    assert Jobs(ann).get(job.id).result == {"seen": 0}


def test_of_two_who_make_the_queue_one_does(dsn: str) -> None:
    database = Database(dsn, options=options(dsn))
    with psycopg.connect(dsn) as direct:
        direct.execute(queue.SQL.lock)
        failures: list[BaseException] = []
        second = threading.Thread(target=lambda: failures.extend(failure_of(lambda: queue.install(database))))
        second.start()
        wait_until(lambda: waits(dsn))
        direct.execute(queue.SQL.create_schema)
        direct.execute("SET LOCAL search_path TO memgpt_queue")
        direct.execute(queue.SchemaManager.get_schema())  # type: ignore[attr-defined]
        versions = sorted(os.listdir(queue.SchemaManager.get_migrations_path()))  # type: ignore[attr-defined]
        direct.execute(f"COMMENT ON SCHEMA memgpt_queue IS '{[v for v in versions if v.endswith('.sql')][-1]}'")
    second.join()
    database.close()
    assert failures == []


def failure_of(work: Callable[[], None]) -> list[BaseException]:
    try:
        work()
    except MemgptError as error:
        return [error]
    return []


def test_an_older_queue_is_brought_up(
    owner: Database, dsn: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("03.04.00_50_post_add_retry_failed_job_procedure.sql", "99.00.00_01_pre_more.sql"):
        (tmp_path / name).write_text("CREATE TABLE procrastinate_more ()")
    monkeypatch.setattr(queue.SchemaManager, "get_migrations_path", lambda: str(tmp_path))  # type: ignore[attr-defined]
    queue.install(owner)
    queue.install(owner)
    assert rows(dsn, "SELECT obj_description('memgpt_queue'::regnamespace)") == [("99.00.00_01_pre_more.sql",)]
    assert rows(dsn, "SELECT to_regclass('memgpt_queue.procrastinate_more') IS NOT NULL") == [(True,)]


def test_every_memory_is_put_in_order_at_its_time(ann: Memory, owner: Database, dsn: str) -> None:
    with pytest.raises(InputError, match="cron"):
        Worker(owner, embeddings.from_settings(options(dsn)), options(dsn), sleep="at three")
    ann.remember("Ann likes trains")
    with memory_of("bob", dsn) as bob:
        bob.remember("Bob sails")
        # a worker makes up for a time of the last ten minutes, and this one is to begin nothing by itself
        later = f"0 {(datetime.now(UTC).hour + 12) % 24} * * *"
        worker = Worker(owner, embeddings.from_settings(options(dsn)), options(dsn), sleep=later)
        worker._all_sleep(0)
        worker._all_sleep(0)  # those that wait are enough
        Jobs(ann).add("extract")
        asyncio.run(worker.run(wait=False))
        assert [(job.kind, job.status) for job in Jobs(bob).list()] == [("sleep", "succeeded")]
        mine = [(job.kind, job.status, job.requested_by) for job in Jobs(ann).list()]
        assert mine == [("extract", "succeeded", "key:test"), ("sleep", "succeeded", "worker")]


def test_an_agent_with_too_many_jobs_keeps_nobody_else_awake(
    ann: Memory, owner: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_UNDER_WAY", 1)
    ann.remember("Ann likes trains")
    Jobs(ann).add("extract")
    with memory_of("bob", dsn) as bob:
        bob.remember("Bob sails")
        Worker(owner, embeddings.from_settings(options(dsn)), options(dsn), sleep="0 3 * * *")._all_sleep(0)
        assert [job.kind for job in Jobs(bob).list()] == ["sleep"]
    assert [job.kind for job in Jobs(ann).list()] == ["extract"]


def test_the_command_line_shows_and_cancels(ann: Memory, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from memgpt.cli import app

    # the process of the tests goes on, and its standard error with it
    monkeypatch.setattr("memgpt.cli.operator.worker.log_as_json", lambda: None)
    runner = CliRunner(env={"DATABASE_URL": dsn})
    settings.cache_clear()
    job = Jobs(ann).add("ingest", files=[A])
    try:
        listed = runner.invoke(app, ["jobs", "list", "--json"])
        assert json.loads(listed.stdout)["status"] == "queued"
        assert "ingest" in runner.invoke(app, ["jobs", "list", "--agent", "ann", "--status", "queued"]).stdout
        assert runner.invoke(app, ["jobs", "cancel", str(job.id), "--agent", "ann"]).exit_code == 0
        shown = runner.invoke(app, ["jobs", "show", str(job.id), "--agent", "ann", "--json"])
        assert json.loads(shown.stdout)["status"] == "cancelled"
        assert runner.invoke(app, ["worker", "--once"]).exit_code == 0
    finally:
        settings.cache_clear()
