"""Does search by vector find the true nearest rows of one agent, how fast, and does it matter what others store?

Against the specification's design (IVFFlat, lists = 100, with as many probes as the same recall needs), an exact scan
by the database, one by NumPy, and our own statement on a bare driver; then the curves (``benchmarks/curves.py``), with
HNSW and its iterative scans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pgvector import Vector

from benchmarks import curves, fixtures, skew, vectors, words
from memgpt import Memory
from memgpt.config import NO_MODEL, Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.search.paging import candidates
from memgpt.search.store import compose

SQL = queries.beside("benchmarks.search")
PROBES = (1, 3, 10, 20, 30, 40, 50, 60, 80, 100)
ENOUGH = 0.99
LAST = 2**62
"""An id that no row comes after: none has to be counted."""


@dataclass(frozen=True)
class Plan:
    """How much is loaded: the agents measured, and the rows in all at each stage."""

    sizes: tuple[int, ...]
    totals: tuple[int, ...]
    agents: int
    queries: int
    rounds: int
    seconds: float


TINY = Plan((200, 1000), (2_000, 4_000), 20, 4, 4, 0)
QUICK = Plan((1_000, 10_000), (15_000, 50_000), 200, 10, 20, 12)
FULL = Plan((1_000, 10_000, 100_000), (50_000, 150_000, 300_000, 500_000), 1000, 20, 30, 40)


@dataclass
class Bench:
    """The database as it fills, and what is known about the agents that are measured."""

    connection: Connection
    plan: Plan
    dsn: str
    rows: dict[int, vectors.Matrix] = field(default_factory=dict)
    ids: dict[int, list[int]] = field(default_factory=dict)
    asked: vectors.Matrix = field(default_factory=lambda: np.zeros((0, vectors.DIMENSIONS), np.float32))
    loaded: int = 0

    def load(self, agent: str, rows: int) -> vectors.Matrix:
        self.loaded += rows
        return vectors.load(self.connection, SQL.copy_in, agent, vectors.Source(self.loaded), rows)

    def measure_agent(self, size: int) -> None:
        self.rows[size] = self.load(agent_of(size), size)
        self.ids[size] = [row[0] for row in self.connection.execute(SQL.ids, {"agent_id": agent_of(size)})]

    def fill(self, total: int, stage: int) -> None:
        """Others, of Zipf sizes, until the table has so many rows."""
        missing = total - self.loaded
        for n, size in enumerate(vectors.zipf(missing, self.plan.agents) if missing > 0 else ()):
            self.load(f"other {stage}-{n}", size)
        self.connection.execute("VACUUM ANALYZE archival_memories")

    def truth(self, size: int) -> list[set[int]]:
        return [{self.ids[size][n] for n in vectors.nearest(self.rows[size], query)} for query in self.asked]

    def recall(self, size: int, search: Callable[[int], Sequence[int]]) -> float:
        return float(np.mean([len(t & set(search(n))) / len(t) for n, t in enumerate(self.truth(size))]))


def agent_of(size: int) -> str:
    return f"agent of {size}"


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    result = fixtures.Result("search", "Agent-scoped vector search: recall, latency, flatness")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "search")
        with connect(dsn, autocommit=True) as connection:
            connection.prepare_threshold = 2
            connection.execute("DROP INDEX archival_memories_embedding_idx")  # loading is not what is measured
            bench = Bench(connection, plan, dsn)
            bench.asked = vectors.Source(99).take(plan.queries)
            _flatness(bench, result)
            _comparison(bench, result)
        skew.add(server, skew.TINY if options.tiny else skew.FULL if options.full else skew.QUICK, result)
        curves.add(server, curves.TINY if options.tiny else curves.FULL if options.full else curves.QUICK, result)
        words.add(server, words.TINY if options.tiny else words.FULL if options.full else words.QUICK, result)
    result.publish(keep=not options.tiny)


def _flatness(bench: Bench, result: fixtures.Result) -> None:
    """The same agents while the table grows around them; the last sizes join before the last but one stage."""
    plan = bench.plan
    small = plan.sizes[:2]
    for size in small:
        bench.measure_agent(size)
    table = result.table("The same agent while others store more (ms)", "rows in all", "agents", "agent", "p50", "p95")
    medians: dict[int, list[float]] = {size: [] for size in small}
    for stage, total in enumerate(plan.totals):
        if stage == 1:
            for size in plan.sizes[2:]:
                bench.measure_agent(size)
        bench.fill(total, stage)
        in_all, agents, *_ = bench.connection.execute(SQL.sizes).fetchone() or (0, 0)
        contenders = {str(size): _library(bench, size) for size in small}
        taken = fixtures.in_turns(contenders, 2 * plan.rounds, seconds=plan.seconds / 4)
        for size in small:
            medians[size].append(1e3 * float(np.median(taken[str(size)])))
            table.rows.append([f"{in_all:,}", f"{agents:,}", f"{size:,}", *fixtures.milliseconds(taken[str(size)])])
    title = "Latency of one agent's search (ms) while the table grows"
    series = {f"agent of {size:,}": values for size, values in medians.items()}
    result.charts.append(fixtures.Chart(title, list(plan.totals), series, "rows in the table", "ms (p50)"))
    grown = medians[small[-1]][-1] / medians[small[-1]][0]
    result.numbers["flatness"] = grown
    result.ratios.append(
        f"from {plan.totals[0]:,} to {plan.totals[-1]:,} rows in all, the search of an agent of {small[-1]:,} takes "
        f"{grown:.2f} times as long"
    )


def _library(bench: Bench, size: int) -> Callable[[int], Sequence[int]]:
    memory = Memory(agent_of(size), dsn=bench.dsn, options=Settings(embedding_model=NO_MODEL))
    asked = bench.asked

    def search(n: int) -> Sequence[int]:
        return [hit.id for hit in memory.search(vector=asked[n % len(asked)], limit=10, kinds=["archival"])]

    return search


def _bare(bench: Bench, size: int, *, looked_at: int | None = None) -> Callable[[int], Sequence[int]]:
    """Our statement without our library."""
    rows = looked_at or candidates(size, vectors.DIMENSIONS, 10)
    given = {
        "agent_id": agent_of(size),
        "limit": 10,
        "archival_rows": size,
        "archival_candidates": rows,
        "archival_last": LAST,
    }
    if looked_at:  # the candidates themselves are what is measured, not what confirms them
        given["archival_rows"] = 0
    statement = compose("nearest_by_bits", ("archival",), False, code="bit")

    def search(n: int) -> Sequence[int]:
        vector = Vector(bench.asked[n % len(bench.asked)])
        cursor = bench.connection.execute(statement, given | {"embedding": vector}, binary=True)
        return [row[1] for row in cursor.fetchall()]

    return search


def _scoped(bench: Bench, connection: Connection, size: int) -> Callable[[int], Sequence[int]]:
    def search(n: int) -> Sequence[int]:
        given = {"agent_id": agent_of(size), "embedding": Vector(bench.asked[n % len(bench.asked)])}
        return [row[0] for row in connection.execute(SQL.scoped, given, binary=True).fetchall()]

    return search


def _comparison(bench: Bench, result: fixtures.Result) -> None:
    plan = bench.plan
    for name in ("specification", "copy_specification", "agent_idx", "ivfflat"):
        bench.connection.execute(getattr(SQL, name))
    bench.connection.execute("VACUUM ANALYZE specification")
    table = result.table("Top 10 of one agent", "agent", "search", "recall@10", "p50 ms", "p95 ms", "ours is faster by")
    curve = result.table("Recall against latency", "agent", "search", "recall@10", "p50 ms")
    ours: list[float] = []
    theirs: list[float] = []
    limit: list[float] = []
    with _session(bench, SQL.use_vector_index) as ivf, _session(bench, SQL.use_agent_index) as exact:
        for size in plan.sizes:
            probes = _probes(bench, ivf, size, curve)
            contenders = {
                "memgpt": _library(bench, size),
                "the same statement, bare driver": _bare(bench, size),
                f"IVFFlat lists=100, probes={probes}": _scoped(bench, ivf, size),
                "exact scan, pgvector's default storage": _scoped(bench, exact, size),
                "NumPy exact, rows in memory": lambda n, size=size: [
                    bench.ids[size][k] for k in vectors.nearest(bench.rows[size], bench.asked[n % len(bench.asked)])
                ],
            }
            ivf.execute(f"SET ivfflat.probes = {probes}")
            # Prepared statements are ready after the fifth execution, ours as well as theirs.
            taken = fixtures.in_turns(contenders, plan.rounds, warm_up=6, seconds=plan.seconds)
            first = taken["memgpt"]
            for name, search in contenders.items():
                faster = "" if name == "memgpt" else str(fixtures.ratio(taken[name], first))
                recall = f"{bench.recall(size, search):.3f}"
                table.rows.append([f"{size:,}", name, recall, *fixtures.milliseconds(taken[name]), faster])
            _candidates_curve(bench, size, curve)
            names = list(contenders)
            ours.append(1e3 * float(np.median(first)))
            theirs.append(1e3 * float(np.median(taken[names[2]])))
            limit.append(1e3 * float(np.median(taken[names[4]])))
            overhead = result.compare(f"agent of {size:,}: memgpt to the bare statement", first, taken[names[1]])
            result.compare(f"agent of {size:,}: IVFFlat to memgpt", taken[names[2]], first)
            result.compare(f"agent of {size:,}: memgpt to NumPy", first, taken[names[4]])
            result.numbers |= {
                f"overhead_{size}": overhead.value,
                f"recall_{size}": bench.recall(size, contenders["memgpt"]),
            }
            result.ratios.append(
                f"agent of {size:,}: recall@10 {bench.recall(size, contenders['memgpt']):.3f}, "
                f"{fixtures.ratio(taken[names[2]], first)} times faster than IVFFlat with {probes} probes, "
                f"{overhead} times the bare statement, {fixtures.ratio(first, taken[names[4]])} times NumPy"
            )
    series = {"memgpt": ours, "IVFFlat lists=100 at the same recall": theirs, "NumPy exact": limit}
    result.charts.append(
        fixtures.Chart("Top 10 of one agent (ms, p50)", list(plan.sizes), series, "rows of the agent", "ms", "xy")
    )


def _session(bench: Bench, settings: bytes) -> Connection:
    connection = connect(bench.dsn, autocommit=True)
    for statement in settings.split(b";"):
        connection.execute(statement)
    connection.prepare_threshold = 2
    return connection


def _probes(bench: Bench, connection: Connection, size: int, curve: fixtures.Table) -> int:
    """The fewest probes that reach the recall wanted; each tried is a point of the curve."""
    for probes in PROBES:
        connection.execute(f"SET ivfflat.probes = {probes}")
        search = _scoped(bench, connection, size)
        recall = bench.recall(size, search)
        taken = fixtures.in_turns({"ivfflat": search}, 3, warm_up=0)["ivfflat"]
        row = [f"{size:,}", f"IVFFlat probes={probes}", f"{recall:.3f}", fixtures.milliseconds(taken)[0]]
        curve.rows.append(row)
        if recall >= ENOUGH:
            return probes
    return PROBES[-1]


def _candidates_curve(bench: Bench, size: int, curve: fixtures.Table) -> None:
    usual = candidates(size, vectors.DIMENSIONS, 10)
    for share in (0.1, 0.25, 0.5, 1.0):
        looked_at = max(10, int(usual * share))
        search = _bare(bench, size, looked_at=looked_at)
        taken = fixtures.in_turns({"bits": search}, 5)["bits"]
        recall = f"{bench.recall(size, search):.3f}"
        curve.rows.append([f"{size:,}", f"bits, {looked_at} candidates", recall, fixtures.milliseconds(taken)[0]])


if __name__ == "__main__":
    main()
