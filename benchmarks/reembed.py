"""What does it take to switch a live memory to another model, with a reader, a writer and kill -9 in between?

From 384 to 1536 to 3072 dimensions, and back. The models are made up: unit vectors drawn from a generator seeded by
model and text, so that every text has exactly one right answer under each model, and a search that mixed models would
find nothing. What the model itself takes is measured apart. The work is held against a bare UPDATE in batches.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from benchmarks import fixtures
from memgpt import Memory, embeddings
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.embeddings.base import Purpose, Usage, Vectors
from memgpt.reembed import finish, reembed, rollback

AGENTS = 20
BATCH = 500
PHASES = ("idle 384", "384 to 1536", "idle 1536", "1536 to 3072", "idle 3072", "rollback", "idle again")


@dataclass(frozen=True)
class Plan:
    """``idle``: seconds between the switches. ``rounds``: of what is measured without readers and writers."""

    rows: int
    kills: int
    idle: float
    rounds: int


TINY = Plan(400, 0, 0.5, 1)
QUICK = Plan(5_000, 4, 4, 2)
FULL = Plan(50_000, 20, 15, 3)


class Seeded:
    """A model called ``bench-DIMENSIONS``; notes what it embeds in a file, and how long that took."""

    max_tokens = 8192
    price_per_million_tokens: float | None = 0.0

    def __init__(self, name: str, log: Path | None = None) -> None:
        self.name = name
        self.dimensions = int(name.rpartition("-")[2])
        self.usage = Usage(0.0)
        self.seconds = 0.0
        self._log = log

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:  # noqa: ARG002
        started = time.perf_counter()
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for n, text in enumerate(texts):
            seed = int.from_bytes(hashlib.blake2b(f"{self.name} {text}".encode(), digest_size=8).digest())
            vectors[n] = np.random.default_rng(seed).standard_normal(self.dimensions, dtype=np.float32)
        if self._log:
            with self._log.open("a", encoding="utf-8") as file:
                file.write("".join(f"{text}\n" for text in texts))
        self.seconds += time.perf_counter() - started
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 for text in texts]


def by_name(name: str = "", **_: Any) -> Any:
    return Seeded(name)


def only_made_up_models() -> None:
    """In every process of this benchmark."""
    embeddings.load = by_name


def options(dsn: str, model: str = "bench-384") -> Settings:
    return Settings(database_url=SecretStr(dsn), embedding_model=model)  # type: ignore[call-arg]


def note(agent: int, n: int) -> str:
    words = random.Random(agent * 1_000_000 + n).choices(
        ["bees", "honey", "garden", "letter", "train", "music", "winter", "tax"], k=12
    )
    return f"note {n} of agent {agent}: {' '.join(words)}"


def fill(dsn: str, rows: int) -> None:
    """Agents of different sizes: the first has a fifth of all rows."""
    for agent in range(AGENTS):
        with Memory(f"agent-{agent}", options=options(dsn)) as memory:
            share = rows // 5 if agent == 0 else (rows - rows // 5) // (AGENTS - 1)
            memory.remember_many({"text": note(agent, n)} for n in range(share))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def reader(dsn: str, sizes: dict[int, int], stop: Any, phase: Any, answers: Any) -> None:
    """Searches for texts it knows; the only right answer is the text's own row, by whichever model is live."""
    only_made_up_models()
    failed, wrong, latencies = [], 0, []
    memories = {agent: Memory(f"agent-{agent}", options=options(dsn)) for agent in sizes}
    choose = random.Random(1)
    while not stop.is_set():
        agent = choose.choice(list(sizes))
        n = choose.randrange(sizes[agent])
        started = time.perf_counter()
        try:
            found = memories[agent].archival.near_duplicates(note(agent, n), threshold=0.99)
            wrong += len(found) != 1
        except Exception as error:  # noqa: BLE001 - counted, whatever it is
            failed.append(f"{type(error).__name__}: {error}"[:300])
        latencies.append((phase.value, time.perf_counter() - started))
        time.sleep(0.005)
    answers.put(("reader", {"failed": failed[:5], "failures": len(failed), "wrong": wrong}, latencies))


def writer(dsn: str, stop: Any, answers: Any) -> None:
    """Adds and changes memories of one agent."""
    only_made_up_models()
    failed, written, waits = [], 0, []
    memory = Memory("agent-writer", options=options(dsn))
    ids = []
    while not stop.is_set():
        started = time.perf_counter()
        try:
            ids.append(memory.remember(f"written {written} at {time.time()}").id)
            if written % 5 == 0:
                memory.archival.update(ids[written // 2], text=f"changed {written} at {time.time()}")
        except Exception as error:  # noqa: BLE001 - counted, whatever it is
            failed.append(f"{type(error).__name__}: {error}"[:300])
        waits.append(time.perf_counter() - started)
        written += 1
        time.sleep(0.02)
    answers.put(
        ("writer", {"failed": failed[:5], "failures": len(failed), "written": written, "longest": max(waits)}, [])
    )


def lacking(dsn: str, model: str) -> int:
    query = (
        "SELECT count(*) FROM archival_memories WHERE embedding IS NULL OR embedding_code IS NULL "
        "OR embedding_model IS DISTINCT FROM %s OR vector_dims(embedding) <> %s"
    )
    with psycopg.connect(dsn) as connection:
        return int(connection.execute(query, (model, int(model.rpartition("-")[2]))).fetchone()[0])  # type: ignore[index]


def killed(dsn: str, to: str, kills: int, log: Path, expected_seconds: float) -> dict[str, Any]:
    """Run the switch in a process that is killed at random points until it is done."""
    choose = random.Random(7)
    done, started = 0, time.perf_counter()
    while True:
        command = [sys.executable, "-m", "benchmarks.reembed", "--runner", to, "--dsn", dsn, "--log", str(log)]
        process = subprocess.Popen(command)
        try:
            wait = 1.2 + choose.uniform(0, 2 * expected_seconds / max(kills, 1))
            code = process.wait(wait if done < kills else None)
            if code:
                raise SystemExit(f"the re-embedder ended with status {code}")
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
    counts = Counter(log.read_text(encoding="utf-8").splitlines())
    repeated = sum(count - 1 for count in counts.values())
    return {"kills": done, "seconds": time.perf_counter() - started, "texts_embedded_again": repeated}


def raw_update(dsn: str, model: str) -> tuple[int, float]:
    """Rows, and seconds of a bare UPDATE in batches that writes what a search needs: the vectors and their bits."""
    seeded, seconds = Seeded(model), 0.0
    with psycopg.connect(dsn, autocommit=True) as connection:
        register_vector(connection)
        rows = connection.execute("SELECT agent_id, id, text FROM archival_memories ORDER BY agent_id, id").fetchall()
        columns = f"ADD COLUMN raw vector({seeded.dimensions}), ADD COLUMN raw_bits bit({seeded.dimensions})"
        connection.execute(f"ALTER TABLE archival_memories {columns}")
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            vectors = [Vector(vector) for vector in seeded.embed([row[2] for row in part])]
            given = ([row[0] for row in part], [row[1] for row in part], vectors)
            started = time.perf_counter()
            with connection.transaction():
                connection.execute("SET LOCAL synchronous_commit = off")
                connection.execute(
                    "UPDATE archival_memories m SET raw = n.v, raw_bits = binary_quantize(n.v) "
                    "FROM unnest(%b::text[], %b::bigint[], %b::vector[]) AS n (agent_id, id, v) "
                    "WHERE m.agent_id = n.agent_id AND m.id = n.id",
                    given,
                )
            seconds += time.perf_counter() - started
    return len(rows), seconds


def overhead(create: Any, template: str, model: str) -> dict[str, Any]:
    """The engine against a bare UPDATE in batches of the same size, before and after it, without the model's time."""
    rows, before = raw_update(create(template), model)
    phases: dict[str, float] = {}
    last = [time.perf_counter(), "starting"]

    def on_progress(progress: Any) -> None:
        now = time.perf_counter()
        phases[str(last[1])] = phases.get(str(last[1]), 0.0) + now - float(last[0])
        last[:] = [now, progress.phase]

    model_again = Seeded(model)
    started = time.perf_counter()
    reembed(model_again, options=options(create(template)), batch=BATCH, on_progress=on_progress)
    total = time.perf_counter() - started
    _, after = raw_update(create(template), model)
    return {
        "rows": rows,
        "raw_before": before,
        "raw_after": after,
        "engine": phases.get("embedding", 0.0) - model_again.seconds,
        "model": model_again.seconds,
        "total": total,
        "phases": {name: round(seconds, 2) for name, seconds in phases.items()},
    }


@contextmanager
def databases(admin: str) -> Iterator[Any]:
    names: list[str] = []

    def create(template: str = "template0") -> str:
        name = f"memgpt_bench_{os.getpid()}_{len(names)}"
        with psycopg.connect(admin, autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        names.append(name)
        return make_conninfo(admin, dbname=name)

    try:
        yield create
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            for name in names:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def percentile(latencies: Sequence[tuple[int, float]], phase: int) -> dict[str, float]:
    values = [1000 * seconds for which, seconds in latencies if which == phase]
    if len(values) < 20:
        return {}
    cuts = statistics.quantiles(values, n=100)
    return {"searches": len(values), "p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98], "max_ms": max(values)}


def live(dsn: str, plan: Plan, folder: Path) -> dict[str, Any]:
    """The switches, while a reader and a writer are running."""
    rows = plan.rows
    sizes = {agent: rows // 5 if agent == 0 else (rows - rows // 5) // (AGENTS - 1) for agent in range(4)}
    stop, phase, answers = multiprocessing.Event(), multiprocessing.Value("i", 0), multiprocessing.Queue()
    others = [
        multiprocessing.Process(target=reader, args=(dsn, sizes, stop, phase, answers)),
        multiprocessing.Process(target=writer, args=(dsn, stop, answers)),
    ]
    for other in others:
        other.start()
    result: dict[str, Any] = {}
    time.sleep(plan.idle)
    phase.value = 1
    started = time.perf_counter()
    result["384 to 1536"] = killed(dsn, "bench-1536", 0, folder / "1536.log", 0)
    result["384 to 1536"]["rows_without"] = lacking(dsn, "bench-1536")
    phase.value = 2
    time.sleep(plan.idle)
    finish(options=options(dsn))
    phase.value = 3
    took = time.perf_counter() - started
    result["1536 to 3072, killed"] = killed(dsn, "bench-3072", plan.kills, folder / "3072.log", took)
    result["1536 to 3072, killed"]["rows_without"] = lacking(dsn, "bench-3072")
    phase.value = 4
    time.sleep(plan.idle)
    phase.value = 5
    started = time.perf_counter()
    back = rollback(options=options(dsn))
    result["rollback"] = {
        "seconds": time.perf_counter() - started,
        "embedded": back.embedded,
        "rows_without": lacking(dsn, "bench-1536"),
    }
    phase.value = 6
    time.sleep(plan.idle / 3)
    stop.set()
    for _ in others:
        who, found, latencies = answers.get(timeout=60)
        result[who] = found
        if latencies:
            result["searches"] = {name: percentile(latencies, n) for n, name in enumerate(PHASES)}
    for other in others:
        other.join()
    return result


def run(admin: str, plan: Plan, folder: Path) -> dict[str, Any]:
    with databases(admin) as create:
        source = create()
        migrate.apply(source, model=migrate.ModelSpec("bench-384", 384))
        fill(source, plan.rows)
        template = psycopg.conninfo.conninfo_to_dict(source)["dbname"]
        costs = [overhead(create, template, "bench-1536") for _ in range(plan.rounds)]
        return {"overhead": costs} | live(create(template), plan, folder)


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--runner", help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    only_made_up_models()
    if given.runner:
        reembed(Seeded(given.runner, given.log), options=options(given.dsn), batch=BATCH)
        return
    plan = TINY if given.tiny else FULL if given.full else QUICK
    with fixtures.own_server() as server, tempfile.TemporaryDirectory() as folder:
        found = run(server.dsn_for("postgres"), plan, Path(folder))
    result = fixtures.Result("reembed", f"What does switching a live memory of {plan.rows:,} rows take?")
    report(found, result)
    result.publish(keep=not given.tiny)


def report(found: dict[str, Any], result: fixtures.Result) -> None:
    costs = found["overhead"]
    raw = [seconds for cost in costs for seconds in (cost["raw_before"], cost["raw_after"])]
    engine = [cost["engine"] for cost in costs for _ in range(2)]
    work = result.compare("the switch without the model against a bare UPDATE", engine, raw)
    table = result.table("Seconds, without a reader or writer", "part", "median")
    parts = {"bare UPDATE in batches": "raw_before", "the switch, without the model's time": "engine"}
    parts |= {"the switch as a whole: indexes, vacuum, verification": "total", "of it the model": "model"}
    table.rows += [[name, f"{statistics.median(cost[key] for cost in costs):.2f}"] for name, key in parts.items()]
    switches = result.table("Live", "switch", "kills -9", "seconds", "rows left without the new vectors", "texts again")
    for name in ("384 to 1536", "1536 to 3072, killed"):
        one = found[name]
        again = one["texts_embedded_again"]
        switches.rows.append([name, one["kills"], f"{one['seconds']:.1f}", one["rows_without"], again])
    back = found["rollback"]
    switches.rows.append(["rollback", 0, f"{back['seconds']:.1f}", back["rows_without"], back["embedded"]])
    searches = result.table("Searches of the reader (ms)", "while", "searches", "p50", "p95")
    for name, p in found["searches"].items():
        if p:
            searches.rows.append([name, p["searches"], f"{p['p50_ms']:.2f}", f"{p['p95_ms']:.2f}"])
    reader, writer, kills = found["reader"], found["writer"], found["1536 to 3072, killed"]
    result.numbers |= found
    result.ratios += [
        f"the switch takes {work} times a bare UPDATE of the same rows",
        f"the reader had {reader['failures']} failures and {reader['wrong']} wrong answers",
        f"the writer had {writer['failures']} failures in {writer['written']:,} writes",
        f"the longest of which took {writer['longest']:.1f} s",
        f"{kills['kills']} kills left {kills['rows_without']} rows behind",
    ]


if __name__ == "__main__":
    main()
