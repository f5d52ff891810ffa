"""How long until somebody sees a page of the console, against an empty page of the same process?"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from playwright.sync_api import Page
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks import browser, fixtures
from benchmarks.agents import SQL as AGENTS
from memgpt.database import queries

SQL = queries.beside("benchmarks.console")

TINY, QUICK, FULL = 200, 10_000, 100_000
EMPTY = "/empty"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def main() -> None:
    options = fixtures.arguments(__doc__).parse_args()
    rows = TINY if options.tiny else FULL if options.full else QUICK
    browser.need()
    result = fixtures.Result("console", "First contentful paint of the console's pages")
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "console")
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(AGENTS.fill, {"agents": rows})
            owner.execute(SQL.fill, {"memories": rows})
            owner.execute("VACUUM (ANALYZE)")
        with browser.browsing() as chromium, browser.served(dsn, _with_empty_page) as address:
            measure(chromium.new_context(base_url=address).new_page(), rows, 3 if options.tiny else 15, result)
    result.publish(keep=not options.tiny)


def measure(page: Page, rows: int, rounds: int, result: fixtures.Result) -> None:
    """Time each page by the browser's own account of its first paint with contents."""
    table = result.table(f"{rows:,} agents, one with {rows:,} memories (ms)", "", "p50", "p95", "times the empty page")
    painted: dict[str, list[float]] = {}
    pages = {
        "an empty page": EMPTY,
        "the list of agents": "/",
        "the large agent": "/agents/large",
        "its memories": "/agents/large/memories",
        "a search in it": "/agents/large/search?q=train+to+Linz",
    }
    visits = {name: _visit(page, path, painted.setdefault(name, [])) for name, path in pages.items()}
    fixtures.in_turns(visits, rounds, warm_up=0)
    floor = painted["an empty page"]
    for name, times in painted.items():
        ratio = fixtures.ratio(times, floor)
        table.rows.append([name, *fixtures.milliseconds(times), f"{ratio.value:.1f}"])
        if times is not floor:
            result.ratios.append(f"{name} is painted in {ratio} times an empty page, at {rows:,} rows")
            result.numbers[name] = ratio.value


def _visit(page: Page, path: str, seconds: list[float]) -> Callable[[int], object]:
    def visit(_: int) -> None:
        page.goto(path)
        while (paint := page.evaluate(PAINT)) is None:
            page.wait_for_timeout(5)
        seconds.append(paint / 1000)

    return visit


def _with_empty_page(app: ASGIApp) -> ASGIApp:
    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == EMPTY:
            await HTMLResponse("<!doctype html><title>x</title><p>x</p>")(scope, receive, send)
        else:
            await app(scope, receive, send)

    return either


if __name__ == "__main__":
    main()
