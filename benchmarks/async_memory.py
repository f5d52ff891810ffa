"""Many concurrent searches beside a fast event loop: in threads (``AsyncMemory``), or in an asynchronous colour?

The asynchronous colour is what generated code would do: the statement of the same search on psycopg's asynchronous
pool, and then the ranking, Python and NumPy, on the event loop. A heartbeat wants to run every two milliseconds; by
what it is late everything else in the application waits.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from unittest import mock

import numpy as np
import psutil
import psycopg
from pgvector.psycopg import register_vector_async
from psycopg_pool import AsyncConnectionPool

from benchmarks import fixtures, texts
from memgpt import AsyncMemory, Memory
from memgpt.config import OFFLINE_MODEL, settings
from memgpt.database import queries
from memgpt.memory import scope_of
from memgpt.search import fusion
from memgpt.search import store as search_store

BEAT = 0.002
POOL = 10
Search = Callable[[str], Awaitable[object]]


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    rows, searches, rounds = (200, 20, 1) if options.tiny else (5_000, 200, 10 if options.full else 3)
    result = fixtures.Result("async_memory", "Concurrent searches beside a fast event loop")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "searched", model=OFFLINE_MODEL, dimensions=256)
        configured = settings().model_copy(update={"pool_size": POOL})
        with Memory("ann", dsn=dsn, options=configured) as memory:
            written = texts.take(rows, seed=1)
            memory.remember_many([{"text": text} for text in written])
            asked = [" ".join(text.split()[:6]) for text in random.Random(1).sample(written, searches)]
            measured = asyncio.run(compare(memory, dsn, configured, asked, rounds))
    report(measured, result, searches)
    result.publish(keep=not options.tiny)


async def compare(
    memory: Memory, dsn: str, configured: Any, asked: list[str], rounds: int
) -> Mapping[str, list[dict[str, float]]]:
    """Measure both in turns."""
    measured: dict[str, list[dict[str, float]]] = {"threads": [], "asynchronous": []}
    replayed = prepared(memory, asked)
    pool = AsyncConnectionPool(
        dsn, min_size=POOL, max_size=POOL, open=False, kwargs={"autocommit": True}, configure=register_vector_async
    )
    async with AsyncMemory("ann", dsn=dsn, options=configured) as in_threads, pool:

        async def asynchronous(query: str) -> object:
            return await replay(pool, memory, query, *replayed[query])

        ways: dict[str, Search] = {"threads": in_threads.search, "asynchronous": asynchronous}
        for number in range(-1, rounds):
            for name, search in ways.items():
                figures = await beside_a_heartbeat(search, asked)
                if number >= 0:
                    measured[name].append(figures)
    return measured


def prepared(memory: Memory, asked: list[str]) -> dict[str, tuple[bytes, dict[str, Any]]]:
    """The statement and the parameters of each search, taken down on their way."""
    taken: dict[str, tuple[bytes, dict[str, Any]]] = {}
    real = search_store.execute_long
    for query in asked:

        def take(connection: Any, statement: bytes, parameters: dict[str, Any], query: str = query) -> Any:
            taken[query] = statement, parameters
            return real(connection, statement, parameters)

        with mock.patch.object(search_store, "execute_long", take):
            memory.search(query)
    return taken


async def replay(pool: Any, memory: Memory, query: str, statement: bytes, parameters: dict[str, Any]) -> object:
    """One search in an asynchronous colour: embed, one statement, rank."""
    scope = scope_of(memory)
    scope.repeat_on_switch(lambda: scope.embed([query], purpose="query"))
    numbered = queries.numbered(statement)
    async with pool.connection() as connection:
        cursor = psycopg.AsyncRawCursor(connection)
        await cursor.execute(numbered, [parameters[name] for name in numbered.names], binary=True)
        rows = await cursor.fetchall()
    answer = search_store._answer(search_store.Found, rows)
    matcher = _matcher()
    return fusion.order(query, answer.found, 20, fusion.Blend(), False, matcher)[:10]


_kept: list[Any] = []


def _matcher() -> Any:
    if not _kept:
        _kept.append(fusion.new_matcher())
    return _kept[0]


async def beside_a_heartbeat(search: Search, asked: list[str]) -> dict[str, float]:
    """All searches at once: seconds, how late the heartbeat was, and the memory of the process."""
    late: list[float] = []
    stop = threading.Event()

    async def heartbeat() -> None:
        while not stop.is_set():
            due = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            late.append(time.perf_counter() - due)

    beating = asyncio.create_task(heartbeat())
    started = time.perf_counter()
    await asyncio.gather(*(search(query) for query in asked))
    seconds = time.perf_counter() - started
    stop.set()
    await beating
    return {
        "seconds": seconds,
        "late_p50": float(np.median(late)),
        "late_p99": float(np.quantile(late, 0.99)),
        "late_most": max(late),
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
    }


def report(measured: Mapping[str, list[dict[str, float]]], result: fixtures.Result, searches: int) -> None:
    """Write the table, and the ratios within the run."""
    table = result.table(
        f"{searches} searches at once, {POOL} connections",
        *("way", "searches a second", "late, median (ms)", "late, 99% (ms)", "late, most (ms)", "RSS (MB)"),
    )
    middle = {
        way: {name: float(np.median([each[name] for each in rounds])) for name in rounds[0]}
        for way, rounds in measured.items()
    }
    for way, figures in middle.items():
        lateness = [f"{1e3 * figures[name]:.1f}" for name in ("late_p50", "late_p99", "late_most")]
        table.rows.append([way, f"{searches / figures['seconds']:.0f}", *lateness, f"{figures['rss_mb']:.0f}"])
    threads, asynchronous = middle["threads"], middle["asynchronous"]
    result.numbers |= {"measured": dict(measured)}
    result.ratios.append(
        f"an asynchronous colour makes the loop {asynchronous['late_most'] / threads['late_most']:.1f} times as late "
        f"at most as threads, and takes {asynchronous['seconds'] / threads['seconds']:.2f} times as long"
    )


if __name__ == "__main__":
    main()
