"""Recall against latency of one agent's search: from 100% of the table to a trace of it, from 1 tenant to 100,000.

Part of ``bench-search``. Vectors of 256 dimensions, as the offline model makes them, so that HNSW can be built within
the run. Contenders: the specification's IVFFlat, HNSW with iterative scans, our statement; NumPy and the bandwidth of
the memory are the limits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psycopg
from pgvector import Vector

from benchmarks import fixtures, vectors
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.search.paging import candidates
from memgpt.search.store import compose

SQL = queries.beside("benchmarks.curves")
DIMENSIONS = 256
ENOUGH = 0.95
OURS = compose("nearest", ("archival",), False, code="halfvec")
Search = Callable[[int], Sequence[int]]
SHARES = (0.1, 0.25, 0.5, 1.0)
PROBES = (1, 3, 10, 30, 100)
SCANS = ((40, 20_000), (100, 20_000), (400, 20_000), (400, 1_000_000))
"""``hnsw.ef_search`` and ``hnsw.max_scan_tuples`` of an iterative scan."""


@dataclass(frozen=True)
class Plan:
    """The agents measured, the rows of the whole table, and how many tenants there are in turn, of some rows each."""

    sizes: tuple[int, ...]
    rows: int
    tenants: tuple[int, ...]
    tenant_rows: int
    queries: int
    rounds: int


TINY = Plan((50, 200), 600, (1, 20), 2, 3, 1)
QUICK = Plan((100, 1_000, 10_000), 25_000, (1, 10, 100, 1_000, 10_000), 2, 20, 1)
FULL = Plan((100, 1_000, 10_000, 100_000), 1_000_000, (1, 10, 100, 1_000, 10_000, 100_000), 5, 20, 3)


@dataclass(frozen=True)
class Point:
    """One way to search, at one setting."""

    way: str
    setting: str
    recall: float
    seconds: float


@dataclass
class World:
    """A table, copies of it with the rivals' indexes, and what is known of the agents that are measured."""

    connection: Connection
    plan: Plan
    asked: vectors.Matrix
    rows: dict[str, vectors.Matrix] = field(default_factory=dict)
    ids: dict[str, list[int]] = field(default_factory=dict)
    built: dict[str, float] = field(default_factory=dict)

    def load(self, agent: str, rows: int) -> None:
        source = vectors.Source(1000 + len(self.rows), DIMENSIONS)
        self.rows[agent] = vectors.load(self.connection, SQL.copy_in, agent, source, rows)
        self.ids[agent] = [row[0] for row in self.connection.execute(SQL.ids, {"agent_id": agent})]

    def index(self) -> None:
        """The rivals' tables anew, from what is there now."""
        for statement in (*SQL.drop_rivals.split(b";"), *SQL.rivals.split(b";"), *SQL.memory.split(b";")):
            self.connection.execute(statement)
        for name in ("ivfflat", "hnsw"):
            self.connection.execute(getattr(SQL, f"fill_{name}"))
            self.connection.execute(getattr(SQL, f"agent_of_{name}"))
            started = time.perf_counter()
            try:
                self.connection.execute(getattr(SQL, f"index_{name}"))
            except psycopg.errors.DiskFull:  # of shared memory
                self.connection.execute(SQL.alone)
                self.connection.execute(getattr(SQL, f"index_{name}"))
            self.built[name] = time.perf_counter() - started
        self.connection.execute("VACUUM ANALYZE")

    def total(self) -> int:
        found = self.connection.execute(SQL.count).fetchone()
        return int(found[0]) if found else 0

    @contextmanager
    def ways(self, agent: str) -> Iterator[list[tuple[str, str, Search]]]:
        """Every way to search an agent at every setting. Each call sets what it needs: it is not timed."""
        info = self.connection.info.dsn
        with connect(info, autocommit=True) as rival, connect(info, autocommit=True) as own:
            for statement in SQL.use_the_index.split(b";"):
                rival.execute(statement)
            own.prepare_threshold = rival.prepare_threshold = 2
            usual = candidates(len(self.ids[agent]), DIMENSIONS, 10)
            found: list[tuple[str, str, Search]] = []
            for share in SHARES:
                looked_at = max(10, int(usual * share))
                found.append(("memgpt", f"{looked_at:,} candidates", self._own(own, agent, looked_at)))
            for probes in PROBES:
                search = self._rival(rival, "ivfflat", agent, f"SET ivfflat.probes = {probes}")
                found.append(("IVFFlat", f"{probes} probes", search))
            for ef, most in SCANS:
                how = f"SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = {ef}; "
                search = self._rival(rival, "hnsw", agent, f"{how}SET hnsw.max_scan_tuples = {most}")
                found.append(("HNSW", f"ef {ef}, {most:,} tuples", search))
            yield found

    def _own(self, connection: Connection, agent: str, looked_at: int) -> Search:
        def search(n: int) -> Sequence[int]:
            given = {
                "agent_id": agent,
                "embedding": Vector(self.asked[n]),
                "limit": 10,
                "archival_rows": 0,
                "archival_last": 2**62,  # no row comes after it: none has to be counted
                "archival_candidates": looked_at,
            }
            return [row[1] for row in connection.execute(OURS, given, binary=True).fetchall()]

        return search

    def _rival(self, connection: Connection, name: str, agent: str, settings: str) -> Search:
        statement = getattr(SQL, f"search_{name}")

        def search(n: int) -> Sequence[int]:
            if n == 0:
                for setting in settings.split("; "):
                    connection.execute(setting.encode())
            given = {"agent_id": agent, "embedding": Vector(self.asked[n])}
            return [row[0] for row in connection.execute(statement, given, binary=True).fetchall()]

        return search

    def measure(self, agent: str) -> list[Point]:
        """All questions one after another, setting by setting, some rounds of that; medians of all."""
        truth = [{self.ids[agent][k] for k in vectors.nearest(self.rows[agent], query)} for query in self.asked]
        with self.ways(agent) as ways:
            taken: list[list[float]] = [[] for _ in ways]
            recall = [0.0] * len(ways)
            for number in range(self.plan.rounds + 1):
                for place, (_, _, search) in enumerate(ways):
                    hits = []
                    for n in range(len(self.asked)):
                        started = time.perf_counter()
                        hits.append(search(n))
                        if number and n:  # the first question brings its settings, the first round warms up
                            taken[place].append(time.perf_counter() - started)
                    shares = [len(true & set(found)) / len(true) for true, found in zip(truth, hits, strict=True)]
                    recall[place] = float(np.mean(shares))
            return [
                Point(way, setting, recall[n], float(np.median(taken[n]))) for n, (way, setting, _) in enumerate(ways)
            ]

    def exact(self, agent: str) -> float:
        """Seconds of NumPy."""
        taken = []
        for query in self.asked:
            started = time.perf_counter()
            vectors.nearest(self.rows[agent], query)
            taken.append(time.perf_counter() - started)
        return float(np.median(taken))


def best(points: Sequence[Point], way: str) -> Point | None:
    """Ours as it is set by itself, a rival at its fastest setting; none where that does not find enough."""
    own = [point for point in points if point.way == way]
    enough = [point for point in (own[-1:] if way == "memgpt" else own) if point.recall >= ENOUGH]
    return min(enough, key=lambda point: point.seconds) if enough else None


def bandwidth() -> float:
    """Bytes a second that one core reads from memory."""
    block = np.ones(64 * 2**20, np.float32)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        block.sum()
        taken.append(time.perf_counter() - started)
    return block.nbytes / min(taken)


def add(server: fixtures.EmbeddedServer, plan: Plan, result: fixtures.Result) -> None:
    """The curves, to the result of the benchmark of search."""
    dsn = fixtures.database(server, "curves", model="none", dimensions=DIMENSIONS)
    with connect(dsn, autocommit=True) as connection:
        world = World(connection, plan, vectors.Source(99, DIMENSIONS).take(plan.queries))
        _selectivity(world, result)
    dsn = fixtures.database(server, "tenants", model="none", dimensions=DIMENSIONS)
    with connect(dsn, autocommit=True) as connection:
        world = World(connection, plan, vectors.Source(99, DIMENSIONS).take(plan.queries))
        _tenants(world, result)


def _selectivity(world: World, result: fixtures.Result) -> None:
    """First the largest agent alone, then every agent within the whole table."""
    plan, speed = world.plan, bandwidth()
    names = {size: f"agent of {size:,}" for size in plan.sizes}
    table = result.table(
        f"Recall against latency, {DIMENSIONS} dimensions",
        "agent",
        "share of the table",
        "search",
        "recall@10",
        "p50 ms",
    )
    limits = result.table(
        f"memgpt as it is, the rivals at their fastest setting with recall {ENOUGH} (ms, p50)",
        *("agent", "share of the table", "memgpt", "IVFFlat", "HNSW, iterative scan", "NumPy", "memory's bandwidth"),
    )
    largest = plan.sizes[-1]
    world.load(names[largest], largest)
    world.index()
    _curve(world, names[largest], largest, speed, table, limits, result)
    for size in plan.sizes[:-1]:
        world.load(names[size], size)
    others = plan.rows - sum(plan.sizes)
    for n, rows in enumerate(vectors.zipf(others, 1000 if others > 1000 else 10)):
        vectors.load(world.connection, SQL.copy_in, f"other {n}", vectors.Source(n, DIMENSIONS), rows)
    world.index()
    lines: dict[str, list[float | None]] = {name: [] for name in ("memgpt", "IVFFlat", "HNSW", "NumPy")}
    for size in plan.sizes:
        for name, seconds in _curve(world, names[size], size, speed, table, limits, result).items():
            lines[name].append(None if seconds is None else 1e3 * seconds)
    title = f"memgpt as it is, rivals at their fastest with recall {ENOUGH}, in a table of {world.total():,} rows (ms)"
    result.charts.append(fixtures.Chart(title, list(plan.sizes), lines, "rows of the agent", "ms (p50)", "xy"))
    build = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in world.built.items())
    result.remarks.append(
        f"Building the rivals' indexes over {world.total():,} rows took: {build}. A dash: nothing tried found enough. "
        f"One core reads {speed / 1e9:.1f} GB/s from memory here; no exact search over floats can be faster than that."
    )


def _curve(
    world: World,
    agent: str,
    size: int,
    speed: float,
    table: fixtures.Table,
    limits: fixtures.Table,
    result: fixtures.Result,
) -> dict[str, float | None]:
    points, share = world.measure(agent), f"{size / world.total():.2%}"
    table.rows += [
        [f"{size:,}", share, f"{p.way}, {p.setting}", f"{p.recall:.3f}", f"{1e3 * p.seconds:.2f}"] for p in points
    ]
    found = {way: best(points, way) for way in ("memgpt", "IVFFlat", "HNSW")}
    exact, floor = world.exact(agent), size * DIMENSIONS * 4 / speed
    cells = [f"{1e3 * one.seconds:.2f}" if one else "-" for one in found.values()]
    limits.rows.append([f"{size:,}", share, *cells, f"{1e3 * exact:.2f}", f"{1e3 * floor:.3f}"])
    curves = {
        way: sorted((1e3 * p.seconds, p.recall) for p in points if p.way == way)
        for way in ("memgpt", "IVFFlat", "HNSW")
    }
    title = f"Recall@10 against latency: an agent of {size:,}, {share} of the table"
    result.charts.append(fixtures.Chart(title, [], {}, "ms (p50)", "recall@10", "x", curves))
    own = found["memgpt"]
    said = [f"{way} takes {one.seconds / own.seconds:.1f} times as long" if one else f"{way} does not reach it"
            for way, one in found.items() if way != "memgpt" and own]  # fmt: skip
    if own:
        result.ratios.append(f"at recall {ENOUGH}, an agent of {size:,} ({share} of the table): {', '.join(said)}")
    return {way: one.seconds if one else None for way, one in found.items()} | {"NumPy": exact}


def _tenants(world: World, result: fixtures.Result) -> None:
    """One agent of a thousand rows, while more and more small tenants share its table."""
    plan, agent, size = world.plan, "measured", min(1000, world.plan.rows // 4)
    table = result.table(
        f"An agent of {size:,} rows among tenants of {plan.tenant_rows}; rivals fastest with recall {ENOUGH}",
        *("tenants", "rows in all", "memgpt: p50 ms", "IVFFlat", "HNSW, iterative scan"),
    )
    world.load(agent, size)
    vectors.load(world.connection, SQL.copy_in, "pool", vectors.Source(5, DIMENSIONS), 1000)
    lines: dict[str, list[float | None]] = {"memgpt": [], "IVFFlat": [], "HNSW": []}
    there = 1
    for tenants in plan.tenants:
        if tenants > there:
            given = {"first": there + 1, "last": tenants, "rows": plan.tenant_rows}
            world.connection.execute(SQL.many_tenants, given)
            there = tenants
        world.index()
        points = world.measure(agent)
        found = {way: best(points, way) for way in lines}
        for way, one in found.items():
            lines[way].append(1e3 * one.seconds if one else None)
        cells = [f"{1e3 * one.seconds:.2f}" if one else "-" for one in found.values()]
        table.rows.append([f"{tenants:,}", f"{world.total():,}", *cells])
    title = f"An agent of {size:,} rows while tenants join (ms)"
    result.charts.append(fixtures.Chart(title, list(plan.tenants), lines, "tenants", "ms (p50)", "xy"))
    first, last = (n for n in (lines["memgpt"][0], lines["memgpt"][-1]))
    if first and last:
        grown = f"the same search takes {last / first:.2f} times as long"
        result.ratios.append(f"from {plan.tenants[0]} to {plan.tenants[-1]:,} tenants, {grown}")
