"""What do LangGraph's store operations cost over a memory, beside LangGraph's own PostgresStore?

Each store runs in a process of its own, PostgresStore in the environment of the peers; both have a database on the same
server, the same items and a local function that embeds. They take turns, operation by operation.
"""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import fixtures
from benchmarks.running import ENVIRONMENTS, PEERS, Peer, Running, environment
from memgpt.config import OFFLINE_MODEL

ITEMS, ROUNDS, EACH = 5_000, 8, 20
OPERATIONS = ("put", "get", "filter", "search", "batch of 100 puts", "batch of 45, mixed")
ABOUT = {"filter": "search by a filter", "search": "search by a query"}
OURS, THEIRS = "memgpt_store", "postgres_store"


def main() -> None:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the peers are installed")
    options = parser.parse_args()
    items, rounds, each = (400, 2, 3) if options.tiny else (4 * ITEMS, 2 * ROUNDS, EACH) if options.full else (
        ITEMS, ROUNDS, EACH
    )  # fmt: skip
    with fixtures.own_server() as server, tempfile.TemporaryDirectory() as folder, ExitStack() as kept:
        stores = {name: _started(kept, server, name, folder, options.environments) for name in (OURS, THEIRS)}
        for name, store in stores.items():
            store.ask("batch of 100 puts", name, items=[*range(0, items, 100)])
        taken, hits = _measured(stores, items, rounds, each)
    result = fixtures.Result("langgraph_store", "What do LangGraph's store operations cost over a memory?")
    result.remarks.append(
        f"Of the 10 hits that a search by a query asks for in a namespace of {items // 20}, "
        f"MemgptStore finds {hits[OURS]:.1f} and PostgresStore {hits[THEIRS]:.1f} on average."
    )
    _report(result, taken, items, rounds, each)
    result.publish(keep=not options.tiny)


def _started(kept: ExitStack, server: fixtures.EmbeddedServer, name: str, folder: str, environments: Path) -> Running:
    peer = next(peer for peer in PEERS if peer.name == "langgraph")
    python = environment(peer, environments) if name == THEIRS else environment(Peer(OURS), environments)
    dsn = (
        fixtures.database(server, name, model=OFFLINE_MODEL, dimensions=256)
        if name == OURS
        else fixtures.empty_database(server, name)
    )
    requirements = peer.requirements if name == THEIRS else ()
    running = Running(Peer(name, requirements), python, {"dsn": dsn, "folder": folder}, Path(folder) / f"{name}.log")
    kept.callback(running.stop)
    running.start()
    return running


def _measured(
    stores: dict[str, Running], items: int, rounds: int, each: int
) -> tuple[dict[str, dict[str, list[float]]], dict[str, float]]:
    """Seconds of each operation of each store, and hits of a search. Both get the same new items."""
    order, following = random.Random(1), items
    hits: dict[str, list[int]] = {OURS: [], THEIRS: []}
    taken: dict[str, dict[str, list[float]]] = {operation: {OURS: [], THEIRS: []} for operation in OPERATIONS}
    for number in range(-1, rounds):
        for operation in OPERATIONS:
            count = each if not operation.startswith("batch") else max(1, each // 5)
            chosen = [order.randrange(items - 100) for _ in range(count)]
            if operation == "put":
                chosen, following = [*range(following, following + count)], following + count
            elif operation == "batch of 100 puts":
                chosen = [*range(following, following + 100 * count, 100)]
                following += 100 * count
            for name in order.sample([OURS, THEIRS], 2):
                answer = stores[name].ask(operation, name, items=chosen)
                taken[operation][name] += answer["seconds"] if number >= 0 else []
                hits[name] += answer["found"] if operation == "search" else []
    return taken, {name: float(np.mean(found)) for name, found in hits.items()}


def _report(
    result: fixtures.Result, taken: dict[str, dict[str, list[float]]], items: int, rounds: int, each: int
) -> None:
    table = result.table(
        f"{items:,} items of 20 namespaces, vectors of 256 dimensions",
        *("operation", "MemgptStore p50 ms", "p95 ms", "PostgresStore p50 ms", "p95 ms", "times as long (95%)"),
    )
    for operation, by_store in taken.items():
        ours, theirs = by_store[OURS], by_store[THEIRS]
        longer = result.compare(operation, ours, theirs)
        name = ABOUT.get(operation, operation)
        table.rows.append([name, *fixtures.milliseconds(ours), *fixtures.milliseconds(theirs), str(longer)])
        result.numbers[operation] = float(np.median(ours) / np.median(theirs))
    result.remarks.append(
        f"{rounds} rounds of {each} operations ({max(1, each // 5)} batches), in turns. MemgptStore writes the history "
        "of every change, finds items by words too and compares vectors exactly within a namespace; PostgresStore has "
        "neither, and an HNSW index over all namespaces. The memory also embeds each text with its own model, for "
        "`memory.search`."
    )
    longer_each = (f"{ABOUT.get(name, name)} {longer}" for name, longer in result.compared.items())
    result.ratios.append("MemgptStore takes so many times as long as PostgresStore: " + ", ".join(longer_each))


if __name__ == "__main__":
    main()
