"""Real tables are skewed and fresh: agents of two rows beside one of half the table, just loaded, and never analysed.

A part of ``benchmarks/search.py``: a search right after a load against the same after ANALYZE; the twentieth call of a
connection against the second, for which PostgreSQL has changed to one plan for all; and the recall of vectors whose
leading dimensions say most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import fixtures, vectors
from memgpt import Memory
from memgpt.config import NO_MODEL, Settings
from memgpt.database import queries
from memgpt.database.connection import connect
from memgpt.database.embedded import EmbeddedServer

SQL = queries.beside("benchmarks.skew")
DIMENSIONS = (256, 1536)
BATCH = 5000


@dataclass(frozen=True)
class Plan:
    """How many agents of two rows there are, the others' sizes, and the rows of the agent whose recall is measured."""

    small: int
    sizes: tuple[int, ...]
    matryoshka: int
    rounds: int


TINY = Plan(200, (2, 300), 300, 2)
QUICK = Plan(5_000, (2, 1_000, 10_000), 2_000, 8)
FULL = Plan(80_000, (2, 1_000, 40_000, 200_000), 10_000, 12)


def add(server: EmbeddedServer, plan: Plan, result: fixtures.Result) -> None:
    """Add the tables of skewed and fresh memories, for both kinds of codes."""
    table = result.table(
        "A skewed table, just loaded (p50 ms)", "dimensions", "agent", "right after the load", "after ANALYZE",
        "ratio", "call 2", "call 20", "ratio",
    )  # fmt: skip
    for dimensions in DIMENSIONS:
        dsn = fixtures.database(server, f"skewed_{dimensions}", model=NO_MODEL, dimensions=dimensions)
        asked = vectors.Source(99, dimensions).take(20)
        _load(dsn, plan, dimensions)
        searches = {str(size): _search(dsn, size, asked) for size in plan.sizes}
        fresh = fixtures.in_turns(searches, 2 * plan.rounds, warm_up=6)
        with connect(dsn, autocommit=True) as connection:
            connection.execute(SQL.analyze)
        analysed = fixtures.in_turns(searches, 2 * plan.rounds, warm_up=6)
        for size in plan.sizes:
            name = f"{dimensions} dimensions, agent of {size:,}"
            second, twentieth = _calls(dsn, size, asked, plan.rounds)
            loaded = result.compare(f"{name}: right after a load to analysed", fresh[str(size)], analysed[str(size)])
            late = result.compare(f"{name}: call 20 to call 2", twentieth, second)
            middle = [fixtures.milliseconds(t)[0] for t in (fresh[str(size)], analysed[str(size)], second, twentieth)]
            table.rows.append([dimensions, f"{size:,}", *middle[:2], str(loaded), *middle[2:], str(late)])
    _matryoshka(server, plan, result)


def _load(dsn: str, plan: Plan, dimensions: int) -> None:
    """The small agents by COPY, the others by the library, which is what has to leave a table ready for searches."""
    with connect(dsn, autocommit=True) as connection:
        source = vectors.Source(1, dimensions)
        for n in range(plan.small):
            vectors.load(connection, SQL.copy_in, f"small {n}", source, 2)
    for size in plan.sizes:
        _remember(dsn, f"agent of {size}", vectors.Source(size, dimensions), size)


def _remember(dsn: str, agent: str, source: vectors.Source, rows: int) -> vectors.Matrix:
    embedded = source.take(rows)
    with Memory(agent, dsn=dsn, options=Settings(embedding_model=NO_MODEL)) as memory:
        for start in range(0, rows, BATCH):
            part = embedded[start : start + BATCH]
            memory.remember_many({"text": f"memory {n}", "embedding": v} for n, v in enumerate(part, start))
    return embedded


def _search(dsn: str, size: int, asked: vectors.Matrix) -> Callable[[int], Sequence[int]]:
    memory = Memory(f"agent of {size}", dsn=dsn, options=Settings(embedding_model=NO_MODEL))

    def search(n: int) -> Sequence[int]:
        return [hit.id for hit in memory.search(vector=asked[n % len(asked)], limit=10, kinds=["archival"])]

    return search


def _calls(dsn: str, size: int, asked: vectors.Matrix, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of the second and of the twentieth call of connections, each opened for it."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        search = _search(dsn, size, asked)
        for call in range(1, 22):
            started = time.perf_counter()
            search(call)
            if call in (2, 20):
                taken[call == 20].append(time.perf_counter() - started)
    return taken


def _matryoshka(server: EmbeddedServer, plan: Plan, result: fixtures.Result) -> None:
    table = result.table("Leading dimensions say most", "dimensions", "rows", "recall@10")
    for dimensions in DIMENSIONS:
        dsn = fixtures.database(server, f"matryoshka_{dimensions}", model=NO_MODEL, dimensions=dimensions)
        rows = _remember(dsn, f"agent of {plan.matryoshka}", vectors.Matryoshka(1, dimensions), plan.matryoshka)
        asked = vectors.Matryoshka(99, dimensions).take(20)
        with connect(dsn, autocommit=True) as connection:
            ids = [row[0] for row in connection.execute(SQL.ids, {"agent_id": f"agent of {plan.matryoshka}"})]
        search = _search(dsn, plan.matryoshka, asked)
        truth = [{ids[n] for n in vectors.nearest(rows, query)} for query in asked]
        recall = float(np.mean([len(true & set(search(n))) / len(true) for n, true in enumerate(truth)]))
        table.rows.append([dimensions, f"{plan.matryoshka:,}", f"{recall:.3f}"])
        result.numbers[f"matryoshka_recall_{dimensions}"] = recall
