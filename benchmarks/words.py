"""Hybrid search of one agent of 1,000 texts while others store the same words: does it matter how many they are?

Part of ``bench-search``: a database for each number of rows, searched in turns. Others are of Zipf sizes and write
about the same things, so that every word asked for is in their texts too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import fixtures, texts, vectors
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL
from memgpt.database import queries
from memgpt.database.connection import connect
from memgpt.database.embedded import EmbeddedServer

SQL = queries.beside("benchmarks.words")
AGENT, DIMENSIONS, LINE = "the same agent", 256, 1.2


@dataclass(frozen=True)
class Plan:
    own: int
    """Texts of the agent that is measured."""
    totals: tuple[int, ...]
    """Rows of the whole table."""
    agents: int
    rounds: int
    seconds: float


TINY = Plan(100, (130, 400, 800), 5, 3, 0)
QUICK = Plan(1_000, (1_300, 62_000, 243_000), 2_000, 30, 10)
FULL = Plan(1_000, (1_300, 62_000, 243_000), 2_000, 60, 40)


def add(server: EmbeddedServer, plan: Plan, result: fixtures.Result) -> None:
    """The table of the ratios, its line, and the numbers that are kept."""
    memories = {total: _filled(server, plan, total) for total in plan.totals}
    questions = [texts.part_of(text) for text in texts.take(plan.own, seed=1)[:: max(1, plan.own // 40)]]

    def search(memory: Memory) -> Callable[[int], object]:
        return lambda n: memory.search(questions[n % len(questions)], limit=10)

    contenders = {str(total): search(memory) for total, memory in memories.items()}
    taken = fixtures.in_turns(contenders, plan.rounds, warm_up=12, seconds=plan.seconds)
    for memory in memories.values():
        memory.close()
    smallest = plan.totals[0]
    title = f"Hybrid search of the same agent of {plan.own:,} texts (ms)"
    table = result.table(title, "rows in all", "p50", "p95", f"times the search in {smallest:,} rows")
    for total in plan.totals:
        times = result.compare(f"hybrid in {total:,} rows to {smallest:,}", taken[str(total)], taken[str(smallest)])
        table.rows.append([f"{total:,}", *fixtures.milliseconds(taken[str(total)]), str(times)])
        if total != smallest:
            result.numbers[f"hybrid_flatness_{total}"] = times.value
            result.ratios.append(
                f"hybrid search of the same {plan.own:,} texts in {total:,} rows takes {times} times that in "
                f"{smallest:,} (line: {LINE})"
            )


def _filled(server: EmbeddedServer, plan: Plan, total: int) -> Memory:
    """A memory of the agent's texts, in a table of so many rows."""
    dsn = fixtures.database(server, f"words_{total}", model=OFFLINE_MODEL, dimensions=DIMENSIONS)
    memory = Memory(AGENT, dsn=dsn)
    own = texts.take(plan.own, seed=1)
    for start in range(0, plan.own, 500):
        memory.remember_many([{"text": text} for text in own[start : start + 500]])
    others = texts.take(total - plan.own, seed=2)
    embedded = vectors.Source(2, DIMENSIONS).take(len(others))
    with connect(dsn, autocommit=True) as connection:
        done = 0
        for n, size in enumerate([*vectors.zipf(len(others), plan.agents), len(others)]):
            end = min(done + size, len(others))
            vectors.copy(connection, SQL.copy_in, f"other {n}", others[done:end], embedded[done:end])
            done = end
        connection.execute(SQL.tidy)
    return memory
