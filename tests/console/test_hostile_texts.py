"""Texts that want to be markup, links, styles or instructions are texts, on every page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from memgpt.agent.record import TurnRecord
from memgpt.memory import Memory
from memgpt.server.console import Console, addresses
from memgpt.server.service import Service
from tests.console.conftest import AGENT, Tab, Visitor
from tests.console.hostile import AGENTS, HARMLESS, TEXTS, fill


class Elements(HTMLParser):
    """Every kind of element with the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.links: list[str] = []
        self.shown = ""
        """What a reader sees; values of forms are as they are."""
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in != "textarea":
            self.shown += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.seen[f"{tag} {' '.join(sorted(name for name, _ in attrs))}"] += 1
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "hx-get", "hx-post")]


def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


def addresses_of(application: tuple[FastAPI, Console], memory: Memory) -> list[str]:
    """Every page there is of an agent, with rows of it."""
    names = {
        "agent": memory.agent,
        "label": memory.core.list()[0].label,
        "session": memory.messages.sessions(limit=1)[0].session,
        "memories": str(min(one.id for one in memory.archival.list(limit=1000, superseded=True))),
        "documents": str(memory.documents.list(limit=1)[0].id),
        "files": str(memory.files.list(limit=1)[0].id),
        "entities": str(memory.graph.overview(limit=1).most_connected[0].id),
        "conversations": str(memory.messages.list(limit=1)[0].id),
        "chat": str(TurnRecord(memory, "default").steps(None, 1)[0].id),
    }

    def filled(path: str) -> str:
        section = path.split("/")[3] if path.count("/") > 2 else ""
        place = lambda match: addresses.segment(names[section if match[1] == "id" else match[1]])  # noqa: E731
        return re.sub(r"\{(\w+)\}", place, path)

    routes = [route for router in application[1].routers for route in router.routes if isinstance(route, APIRoute)]
    pages = [filled(route.path) for route in routes if "GET" in (route.methods or ()) and "{agent}" in route.path]
    item = memory.items.search(limit=1)[0].item
    place = addresses.address(label=item.namespace, key=item.key)[1:]
    queries = {"expected": "?q=flight&kind=archival&id=1", "compare": "?a=flight&b=evil", "search": "?q=flight"}
    asked = [
        path + (place if "/items/" in path else queries.get(path.rpartition("/")[2], ""))
        for path in pages
        if not path.endswith(("/context/text", "/moment"))
    ]
    searched = addresses.address("agents", memory.agent, "search")
    graph = f"{addresses.address('agents', memory.agent, 'graph')}?from={names['entities']}"
    drawn = [graph, f"{graph}&view=table&open={names['entities']}"]
    namespace = addresses.address("agents", memory.agent, "items", label=item.namespace)
    return ["/", namespace, *asked, *drawn, f"{searched}?q=", f"{searched}/context?q=flight&budget=100000"]


def test_no_page_has_an_element_that_a_text_made(
    application: tuple[FastAPI, Console], visitor: Visitor, memory: Memory, dsn: str
) -> None:
    fill(memory, TEXTS)
    with Memory("twin", dsn=dsn) as twin:
        fill(twin, tuple(f"{HARMLESS} {'x' * (len(text) - 40)}" for text in TEXTS))
        harmless: set[str] = {"span class title"}  # the label of a hidden character
        for path in addresses_of(application, twin):
            answer = visitor.get(path)
            assert answer.status_code == 200, path
            harmless |= set(elements(answer.text).seen)
    for path in addresses_of(application, memory):
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        made = elements(answer.text)
        assert set(made.seen) - harmless == set(), path
        assert [link for link in made.links if not link.startswith(("/", "#"))] == [], path
        assert "\u202e" not in made.shown, path


@pytest.mark.parametrize("agent", AGENTS)
def test_every_name_of_an_agent_has_an_address(visitor: Visitor, dsn: str, agent: str) -> None:
    with Memory(agent, dsn=dsn) as memory:
        memory.remember("of this agent only")
    links = elements(visitor.get("/").text).links
    [address] = [link for link in links if link.startswith("/agents/")]
    assert addresses.name_of(address.split("/")[2]) == agent
    answer = visitor.get(address)
    assert (answer.status_code, "of this agent only" in answer.text) == (200, True)


def test_nothing_runs_in_a_browser(
    application: tuple[FastAPI, Console], tab_with: Callable[..., Tab], service: Service, memory: Memory
) -> None:
    fill(memory, TEXTS)
    tab = tab_with()
    tab.sign_in(service.keys.create(TEXTS[0], permissions=("read", "write", "admin")).token)
    assert memory.agent == AGENT
    for path in addresses_of(application, memory):
        page = tab.open(path)
        page.locator("main").wait_for()
        assert page.evaluate("window.pwned") is None, path
        assert page.url == tab.address + path
