"""What does a walk over a large graph take, against a query for each thing and against a search in memory?

One statement with the cap on what is followed of one thing, one without it, a query a thing with the same cap, and
networkx (and igraph where it is installed) on the same graph in memory, loading not counted.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import networkx

from benchmarks import fixtures
from memgpt import Memory
from memgpt.config import NO_MODEL, Settings
from memgpt.database import queries
from memgpt.database.connection import Connection, connect
from memgpt.graph.traversal import FAN_OUT

SQL = queries.beside("benchmarks.graph")
AGENT, HUBS, LIMIT = "graph", 5, 100
Way = Callable[[int], object]


@dataclass(frozen=True)
class Plan:
    entities: int
    edges: int
    hub_edges: int
    rounds: int
    seconds: float


TINY = Plan(200, 600, 40, 3, 0)
QUICK = Plan(20_000, 100_000, 5_000, 20, 4)
FULL = Plan(100_000, 500_000, 10_000, 60, 20)


@dataclass
class OneByOne:
    """What a program without traversals does: ask for the neighbours of each thing, nearest first."""

    connection: Connection
    hops: int
    trips: int = 0
    walks: int = 0

    def __call__(self, start: int) -> list[int]:
        depth, queue = {start: 0}, deque([start])
        self.walks += 1
        while queue and len(depth) <= LIMIT:
            id = queue.popleft()
            if depth[id] < self.hops:
                for (other,) in self._ask(SQL.neighbours, id=id, most=FAN_OUT):
                    if other not in depth:
                        depth[other] = depth[id] + 1
                        queue.append(other)
        found = list(depth)[1 : LIMIT + 1]
        self._ask(SQL.entities, ids=found)
        return found

    def _ask(self, statement: bytes, **given: object) -> list[tuple[Any, ...]]:
        self.trips += 1
        return self.connection.execute(statement, {"agent_id": AGENT} | given).fetchall()


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    question = f"What does a walk over {plan.entities:,} entities and {plan.edges:,} facts take?"
    result = fixtures.Result("graph", question)
    random.seed(1)
    edges = _edges(plan)
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "graph")
        with connect(dsn, autocommit=True) as connection:
            connection.prepare_threshold = 2
            _load(connection, plan, edges)
            with Memory(AGENT, dsn=dsn, options=Settings(embedding_model=NO_MODEL)) as memory:
                _walk(memory, connection, plan, edges, result)
            trip = fixtures.in_turns({"trip": lambda _: connection.execute(SQL.nothing)}, 100)["trip"]
    result.remarks.append(
        f"A round trip takes {1e3 * median(trip):.2f} ms here, over a socket on one machine, so a query a thing costs "
        "little. Over a network each of its round trips waits: ten at 1 ms are 10 ms, where one statement waits 1."
    )
    result.remarks.append(
        f"{HUBS} hubs have {plan.hub_edges:,} facts each; a walk follows at most {FAN_OUT} of one thing and "
        f"answers with at most {LIMIT} things, and says when that left something out. In memory means that the whole "
        "graph of one agent is loaded already and that nobody else changes it."
    )
    result.publish(keep=not options.tiny)


def _edges(plan: Plan) -> list[tuple[int, int]]:
    def usual() -> int:
        return random.randint(HUBS + 1, plan.entities)

    hubs = [(hub, usual()) for hub in range(1, HUBS + 1) for _ in range(plan.hub_edges)]
    return hubs + [(usual(), usual()) for _ in range(plan.edges - len(hubs))]


def _load(connection: Connection, plan: Plan, edges: list[tuple[int, int]]) -> None:
    with connection.cursor() as cursor:
        with cursor.copy(SQL.copy_entities) as copy:
            for id in range(1, plan.entities + 1):
                copy.write_row((AGENT, id, f"entity {id}"))
        with cursor.copy(SQL.copy_facts) as copy:
            for source, target in edges:
                copy.write_row((AGENT, source, target, "t"))
    connection.execute("VACUUM ANALYZE kg_relationships, kg_entities")


def _walk(
    memory: Memory, connection: Connection, plan: Plan, edges: list[tuple[int, int]], result: fixtures.Result
) -> None:
    network: Any = networkx.MultiGraph(edges)
    table = result.table(
        "Walks from one thing (ms)", "hops", "from", "way", "round trips", "p50", "p95", "times one statement"
    )
    starts = {"usual things": range(HUBS + 1, plan.entities + 1), "hubs": range(1, HUBS + 1)}
    for hops in (2, 3):
        for kind, among in starts.items():
            chosen = random.choices(among, k=50)
            asked = OneByOne(connection, hops)
            ways: dict[str, Way] = {
                "one statement": lambda s, h=hops: memory.graph.within(s, hops=h, limit=LIMIT),
                "one statement, no cap": lambda s, h=hops: memory.graph.within(s, hops=h, limit=LIMIT, fan_out=None),
                "a query a thing": asked,
                "networkx, in memory": lambda s, h=hops: _breadth_first(network, s, h),
            } | _igraph(edges, plan, hops)
            turns = {
                name: (lambda n, way=way, chosen=chosen: way(chosen[n % len(chosen)])) for name, way in ways.items()
            }
            taken = fixtures.in_turns(turns, plan.rounds, seconds=plan.seconds)
            trips = asked.trips / asked.walks
            for name in ways:
                times = "" if name == "one statement" else str(fixtures.ratio(taken[name], taken["one statement"]))
                many = {"a query a thing": f"{trips:.0f}"}.get(name, "0" if "memory" in name else "1")
                table.rows.append([hops, kind, name, many, *fixtures.milliseconds(taken[name]), times])
            better = result.compare(f"{hops} hops, {kind}", taken["a query a thing"], taken["one statement"])
            result.numbers[f"trips {hops} {kind}"] = trips
            result.ratios.append(
                f"{hops} hops from {kind}: one statement instead of {trips:.0f} round trips, {better} times as fast, "
                f"{fixtures.ratio(taken['one statement'], taken['networkx, in memory'])} times networkx in memory"
            )


def _from(starts: list[int], way: Way) -> Way:
    return lambda n: way(starts[n % len(starts)])


def _breadth_first(network: Any, start: int, hops: int) -> list[int]:
    found = []
    for _, other in networkx.bfs_edges(network, start, depth_limit=hops):
        found.append(other)
        if len(found) == LIMIT:
            break
    return found


def _igraph(edges: list[tuple[int, int]], plan: Plan, hops: int) -> dict[str, Way]:
    try:
        import igraph
    except ImportError:
        return {}
    graph = igraph.Graph(n=plan.entities + 1, edges=edges)
    return {"igraph, in memory": lambda start: graph.neighborhood(start, order=hops)[1 : LIMIT + 1]}


if __name__ == "__main__":
    main()
