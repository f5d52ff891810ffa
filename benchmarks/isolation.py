"""What does isolation by the database cost where nobody is a superuser?

Requests against the owner of the tables: the same statement, but for the functions that look up what a policy keeps
from an index; role and scope are entered each time. Then the policies against those with sub-selects that migration 007
made, side by side in the same database, for a role each, within transactions that were entered before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks import fixtures
from memgpt.archival.store import ArchivalStore
from memgpt.config import NO_MODEL, Settings
from memgpt.database import isolation, queries
from memgpt.database.admin import migrate
from memgpt.database.connection import Connection, Database, connect
from memgpt.database.embedded import EmbeddedServer
from memgpt.database.isolation import Tenancy
from memgpt.graph.store import GraphStore
from memgpt.graph.traversal_store import TraversalStore, Walk, _statement
from memgpt.models import Author, Kind
from memgpt.search.store import Counts, Filters, ParsedQuery, SearchStore, Seeds

SQL = queries.beside("benchmarks.isolation")
AGENT, LANGUAGE, LINE = "agent-1", "english", 1.5
AUTHOR = Author(AGENT, "bench")
KINDS: tuple[Kind, ...] = ("archival", "message", "chunk", "fact")
WORDS: Mapping[str, Callable[[int], str]] = {
    "a word in 1% of the rows": lambda n: f"rare{n % 100}",
    "a word in 20%": lambda _: "fifth",
    "a word in all": lambda _: "every",
    "three words, 1%": lambda n: f"rare{n % 100} rare{(n + 1) % 100} nowhere",
}
SEEDS = Seeds(lexical=100, vector=0, recent=0)
Work = Callable[[Connection, int], object]


@dataclass(frozen=True)
class Plan:
    rows: int
    """Of each of two agents, in each table."""
    rounds: int
    seconds: float


TINY = Plan(200, 3, 0)
QUICK = Plan(8_000, 30, 2)
FULL = Plan(50_000, 60, 12)


def main() -> None:
    options = fixtures.arguments(__doc__.splitlines()[0]).parse_args()
    plan = TINY if options.tiny else FULL if options.full else QUICK
    result = fixtures.Result("isolation", "What does isolation by the database cost where nobody is a superuser?")
    with fixtures.own_server() as server:
        dsn = _managed(server)
        with connect(dsn, autocommit=True) as owner:
            owner.execute(SQL.words)
            for statement in (SQL.archival, SQL.message, SQL.chunk, SQL.entity, SQL.fact):
                owner.execute(statement, {"rows": plan.rows})
            owner.execute(SQL.tidy)
        _requests(dsn, plan, result)
        _policies(dsn, plan, result)
    result.publish(keep=not options.tiny)


def _managed(server: EmbeddedServer) -> str:
    """A database whose owner, who migrates it, is a plain role."""
    dsn = fixtures.empty_database(server, "isolation")
    with psycopg.connect(dsn, autocommit=True) as admin:
        for statement in (SQL.owner, SQL.own, SQL.vectors):
            admin.execute(statement)
    plain = make_conninfo(dsn, user="owner_of_tables")
    migrate.apply(plain, model=migrate.ModelSpec(NO_MODEL, 1536))
    return plain


def _requests(dsn: str, plan: Plan, result: fixtures.Result) -> None:
    """Each kind of statement, by the owner and by a request, in turns; a pool each, so that none shares plans."""
    settings = Settings(embedding_model=NO_MODEL)
    owner, pool = Database(dsn, options=settings), Database(dsn, options=settings)
    request = pool.isolated(Tenancy((AGENT,), AGENT))
    assert not owner.server.leakproof
    header = ("rows", "asked for", "owner (ms, p50)", "p95", "request (ms, p50)", "p95", "times the owner")
    table = result.table(f"Requests and the owner, {plan.rows:,} rows of the agent in each table", *header)
    worst = 0.0
    for (kind, name), work in (_searches() | _lookups()).items():
        contenders = {"owner": _timed(owner, work), "request": _timed(request, work)}
        taken = fixtures.in_turns(contenders, plan.rounds, warm_up=12, seconds=plan.seconds)
        times = result.compare(f"{kind}: {name}", taken["request"], taken["owner"])
        owners, requests = fixtures.milliseconds(taken["owner"]), fixtures.milliseconds(taken["request"])
        table.rows.append([kind, name, *owners, *requests, times])
        if (kind, name) in _searches():
            worst = max(worst, times.value)
    owner.close()
    pool.close()
    result.numbers["worst"] = worst
    result.ratios.append(
        f"full-text search of a request takes at most {worst:.2f} times the owner's, role and scope included "
        f"(line: {LINE}), as a plain role"
    )


def _timed(database: Database, work: Work) -> Callable[[int], object]:
    def run(n: int) -> object:
        with database.connection() as connection:
            return work(connection, n)

    return run


def _searches() -> dict[tuple[str, str], Work]:
    return {(kind, name): _search(kind, words) for kind in KINDS for name, words in WORDS.items()}


def _search(kind: Kind, words: Callable[[int], str]) -> Work:
    def search(connection: Connection, n: int) -> object:
        return _ranked(connection, kind, words(n), Filters())

    return search


def _ranked(connection: Connection, kind: Kind, words: str, filters: Filters) -> object:
    store = SearchStore(connection, AGENT)
    given: dict[str, Any] = {"seeds": SEEDS, "counts": Counts({kind: 1}, {kind: 0}), "candidates": {kind: 1}}
    return store.ranked(ParsedQuery(words), None, filters=filters, language=LANGUAGE, **given)


def _lookups() -> dict[tuple[str, str], Work]:
    """What else an index serves by an operator that a policy keeps from it."""

    def phrase(connection: Connection, n: int) -> object:
        store = SearchStore(connection, AGENT)
        asked = [f'"rare{n % 100} every"', '"every rare"']
        return store.occurring(asked, kinds=["archival"], filters=Filters(), language=LANGUAGE)

    def tagged(connection: Connection, n: int) -> object:
        return _ranked(connection, "archival", "every", Filters(tags=[f"tag{n % 100}"]))

    def find(connection: Connection, n: int) -> object:
        return GraphStore(connection, AUTHOR).find_entities(f"Name {2 * (n % 100) + 1}")

    def walk(connection: Connection, n: int) -> object:
        way = Walk([], [f"name {2 * (n % 100) + 1}"], hops=2, limit=50, fan_out=25)
        return TraversalStore(connection, AUTHOR).within(way)

    return {
        ("archival", "which phrases occur"): phrase,
        ("archival", "a word in all, with a tag of 1%"): tagged,
        ("archival", "list by a tag of 1%"): _list("tag7"),
        ("archival", "list by a tag of all"): _list("tagged"),
        ("entity", "find by name"): find,
        ("entity", "walk from a name"): walk,
    }


def _list(tag: str) -> Work:
    def listed(connection: Connection, _: int) -> object:
        return ArchivalStore(connection, AUTHOR).list(limit=100, tags=[tag])

    return listed


def _policies(dsn: str, plan: Plan, result: fixtures.Result) -> None:
    header = ("statement", "with sub-selects (ms, p50)", "p95", "without (ms, p50)", "p95", "times as long without")
    table = result.table("The policies, without the sub-selects and with them", *header)
    with ExitStack() as opened:
        owner = opened.enter_context(connect(dsn, autocommit=True))
        for statement in (SQL.before, SQL.before_in_scope, SQL.before_agent, SQL.before_policies):
            owner.execute(statement)
        before, today = (opened.enter_context(connect(dsn)) for _ in range(2))
        _enter(before, SQL.enter_before, "bench_before")
        _enter(today, isolation.SQL.enter, today.role)
        for name, (statement, given) in _statements().items():
            contenders = {"before": _run(before, statement, given), "today": _run(today, statement, given)}
            taken = fixtures.in_turns(contenders, plan.rounds, warm_up=12, seconds=plan.seconds)
            times = result.compare(f"policies: {name}", taken["today"], taken["before"])
            cells = (fixtures.milliseconds(taken["before"]), fixtures.milliseconds(taken["today"]))
            table.rows.append([name, *cells[0], *cells[1], times])
            result.ratios.append(f"{name} takes {times} times as long without sub-selects in the policies")
        entering = {
            "before": lambda _: _enter(before, SQL.enter_before, "bench_before"),
            "today": lambda _: _enter(today, isolation.SQL.enter, today.role),
        }
        taken = fixtures.in_turns(entering, plan.rounds, warm_up=12, seconds=plan.seconds)
        cells = (fixtures.milliseconds(taken["before"]), fixtures.milliseconds(taken["today"]))
        table.rows.append(["entering", *cells[0], *cells[1], fixtures.ratio(taken["today"], taken["before"])])


def _enter(connection: Connection, statement: bytes, role: str) -> None:
    given = {"scope": json.dumps([AGENT]), "agent_id": AGENT, "role": role}
    connection.prepare_threshold = 5  # as in a pool
    connection.execute(statement, given)


def _statements() -> dict[str, tuple[bytes, Callable[[int], dict[str, Any]]]]:
    def agent(_: int) -> dict[str, Any]:
        return {"agent_id": AGENT}

    def walk(n: int) -> dict[str, Any]:
        way = Walk([2 * (n % 100) + 1], [], hops=6, limit=500, fan_out=25)
        return agent(n) | way.parameters()

    return {
        "one row by its id": (SQL.get, lambda n: {"agent_id": AGENT, "id": 2 * (n % 100) + 1}),
        "the latest 100 rows": (SQL.latest, agent),
        "a condition on all rows": (SQL.count, agent),
        "a walk that begins scans anew": (_statement("within", of_types=False), walk),
        "20 new rows": (SQL.insert, agent),
    }


def _run(connection: Connection, statement: bytes, given: Callable[[int], dict[str, Any]]) -> Callable[[int], object]:
    def run(n: int) -> object:
        cursor = connection.execute(statement, given(n))
        return cursor.fetchall() if cursor.description else None

    return run


if __name__ == "__main__":
    main()
