"""What does it take to list and describe agents beside many others, against reading one row by its key?"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from benchmarks import fixtures
from memgpt import Agents, Memory, Settings
from memgpt.database import queries

SQL = queries.beside("benchmarks.agents")

TINY, QUICK, FULL = 200, 20_000, 100_000
PAGE = 50


def main() -> None:
    options = fixtures.arguments(__doc__).parse_args()
    agents = TINY if options.tiny else FULL if options.full else QUICK
    result = fixtures.Result("agents", "Listing and describing agents beside many others")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "agents")
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(SQL.fill, {"agents": agents})
            owner.execute("VACUUM (ANALYZE)")
        measure(dsn, agents, 20 if options.tiny else 200, result)
    result.publish(keep=not options.tiny)


def measure(dsn: str, number: int, rounds: int, result: fixtures.Result) -> None:
    """Time a page, one agent, and the point query both are held against."""
    middle = f"agent-{number // 2:06}"
    table = result.table(f"{number:,} agents (ms)", "", "p50", "p95", "times the point query")
    settings = Settings(embedding_model="none")
    with Agents(dsn, options=settings) as agents, Memory(middle, dsn=dsn, options=settings) as memory:
        id = memory.archival.list(limit=1)[0].id
        contenders: dict[str, Callable[[int], object]] = {
            "one memory by its id": lambda _: memory.archival.get(id),
            "one agent": lambda _: agents.describe(middle),
            f"a page of {PAGE}": lambda _: agents.list(limit=PAGE, after=middle),
            f"a page of {PAGE} by prefix": lambda _: agents.list(limit=PAGE, prefix=middle[:-3]),
        }
        taken = fixtures.in_turns(contenders, rounds, warm_up=10)
    point = taken["one memory by its id"]
    for name, times in taken.items():
        ratio = fixtures.ratio(times, point)
        table.rows.append([name, *fixtures.milliseconds(times), f"{ratio.value:.1f}"])
        if times is not point:
            result.ratios.append(f"beside {number:,} agents {name} takes {ratio} times a point query")
            result.numbers[name] = ratio.value


if __name__ == "__main__":
    main()
