"""Walks over a large graph: p95 of 2 and 3 hops, against N+1 queries and a breadth-first search in memory.

    python benchmarks/graph.py [--dsn …] [--entities 100000] [--edges 500000] [--runs 100]

A tenth of the walks start at hubs of 10,000 edges. All four ways run in the same process on the same graph: one
statement with the fan-out cap, one statement without it, one query a thing (N+1) with the same cap, and networkx and
igraph (where installed) in memory, loading not counted.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import networkx
import psycopg

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database import migrate
from memgpt.graph.traversal import FAN_OUT

HUBS, HUB_EDGES, LIMIT = 5, 10_000, 100
NEIGHBOURS = """
    (SELECT target_id FROM kg_relationships
     WHERE agent_id = %(a)s AND source_id = %(id)s AND superseded_at IS NULL LIMIT %(n)s)
    UNION ALL
    (SELECT source_id FROM kg_relationships
     WHERE agent_id = %(a)s AND target_id = %(id)s AND superseded_at IS NULL LIMIT %(n)s)"""


def main() -> None:
    options = _options()
    migrate.apply(options.dsn, model=migrate.ModelSpec("wordllama-l2-supercat-256", 256))
    agent = f"graph {time.time_ns()}"
    random.seed(1)
    edges = _edges(options.entities, options.edges)
    with psycopg.connect(options.dsn, autocommit=True) as connection:
        _load(connection, agent, options.entities, edges)
        network: Any = networkx.MultiGraph(edges)
        starts = [random.randint(1, HUBS) if n % 10 == 0 else random.randint(HUBS + 1, options.entities)
                  for n in range(options.runs)]  # fmt: skip
        with Memory(agent, dsn=options.dsn, options=Settings(embedding_model="none")) as memory:
            print(f"{options.entities:,} entities, {len(edges):,} edges, {HUBS} hubs of {HUB_EDGES:,}; limit {LIMIT}")
            for hops in (2, 3):
                ways: dict[str, Callable[[int], object]] = {
                    "one statement": lambda s, h=hops: memory.graph.within(s, hops=h, limit=LIMIT),
                    "uncapped": lambda s, h=hops: memory.graph.within(s, hops=h, limit=LIMIT, fan_out=None),
                    "N+1 queries": lambda s, h=hops: _one_by_one(connection, agent, s, h),
                    "networkx": lambda s, h=hops: _breadth_first(network, s, h),
                }
                ways |= _igraph(edges, options.entities, hops)
                for name, way in ways.items():
                    _report(f"{hops} hops, {name}", way, starts)
                incomplete = sum(not memory.graph.within(s, hops=hops, limit=LIMIT).complete for s in starts)
                print(f"{hops} hops: {incomplete} of {len(starts)} answers say that they are not complete")
    print(f"round trips: 1 a walk; N+1: {_one_by_one.trips / _one_by_one.walks:.0f} a walk")  # type: ignore[attr-defined]


def _edges(entities: int, count: int) -> list[tuple[int, int]]:
    hubs = [(hub, random.randint(HUBS + 1, entities)) for hub in range(1, HUBS + 1) for _ in range(HUB_EDGES)]
    rest = [(random.randint(HUBS + 1, entities), random.randint(HUBS + 1, entities)) for _ in range(count - len(hubs))]
    return hubs + rest


def _load(connection: psycopg.Connection[Any], agent: str, entities: int, edges: list[tuple[int, int]]) -> None:
    with connection.cursor() as cursor:
        with cursor.copy("COPY kg_entities (agent_id, id, name) FROM STDIN") as copy:
            for id in range(1, entities + 1):
                copy.write_row((agent, id, f"entity {id}"))
        with cursor.copy("COPY kg_relationships (agent_id, source_id, target_id, type) FROM STDIN") as copy:
            for source, target in edges:
                copy.write_row((agent, source, target, "t"))
    connection.execute("VACUUM ANALYZE kg_relationships")
    connection.execute("VACUUM ANALYZE kg_entities")


def _one_by_one(connection: psycopg.Connection[Any], agent: str, start: int, hops: int) -> list[int]:
    """What a program without traversals does: ask for the neighbours of each thing, nearest first."""
    depth, queue = {start: 0}, deque([start])
    _one_by_one.walks += 1  # type: ignore[attr-defined]
    while queue and len(depth) <= LIMIT:
        id = queue.popleft()
        if depth[id] < hops:
            _one_by_one.trips += 1  # type: ignore[attr-defined]
            for (other,) in connection.execute(NEIGHBOURS, {"a": agent, "id": id, "n": FAN_OUT}):
                if other not in depth:
                    depth[other] = depth[id] + 1
                    queue.append(other)
    found = list(depth)[1 : LIMIT + 1]
    _one_by_one.trips += 1  # type: ignore[attr-defined]
    connection.execute("SELECT id, name, type FROM kg_entities WHERE agent_id = %s AND id = ANY (%s)", [agent, found])
    return found


_one_by_one.trips = _one_by_one.walks = 0  # type: ignore[attr-defined]


def _breadth_first(network: Any, start: int, hops: int) -> list[int]:
    found = []
    for _, other in networkx.bfs_edges(network, start, depth_limit=hops):
        found.append(other)
        if len(found) == LIMIT:
            break
    return found


def _igraph(edges: list[tuple[int, int]], entities: int, hops: int) -> dict[str, Callable[[int], object]]:
    try:
        import igraph
    except ImportError:
        return {}
    graph = igraph.Graph(n=entities + 1, edges=edges)
    return {"igraph": lambda start: graph.neighborhood(start, order=hops)[1 : LIMIT + 1]}


def _report(name: str, way: Callable[[int], object], starts: list[int]) -> None:
    way(starts[1])
    seconds = []
    for start in starts:
        begun = time.perf_counter()
        way(start)
        seconds.append(time.perf_counter() - begun)
    order = sorted(1e3 * s for s in seconds)
    p50, p95 = statistics.median(order), order[int(len(order) * 0.95)]
    print(f"{name:28} p50 {p50:8.2f} ms  p95 {p95:8.2f} ms  max {order[-1]:8.2f} ms", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsn", required=True, help="a database for the benchmark")
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    main()
