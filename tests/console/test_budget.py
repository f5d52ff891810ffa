"""How many statements a page asks: as many for ten rows as for a thousand, and no more than it is allowed."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from memgpt.items.items import NewItem
from memgpt.memory import Memory
from memgpt.server.console import Console
from tests.console.conftest import Visitor

BUDGET = {
    "/": 2,
    "/palette?q=th&agent=ann": 1,
    "/agents/ann/moment?to=earlier": 2,
    "/agents/ann": 5,
    "/agents/ann/numbers": 4,
    "/agents/ann/memories": 2,
    "/agents/ann/memories?tag=travel": 2,
    "/agents/ann/memories/1": 3,
    "/agents/ann/memories/1/edit": 2,
    "/agents/ann/search?q=flight": 4,
    "/agents/ann/search/context?q=flight": 6,
    "/agents/ann/documents": 2,
    "/agents/ann/documents/1": 4,
    "/agents/ann/documents/1?q=text": 5,
    "/agents/ann/files": 2,
    "/agents/ann/files/1": 2,
    "/agents/ann/files/1/edit": 2,
    "/agents/ann/files?at=2100-01-01T00:00:00": 2,
    "/agents/ann/items": 2,
    "/agents/ann/items?label=users&label=ann": 2,
    "/agents/ann/items/value?label=users&label=ann&key=key%200": 2,
    "/agents/ann/conversations": 2,
    "/agents/ann/conversations/s1": 2,
    "/agents/ann/blocks": 2,
    "/agents/ann/blocks/human": 2,
    "/agents/ann/blocks/human/edit": 2,
    "/agents/ann/blocks/human/versions": 2,
    "/agents/ann/blocks/human/blame": 3,
    "/agents/ann/graph": 2,
    "/agents/ann/graph?from=1&hops=3": 3,
    "/agents/ann/graph?from=1&open=2&open=1&path=3": 10,
    "/agents/ann/entities": 2,
    "/agents/ann/entities/1": 9,
    "/agents/ann/history": 2,
    "/agents/ann/forget?id=1": 8,
    "/agents/ann/proposals": 2,
    "/agents/ann?at=2100-01-01T00:00:00": 2,
    "/agents/ann/memories?at=2100-01-01T00:00:00": 2,
    "/agents/ann/conversations/s1?at=2100-01-01T00:00:00": 2,
    "/agents/ann/conversations?after=s3": 2,
    "/agents/ann/history?kind=archival&actor=agent%3Aann": 2,
    "/agents/ann/chat": 4,
    "/operations/doctor": 0,
    "/operations/indexes": 0,
    "/operations/indexes/sizes": 3,
    "/operations/jobs": 1,
    "/operations/keys": 1,
    "/operations/audit": 1,
    "/operations/slow": 1,
}
"""Of each page, beside the one that looks the session up once in two seconds."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the database, whoever asked."""
    asked: list[str] = []
    lock = threading.Lock()
    execute = psycopg.Cursor.execute

    def counted(cursor: psycopg.Cursor[Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if "set_config" not in text and "SET ROLE" not in text and "SET LOCAL" not in text:
            with lock:
                asked.append(text)
        return execute(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    return asked


def fill(memory: Memory, start: int, end: int) -> None:
    memory.remember_many({"text": f"Memory {n} of the flight", "tags": ["travel"]} for n in range(start, end))
    memory.messages.append_many({"content": f"Turn {n}", "session": f"s{n % 7}"} for n in range(start, end))
    for n in range(start, min(end, start + 60)):
        memory.graph.add_fact("Ann", f"knows_{n % 5}", f"Thing {n}", provenance=("archival", 1))
        memory.graph.add_fact(f"Thing {n}", "near", f"Thing {n + 1}")
    memory.core["human"].append(f"Line {start}")
    items = [NewItem(("users", f"ann{n % 60 or ''}"), f"key {n}", {"n": n}, text="") for n in range(start, end)]
    memory.items.put_many(items)
    for n in range(start, min(end, start + 60)):
        memory.files.write(f"/notes/{n}.md", f"Note {n}")
    for n in range(start, min(end, start + 20)):
        memory.documents.add(f"# Title {n}\n\nText {n}", source=f"file {n}")


def test_pages_ask_little(
    application: tuple[FastAPI, Console], visitor: Visitor, memory: Memory, statements: list[str]
) -> None:
    spent: list[dict[str, int]] = []
    for start, end in ((0, 10), (10, 1000)):
        fill(memory, start, end)
        for path in BUDGET:
            visitor.get(path)  # counts of an agent's rows and the like are remembered for a while
        spent.append({})
        for path in BUDGET:
            visitor.get("/sign-in")
            application[1].sessions.find(next(iter(visitor.client.cookies.values())))
            statements.clear()
            assert visitor.get(path, follow_redirects=False).status_code in (200, 303)
            spent[-1][path] = len(statements)
    assert spent[0] == spent[1]
    assert {path: n for path, n in spent[1].items() if n > BUDGET[path]} == {}
