"""A key of one tenant on every page of the console, about the other: nothing of it comes back, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from memgpt.memory import Memory
from memgpt.server.console import Console, addresses
from memgpt.server.service import Caller
from tests.console.conftest import SAME_ORIGIN, Visitor
from tests.service.test_cross_tenant import FILTERED, rows_of, without_filters

__all__ = ["without_filters"]

MINE, THEIRS, JEWEL = "acme-1", "umbrella-1", "CROWNJEWEL"


def fill(dsn: str, agent: str, word: str) -> str:
    """Write something of every kind; the change that a stranger would like to take back."""
    with Memory(agent, dsn=dsn) as memory:
        memory.remember(f"The flight of {word}", tags=["travel"])
        memory.messages.append("user", f"The flight of {word}", session="monday")
        memory.documents.add(f"# Flight\n\nThe flight of {word}", title=word)
        memory.core.create("human", f"The flight of {word}")
        memory.files.write("/flight.md", f"The flight of {word}")
        memory.items.put(("human",), "flight", {"of": word})
        memory.graph.add_fact(word, "flies_to", f"{word} town")
        return str(memory.history("block", limit=1)[0].change_id)


@FILTERED
def test_no_page_tells_of_another_tenant(
    application: tuple[FastAPI, Console],
    visitor_with: Callable[..., Visitor],
    dsn: str,
    without_filters: Callable[[], int],
    filtered: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = fill(dsn, THEIRS, JEWEL)
    fill(dsn, MINE, "acme")
    before = rows_of(dsn, (THEIRS,))
    own = visitor_with(agents=["acme-*"], permissions=["read", "write", "admin"])
    if not filtered:
        assert without_filters() > 100
        monkeypatch.setattr(Caller, "may", lambda *_: True)
    fields = {
        "token": own.token,
        "text": "mine",
        "value": "mine",
        "version": "1",
        "base": "1",
        "limit": "100",
        "change": change,
        "label": "human",
        "theme": "dark",
        "q": "flight",
        "kind": "archival",
        "content": "mine",
        "to": "/mine.md",
        "key": "flight",
        "id": "1",
        "a": JEWEL,
        "b": "flight",
        "budget": "5000",
        "prefix": "umbrella",
        "session": "monday",
        "from": "1",
        "fact": "1",
        "proposal": "1",
        "verdict": "same",
    }
    routes = [route for router in application[1].routers for route in router.routes if isinstance(route, APIRoute)]
    seen = 0
    for route, agent, id in product(routes, (THEIRS, MINE), ("1", "2")):
        names = {"agent": addresses.segment(agent), "id": id, "label": "human", "session": "monday"}
        path = "/".join(names.get(part.strip("{}"), part) for part in route.path.split("/"))
        if path == "/sign-out":
            continue
        if "GET" in (route.methods or ()):
            answer = own.client.get(path, params=fields)
        elif path.endswith("/files"):
            sent = {"files": ("x.md", b"mine")}
            answer = own.client.post(path, data={"token": own.token}, files=sent, headers=SAME_ORIGIN)
        else:
            answer = own.client.post(path, data=fields, headers=SAME_ORIGIN)
        text = answer.text
        if path.endswith("/compare"):  # it shows what was typed, and hits lead to where that is marked
            text = text.replace(f'value="{JEWEL}"', "").replace(f"q={JEWEL}#", "")
        assert JEWEL not in text, path
        assert answer.status_code < 500, path
        if filtered and agent == THEIRS and "{agent}" in route.path and "{agent}/undo" not in route.path:
            assert answer.status_code in (404, 422), path
        seen += 1
    assert seen > 100
    assert rows_of(dsn, (THEIRS,)) == before
