"""Is what the specification says about migration 002 true, claim by claim, on the same data before and after it?

Two databases with the same rows: one with 001 only, one fully migrated. The same statements run on both in turns, for
the largest agents and for usual ones apart; where this library runs a statement of its own, it takes its turns too. A
search that finds less is not called faster: recall stands beside it, and both are also timed where they find the same.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import psycopg
from pgvector import Vector
from psycopg import sql

from benchmarks import fixtures, vectors
from benchmarks.verdicts import Measured, average, embedding_cost, round_trips, verdict
from memgpt.database import queries
from memgpt.database.admin import migrate
from memgpt.database.connection import Connection, connect
from memgpt.database.embedded import EmbeddedServer
from memgpt.search.paging import candidates
from memgpt.search.store import compose

SQL = queries.beside("benchmarks.claims")
AGENTS = 1000
BYTES_A_ROW, BYTES_BESIDE = 44_000, 4_000_000_000
"""Of disk, at the most: two tables, an IVFFlat index each, one more while 002 builds its own; the log beside them."""
PROBES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 80, 120, 200)
ENOUGH = 0.9
"""Recall at which both sides are compared as well."""
OURS = compose("nearest_by_bits", ("chunk",), False, code="bit")
"""The statement of ``memory.search(vector=…, kinds=["chunk"])``."""
Ask = Callable[[str, int], list[int]]
"""Of an agent, with one of the vectors; the ids that are found."""


@dataclass
class Side:
    """One of the two databases."""

    connection: Connection
    sizes: dict[str, int]
    kept: ExitStack
    asked: list[Vector] = field(default_factory=lambda: [Vector(row) for row in vectors.Source(99).take(10)])
    trips: int = 0
    true: dict[tuple[bytes, str], list[set[int]]] = field(default_factory=dict)

    @classmethod
    def on(cls, dsn: str, sizes: dict[str, int], kept: ExitStack) -> Side:
        connection = kept.enter_context(connect(dsn, autocommit=True))
        connection.prepare_threshold = 5  # for what asks for it
        return cls(connection, sizes, kept)

    def run(self, statement: bytes, agent: str, n: int = 0, *, prepare: bool = False, **given: object) -> list[int]:
        """Planned anew each time, as by psycopg2 and through a transaction pooler; what is our own is prepared."""
        self.trips += 1
        values = {"agent_id": agent, "embedding": self.asked[n % len(self.asked)]} | given
        cursor = self.connection.execute(statement, values, prepare=prepare, binary=True)
        return [row[0] for row in cursor.fetchall()]

    def ours(self, agent: str, n: int) -> list[int]:
        rows = self.sizes[agent]
        given = {
            "agent_id": agent,
            "embedding": self.asked[n % 10],
            "limit": 10,
            "chunk_rows": rows,
            "chunk_last": 2**62,  # no row comes after it: none has to be counted
            "chunk_candidates": candidates(rows, vectors.DIMENSIONS, 10),
        }
        return [row[1] for row in self.connection.execute(OURS, given, prepare=True, binary=True).fetchall()]

    def probing(self, probes: int, statement: bytes) -> Ask:
        """On a connection of its own, which looks into so many lists."""
        own = Side.on(self.connection.info.dsn, self.sizes, self.kept)
        own.connection.execute(f"SET ivfflat.probes = {probes}")
        return partial(own.run, statement)

    def recall(self, ask: Ask, exact: bytes, agents: Sequence[str]) -> float:
        """Against the exact order; both databases have the same ids."""
        shares = [
            len(true.intersection(ask(agent, n))) / len(true)
            for agent in agents
            for n, true in enumerate(self._truth(exact, agent))
        ]
        return float(np.mean(shares))

    def _truth(self, exact: bytes, agent: str) -> list[set[int]]:
        if (exact, agent) not in self.true:
            self.true[exact, agent] = [set(self.run(exact, agent, n)) for n in range(len(self.asked))]
        return self.true[exact, agent]

    def reads(self, statement: bytes, agent: str) -> str:
        """What the planner takes: names of indexes, or the table as a whole."""
        values = {"agent_id": agent, "embedding": self.asked[0], "id": 1}
        cursor = self.connection.execute(b"EXPLAIN (FORMAT JSON) " + statement, values, prepare=False)
        found = cursor.fetchone()
        return " + ".join(dict.fromkeys(_nodes(found[0][0]["Plan"]))) if found else ""

    def hop_by_hop(self, _: str, n: int) -> list[int]:
        """Two hops with a query a node, as an application does that has no traversal."""
        found = set(self.run(SQL.entity, "agent 0", name=f"entity {n * 37 % 5000 + 1}"))
        edge = set(found)
        for _hop in range(2):
            edge = {t for id in edge for t in self.run(SQL.neighbours, "agent 0", id=id)} - found
            found |= edge
        return sorted(found)

    def traversal(self, _: str, n: int) -> list[int]:
        return sorted(self.run(SQL.traversal, "agent 0", prepare=True, name=f"entity {n * 37 % 5000 + 1}"))


def _nodes(plan: dict[str, object]) -> list[str]:
    own = plan.get("Index Name") or ("the whole table" if plan["Node Type"] == "Seq Scan" else None)
    inner = [name for child in plan.get("Plans", ()) for name in _nodes(child)]  # type: ignore[attr-defined]
    return [str(own).removesuffix("_idx"), *inner] if own else inner


@dataclass
class Question:
    """What is asked of both sides; ``recall`` says that there is a true answer to compare with."""

    name: str
    claim: tuple[int, int] | None
    old: Ask
    new: Ask
    statement: bytes
    ours: Ask | None = None
    exact: bytes | None = None


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", help="numbers of chunks")
    options = parser.parse_args()
    usual = [1_000] if options.tiny else [20_000, 200_000, 1_000_000] if options.full else [20_000]
    result = fixtures.Result("claims", "Are the specification's claims for migration 002 true?")
    for rows in options.rows or usual:
        free, needed = shutil.disk_usage(tempfile.gettempdir()).free, rows * BYTES_A_ROW + BYTES_BESIDE
        if free < needed:
            disk = f"they need {needed / 1e9:.0f} GB of free disk, there are {free / 1e9:.0f}"
            result.remarks.append(f"{rows:,} chunks are left out: {disk}.")
            continue
        _at(rows, (2, 0.0) if options.tiny else (12, 3.0), result)
    result.remarks.append(embedding_cost())
    result.publish(keep=not options.tiny)


def _at(rows: int, effort: tuple[int, float], result: fixtures.Result) -> None:
    started = time.perf_counter()
    sizes = dict(zip((f"agent {n}" for n in range(AGENTS)), vectors.zipf(rows, AGENTS), strict=True))
    # The write-ahead log is kept short: beside two databases of a million chunks there is little room for it.
    with fixtures.own_server(max_wal_size="2GB") as server:
        before_dsn, after_dsn = _two_databases(server, sizes)
        ready = time.perf_counter() - started
        with ExitStack() as kept:
            before, after = (Side.on(dsn, sizes, kept) for dsn in (before_dsn, after_dsn))
            said = _measure(before, after, rows, effort, result)
    minutes = (time.perf_counter() - started) / 60
    loading = f"{minutes:.1f} minutes, of them {ready / 60:.1f} to load, index and migrate"
    result.remarks += [f"**At {rows:,} chunks** ({loading}):", *said]


def _two_databases(server: EmbeddedServer, sizes: dict[str, int]) -> tuple[str, str]:
    before = fixtures.database(server, "before", upto="1")
    with connect(before, autocommit=True) as connection:
        connection.execute(SQL.drop_vector_index)
        source, start = vectors.Source(3), 0
        for agent, size in sizes.items():
            vectors.load(connection, SQL.copy_chunks, agent, source, size, first=start, dated=True)
            start += size
        for name in ("conversations", "entities", "facts"):
            connection.execute(getattr(SQL, name).replace(b"%%", b"%"))
        connection.execute(SQL.vector_index)
        connection.execute("VACUUM ANALYZE")
    with psycopg.connect(server.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE after TEMPLATE before STRATEGY FILE_COPY"))
    after = server.dsn_for("after")
    migrate.apply(after)
    with connect(after, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return before, after


def _measure(before: Side, after: Side, rows: int, effort: tuple[int, float], result: fixtures.Result) -> list[str]:
    """Everybody's rows, then the five largest agents and five from the middle of the order; what it comes to."""
    names = list(before.sizes)
    table = result.table(
        f"The same statements before and after 002, at {rows:,} chunks (ms an answer, p50)",
        *("question", "claim (%)", "before", "recall", "reads", "after", "recall", "reads", "less time (%)"),
        *("this library", "recall", "less time (%)"),
    )
    turns = Round(before, after, *effort, rows, result, table)
    measured = [turns.time(question, names[:1], "everybody") for question in _of_everybody(before, after)]
    for agents, of in ((names[:5], "large agents"), (names[len(names) // 20 :][:5], "usual agents")):
        some = f"{of} ({before.sizes[agents[0]]:,} to {before.sizes[agents[-1]]:,} rows)"
        measured += [turns.time(question, agents, some) for question in _of_agents(before, after, agents)]
    walk = Question("two hops, a query a node", None, before.hop_by_hop, after.hop_by_hop, SQL.neighbours)
    walk.ours = after.traversal
    measured.append(turns.time(walk, names[:1], "one agent"))
    trips = _trips(after)
    title = f"Less time after 002, at {rows:,} chunks (%; negative: slower)"
    shown = {f"{m.name}, {m.of}": m.less[0] for m in measured}
    result.charts.append(fixtures.Chart(title, list(shown), {"less time": list(shown.values())}))
    result.numbers[f"at_{rows}"] = {"less_time": shown, "round_trips": trips}
    claimed = [m for m in measured if m.claim]
    short = ", ".join(f"{m.name} of {m.of} {m.short()}" for m in claimed)
    result.ratios.append(f"less time after 002 at {rows:,} chunks: {short}; one traversal for {trips:.0f} round trips")
    return [*(verdict(m) for m in claimed), average(claimed), round_trips(trips)]


def _of_everybody(before: Side, after: Side) -> list[Question]:
    vector = _plain("vector search", (30, 30), before, after, SQL.vector)
    vector.exact = SQL.exact_of_all
    newest = _plain("newest chunks", (40, 60), before, after, SQL.recent_of_all)
    return [vector, *_where_both_find(vector, before, after, ["agent 0"]), newest]


def _of_agents(before: Side, after: Side, agents: Sequence[str]) -> list[Question]:
    scoped = _plain("agent-scoped retrieval", (30, 50), before, after, SQL.scoped)
    scoped.ours, scoped.exact = after.ours, SQL.exact
    return [
        scoped,
        *_where_both_find(scoped, before, after, agents),
        _plain("newest chunks", (40, 60), before, after, SQL.recent_chunks),
        _plain("newest messages", (40, 60), before, after, SQL.recent_messages),
        _plain("messages by intent", None, before, after, SQL.intent),
    ]


def _where_both_find(question: Question, before: Side, after: Side, agents: Sequence[str]) -> list[Question]:
    """The same, with as many probes on each side as it takes to find enough; nothing where one probe does."""
    assert question.exact is not None
    if before.recall(question.old, question.exact, agents) >= ENOUGH:
        return []
    asks, probes = [], []
    for side in (before, after):
        searches = ((n, side.probing(n, question.statement)) for n in PROBES)
        found = ((n, ask) for n, ask in searches if before.recall(ask, question.exact, agents) >= ENOUGH)
        n, ask = next(found, (PROBES[-1], side.probing(PROBES[-1], question.statement)))
        asks.append(ask)
        probes.append(n)
    old, new = asks
    return [replace(question, name=f"{question.name}, {probes[0]} and {probes[1]} probes", old=old, new=new)]


def _plain(name: str, claim: tuple[int, int] | None, before: Side, after: Side, statement: bytes) -> Question:
    return Question(name, claim, partial(before.run, statement), partial(after.run, statement), statement)


@dataclass
class Round:
    """What asks the questions: both sides, and where the answers go."""

    before: Side
    after: Side
    rounds: int
    seconds: float
    rows: int
    result: fixtures.Result
    table: fixtures.Table

    def time(self, question: Question, agents: Sequence[str], of: str) -> Measured:
        """One turn asks for every agent, so that each is in every round."""
        asks = {"old": question.old, "new": question.new} | ({"ours": question.ours} if question.ours else {})

        def turn(ask: Ask) -> Callable[[int], object]:
            return lambda n: [ask(agent, n) for agent in agents]

        turns = {name: turn(ask) for name, ask in asks.items()}
        taken = fixtures.in_turns(turns, self.rounds, warm_up=3, seconds=self.seconds)
        recall = {name: self._recall(ask, question.exact, agents) for name, ask in asks.items()}
        reads = [side.reads(question.statement, agents[0]) for side in (self.before, self.after)]
        name = f"{question.name}, {of}, {self.rows:,} chunks"
        change = self.result.compare(name, taken["new"], taken["old"])
        own = self.result.compare(f"{name}: this library", taken["ours"], taken["old"]) if question.ours else None
        measured = Measured(question.name, of, question.claim, change, recall["old"], recall["new"], *reads)
        if own:
            measured = replace(measured, own=own, recall_own=recall["ours"])
        per_answer = {k: fixtures.milliseconds(np.array(v) / len(agents))[0] for k, v in taken.items()}
        self.table.rows.append(measured.cells(per_answer))
        return measured

    def _recall(self, ask: Ask, exact: bytes | None, agents: Sequence[str]) -> float | None:
        return self.before.recall(ask, exact, agents) if exact else None


def _trips(side: Side) -> float:
    counted = []
    for n in range(20):
        side.trips = 0
        by_hop = side.hop_by_hop("", n)
        counted.append(side.trips)
        assert by_hop == side.traversal("", n), "both ways of walking must find the same"
    return float(np.mean(counted))


if __name__ == "__main__":
    main()
