"""A live memory changes its embedding model, by a server that speaks OpenAI's protocol."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database import codes
from memgpt.database.admin import migrate, verify
from memgpt.errors import ConflictError, EmbeddingError, InputError, MigrationError, ModelMismatchError
from memgpt.reembed import doctor, finish, plan, reembed, rollback, status
from memgpt.reembed.record import guard
from tests.openai_server import Answer, OpenAIServer, Request, listing, vectors_of

DIMENSIONS = {
    "all-minilm": 384,
    "text-embedding-ada-002": 1536,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
}
OFFLINE = "wordllama-l2-supercat-256"


def vector(model: str, text: str) -> list[float]:
    """What the server's model gives: nothing in common with another model's vector of the text."""
    seed = int.from_bytes(hashlib.sha256(f"{model} {text}".encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(DIMENSIONS[model], dtype=np.float32)
    return [float(value) for value in values / np.linalg.norm(values)]


def by_model(_server: OpenAIServer, request: Request, _handler: BaseHTTPRequestHandler) -> Answer:
    given = request.body["input"]
    texts = [given] if isinstance(given, str) else given
    return listing(request, [vector(request.body["model"], text) for text in texts])


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    server = OpenAIServer(1536)
    server.script(otherwise=by_model)
    with server.running():
        yield server


@pytest.fixture
def options(dsn: str, provider: OpenAIServer) -> Settings:
    return Settings(database_url=SecretStr(dsn), embedding_base_url=provider.url, embedding_api_key=SecretStr("test"))


@pytest.fixture
def look(dsn: str) -> Iterator[Callable[..., Any]]:
    """The first value of a query's first row."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def first(query: str) -> Any:
            row = connection.execute(query).fetchone()
            return row and row[0]

        yield first


def fill(memory: Memory, rows: int, start: int = 0) -> None:
    memory.remember_many({"text": f"note {n} about topic {n % 17}"} for n in range(start, start + rows))


def lacking(look: Callable[..., Any], model: str) -> int:
    """Rows that do not have a vector of this model with its code."""
    dimensions = DIMENSIONS.get(model, 256)
    code = codes.code(codes.code_type(dimensions), "embedding").decode()
    return look(  # type: ignore[no-any-return]
        "SELECT count(*) FROM archival_memories WHERE embedding IS NULL OR embedding_code IS NULL "
        f"OR embedding_model IS DISTINCT FROM '{model}' OR vector_dims(embedding) <> {dimensions} "
        f"OR embedding_code <> {code}"
    )


def near(memory: Memory, text: str) -> list[int]:
    return [near.memory.id for near in memory.archival.near_duplicates(text, threshold=0.999)]


def test_a_memory_is_switched_through_dimensions_and_types(options: Settings, look: Callable[..., Any]) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 300)
        for model in ("all-minilm", "text-embedding-ada-002", "text-embedding-3-large"):
            report = reembed(to=model, options=options)
            assert (report.switched, report.model, report.dimensions) == (True, model, DIMENSIONS[model])
            assert report.embedded == look("SELECT count(*) FROM archival_memories")
            assert lacking(look, model) == 0
            # the same process goes on, with another model than it was started with
            id = memory.remember(f"written after the switch to {model}").id
            assert near(memory, f"written after the switch to {model}") == [id]
            assert near(memory, "note 7 about topic 7") == [8]
            assert lacking(look, model) == 0
            assert finish(options=options).state == "finished"
    column = "attrelid = 'archival_memories'::regclass AND attname = 'embedding'"
    assert look(f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE {column}") == "halfvec(3072)"
    assert not look("SELECT count(*) FROM information_schema.columns WHERE column_name ~ '^embedding_(next|previous)'")
    assert not look("SELECT count(*) FROM pg_class WHERE relname ~ '_(next|previous|missing_idx)$'")
    assert verify.verify(options=options).drifts == ()


class Busy:
    """Threads that read and write a memory until told to stop; an exception in one is raised by ``stop``."""

    def __init__(self, *works: Callable[[], None]) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(works))
        self._futures = [self._pool.submit(self._repeat, work) for work in works]

    def _repeat(self, work: Callable[[], None]) -> int:
        done = 0
        while not self._stop.is_set():
            work()
            done += 1
        return done

    def stop(self) -> list[int]:
        self._stop.set()
        try:
            return [future.result(30) for future in self._futures]
        finally:
            self._pool.shutdown()


def test_ada_to_3_small_while_it_is_read_and_written(
    options: Settings, look: Callable[..., Any], provider: OpenAIServer
) -> None:
    reembed(to="text-embedding-ada-002", options=options)
    finish(options=options)
    options = options.model_copy(update={"embedding_model": "text-embedding-ada-002"})
    numbers = itertools.count()
    with Memory("a", options=options) as reading, Memory("a", options=options) as writing:
        fill(reading, 300)

        def read() -> None:
            n = next(numbers) % 300
            assert near(reading, f"note {n} about topic {n % 17}") == [n + 1]
            assert reading.search(f"note {n} about topic {n % 17}", limit=1)

        def write() -> None:
            id = writing.remember(f"written {next(numbers)}").id
            writing.archival.update(id, text=f"changed {next(numbers)}")

        for switch, model in (
            (lambda: reembed(to="text-embedding-3-small", options=options, batch=100), "text-embedding-3-small"),
            (lambda: rollback(options=options), "text-embedding-ada-002"),
        ):
            busy = Busy(read, write)
            assert switch().switched  # type: ignore[no-untyped-call]
            assert lacking(look, model) == 0
            assert all(done > 0 for done in busy.stop())
            assert lacking(look, model) == 0
        assert finish(options=options).state == "rolled back"
        assert near(reading, "note 3 about topic 3") == [4]
    assert verify.verify(options=options).drifts == ()


def test_what_it_costs_at_the_documented_volume_and_here(options: Settings, look: Callable[..., Any]) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 40)
    reembed(to="text-embedding-ada-002", options=options)
    finish(options=options)
    found = plan("text-embedding-3-small", options=options)
    assert (found.price_from, found.price_to) == (0.10, 0.02)
    month = 120 / 0.0001 * 1000  # the tokens that cost 120 dollars at 0.0001 a thousand
    assert month * found.price_to / 1e6 == pytest.approx(24)  # type: ignore[operator]
    assert found.total_rows == 40
    assert found.cost_from == pytest.approx(found.tokens * 0.10 / 1e6)
    assert found.cost_to == pytest.approx(found.cost_from * 0.2)  # type: ignore[operator]
    assert found.tokens == pytest.approx(40 * 8, rel=0.5)
    assert look("SELECT count(*) FROM embedding_switches WHERE state = 'running'") == 0
    reembed(to="text-embedding-3-small", options=options)
    # every batch is paid for and recorded as the provider counts it: 7 tokens a text
    assert look("SELECT tokens FROM embedding_switches ORDER BY id DESC LIMIT 1") == 40 * 7
    paid = "model = 'text-embedding-3-small' AND agent_id = ''"
    assert (
        look(f"SELECT (texts, tokens, cost)::text FROM embedding_usage WHERE {paid}")
        == f"(40,{40 * 7},{40 * 7 * 0.02 / 1e6:.7f})"
    )


def test_killed_again_and_again_it_goes_on(dsn: str, options: Settings, provider: OpenAIServer, look: Any) -> None:
    batch, rows, kills = 100, 900, (2, 9, 18)  # requests after which it is killed; a batch takes four
    with Memory("a", options=options) as memory:
        fill(memory, rows)
    command = [sys.executable, "-m", "memgpt", "reembed", "--to", "all-minilm", "--batch", str(batch)]
    environment = os.environ | {
        "DATABASE_URL": dsn,
        "MEMGPT_EMBEDDING_BASE_URL": provider.url,
        "MEMGPT_EMBEDDING_API_KEY": "test",
    }
    asked: Counter[str] = Counter()
    running: list[subprocess.Popen[bytes]] = []
    lock = threading.Lock()

    def kill(server: OpenAIServer, request: Request, handler: BaseHTTPRequestHandler) -> Answer | None:
        with lock:
            asked.update(request.body["input"])
            if len(running) <= len(kills) and len(server.requests) >= kills[len(running) - 1]:
                running[-1].kill()
        return by_model(server, request, handler)

    provider.script(otherwise=kill)
    for _ in kills:
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        assert running[-1].wait(120) == -signal.SIGKILL
        found = status(options=options)
        assert (found.model, found.switch and found.switch.state) == (OFFLINE, "running")
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert lacking(look, "all-minilm") == 0
    assert len(asked) == rows
    assert asked.total() - rows <= len(kills) * batch


def test_one_at_a_time(options: Settings, dsn: str) -> None:
    with guard(dsn, options):
        assert status(options=options).at_work
        with pytest.raises(ConflictError, match="another process"):
            reembed(to="all-minilm", options=options)
    assert not status(options=options).at_work


def test_the_process_at_work_holds_no_snapshot(options: Settings, dsn: str, look: Callable[..., Any]) -> None:
    """Building an index concurrently would wait for it, which is for the end of that very process."""
    with guard(dsn, options) as held:
        for _ in range(2):
            states = "SELECT array_agg(backend_xmin) FROM pg_stat_activity WHERE state = 'idle in transaction'"
            assert look(f"{states} AND datname = current_database()") == [None]
            held.keep()


def test_nothing_is_stored_when_the_model_fails_and_it_can_be_cancelled(
    options: Settings, look: Callable[..., Any], provider: OpenAIServer
) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 50)
        provider.script(otherwise=vectors_of(lambda count: [[float("nan")] * 384] * count))
        with pytest.raises(EmbeddingError, match=r"NaN.*rows 1 to 50 of archival_memories"):
            reembed(to="all-minilm", options=options)
        assert look("SELECT count(*) FROM archival_memories WHERE embedding_next IS NOT NULL") == 0
        with pytest.raises(ConflictError, match="a switch to all-minilm"):
            reembed(to="text-embedding-3-small", options=options)
        assert not rollback(options=options).switched
        assert status(options=options).switch.state == "cancelled"  # type: ignore[union-attr]
        assert lacking(look, OFFLINE) == 0
        assert near(memory, "note 7 about topic 7") == [8]
    with pytest.raises(InputError, match="no switch to take back"):
        rollback(options=options)
    with pytest.raises(InputError, match="nothing to finish"):
        finish(options=options)


def test_saved_queries_stop_a_switch_that_finds_less(options: Settings, tmp_path: Path, provider: OpenAIServer) -> None:
    file = tmp_path / "queries.jsonl"
    with Memory("a", options=options) as memory:
        fill(memory, 60)
        memory.remember("bees make honey in the garden")
    file.write_text(json.dumps({"agent": "a", "query": "honey from bees in a garden", "expected": [61]}) + "\n")
    with pytest.raises(EmbeddingError, match=r"recall@10 of your queries is 0\.000.*with the old one: 1\.000"):
        reembed(to="all-minilm", options=options, queries=file)
    assert status(options=options).model == OFFLINE
    report = reembed(to="all-minilm", options=options, queries=file, min_recall=0)
    assert report.verification is not None
    assert (report.verification.recall_before, report.verification.recall_after) == (1.0, 0.0)
    file.write_text('{"agent": "a"}\n')
    with pytest.raises(InputError, match=r"queries\.jsonl:1: expected must be"):
        reembed(to="all-minilm", options=options, queries=file)


def test_a_process_that_cannot_use_the_new_model_is_told(options: Settings, dsn: str) -> None:
    elsewhere = options.model_copy(update={"embedding_base_url": None, "embedding_api_key": None})
    with Memory("a", options=elsewhere) as memory:
        memory.remember("before")
        reembed(to="all-minilm", options=options)
        with pytest.raises(ModelMismatchError, match=r"was switched from .* to 'all-minilm', which cannot"):
            memory.remember("after")
    never = options.model_copy(update={"embedding_model": "text-embedding-3-large"})
    with Memory("a", options=never) as memory, pytest.raises(ModelMismatchError, match="reembed --to"):
        memory.remember("after")


def test_the_doctor_finds_what_is_wrong_and_a_second_run_mends_it(
    options: Settings, dsn: str, look: Callable[..., Any]
) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 30)
    assert {finding.level for finding in doctor.examine(options=options)} == {"ok"}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE archival_memories SET embedding = NULL WHERE id <= 3")
        connection.execute("UPDATE archival_memories SET embedding_model = 'another' WHERE id IN (4, 5)")
        connection.execute("DROP INDEX conversations_agent_embedding_idx")
    messages = {finding.message: finding.action for finding in doctor.examine(options=options) if finding.level != "ok"}
    repair = f"memgpt reembed --to {OFFLINE}"
    assert messages["2 rows of archival_memories have vectors of another, not of wordllama-l2-supercat-256"] == repair
    assert messages["3 texts of archival_memories have no vector: search finds them by their words only"] == repair
    assert messages["index conversations_agent_embedding_idx is missing"].startswith("CREATE INDEX")
    assert reembed(to=OFFLINE, options=options).embedded == 5
    assert lacking(look, OFFLINE) == 0
    reembed(to="all-minilm", options=options)
    assert any("are still kept" in finding.message for finding in doctor.examine(options=options))


def test_paid_vectors_are_asked_for_once_per_agent(options: Settings, provider: OpenAIServer, look: Any) -> None:
    reembed(to="text-embedding-3-small", options=options)
    options = options.model_copy(update={"embedding_model": "text-embedding-3-small"})
    provider.requests.clear()
    for _ in range(2):
        with Memory("a", options=options) as memory:
            memory.archival.near_duplicates("a question")
    assert len(provider.requests) == 1
    of_a = "SELECT array_agg(hash) FROM embedding_cache WHERE agent_id = 'a'"
    question = look(of_a)
    with Memory("b", options=options) as memory, memory.transaction():
        memory.archival.near_duplicates("a question")
    assert len(provider.requests) == 2
    assert look("SELECT count(*) FROM embedding_cache WHERE agent_id = 'a'") == 1
    assert look("SELECT tokens FROM embedding_usage WHERE agent_id = 'a'") == 7
    with Memory("a", options=options) as memory:
        secret = memory.remember("a secret").id
        assert len(look(of_a)) == 2
        memory.forget(secret)
        assert look(of_a) == question
    assert look("SELECT count(*) FROM embedding_cache WHERE agent_id = 'b'") == 1


@pytest.mark.pooler
def test_behind_a_transaction_pooler(pooled_dsn: str, options: Settings, look: Callable[..., Any]) -> None:
    options = options.model_copy(update={"database_url": SecretStr(pooled_dsn)})
    with Memory("a", options=options) as memory:
        fill(memory, 60)
        assert reembed(to="all-minilm", options=options).switched
        assert near(memory, "note 7 about topic 7") == [8]
        assert rollback(options=options).switched
    assert lacking(look, OFFLINE) == 0
    assert finish(options=options).state == "rolled back"


def test_undoing_the_migration_makes_the_bits_generated_again(options: Settings, look: Callable[..., Any]) -> None:
    with Memory("a", options=options) as memory:
        fill(memory, 20)
    reembed(to="all-minilm", options=options)
    with pytest.raises(MigrationError, match="a change of the embedding model is under way"):
        migrate.rollback(options=options, target="4")
    finish(options=options)
    migrate.rollback(options=options, target="4")
    assert verify.verify(options=options).drifts == ()
    assert look("SELECT count(*) FROM archival_memories WHERE embedding_bits = binary_quantize(embedding)") == 20
