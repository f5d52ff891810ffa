"""The palette and the keys: what begins with a text, within the reach of the key; and all of it without a mouse."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from memgpt import Agents, Memory
from memgpt.server.service import SQL, Service
from tests.console.conftest import Tab, Visitor
from tests.integration.test_plans import nodes


@pytest.fixture
def known(memory: Memory, dsn: str) -> Memory:
    memory.core["human"].append("Ann.")
    memory.core.create("Ânnex", "x")
    memory.graph.add_fact("Anna Bauer", "knows", "ANNE")
    memory.graph.add_fact("Anton", "knows", "annex <b>")
    memory.remember("The flight to Oslo leaves on 3 May.", tags=["travel"])
    memory.remember("The cat of Oslo is called Miso.")
    with Agents(dsn=dsn) as agents:
        for n in range(12):
            agents.create(f"annual-{n:02}")
        agents.create("zoe")
    return memory


def names(answer: Any) -> list[tuple[str, str]]:
    return [(one["name"], one["href"]) for one in answer.json()]


@pytest.mark.parametrize("by_code_point", [True, False], ids=["in ranges", "in the order of the index"])
def test_names_that_begin_so(
    visitor: Visitor, known: Memory, service: Service, monkeypatch: pytest.MonkeyPatch, by_code_point: bool
) -> None:
    facts = replace(service.database.server, by_code_point=by_code_point)
    monkeypatch.setattr(type(service.database), "server", facts)
    found = names(visitor.get("/palette?q=ann&agent=ann"))
    assert [name for name, _ in found[:3]] == ["ANNE", "Anna Bauer", "annex <b>"]
    assert found[1][1] == f"/agents/ann/entities/{known.graph.find('Anna Bauer')[0].id}"
    assert [href for _, href in found[3:]] == [
        "/agents/ann",
        *(f"/agents/annual-{n:02}" for n in range(7)),
        "/?prefix=ann",
    ]
    assert names(visitor.get("/palette?q=HU&agent=ann")) == [("human", "/agents/ann/blocks/human")]
    assert names(visitor.get("/palette?q=ânn&agent=ann")) == [("Ânnex", f"/agents/ann/blocks/{'~w4JubmV4'}")]
    at = "2026-01-01T00:00:00Z"
    assert "?at=2026" in names(visitor.get(f"/palette?q=hu&agent=ann&at={at}"))[0][1]
    assert names(visitor.get("/palette?q=an&agent=zoe"))[0] == ("ann", "/agents/ann")
    for wrong in ("", "%00", "%20", "x" * 201):
        assert visitor.get(f"/palette?q={wrong}&agent=ann").status_code == 422


def test_the_palette_has_the_reach_of_its_key(visitor_with: Callable[..., Visitor], known: Memory) -> None:
    other = visitor_with(agents=["annual-0*"], permissions=["read"])
    assert [name for name, _ in names(other.get("/palette?q=an&agent=ann"))] == [
        *(f"annual-{n:02}" for n in range(8)),
        "More agents that begin so",
    ]
    assert names(other.get("/palette?q=hu&agent=ann")) == []
    assert visitor_with(agents=["ann"], permissions=["write"]).get("/palette?q=an").status_code == 403


def test_names_are_looked_up_in_their_index(known: Memory, dsn: str) -> None:
    values = {
        "prefix": "anna", "agent_id": "ann", "limit": 9, "firsts": ["Anna", "anna"], "lasts": ["Anna~", "anna~"],
        "first_agents": ["anna"], "last_agents": ["anna~"], "anywhere": False,
    }  # fmt: skip
    scope = "SELECT set_config('memgpt.scope', '[\"*\"]', true), set_config('memgpt.agent_id', 'ann', true)"
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "INSERT INTO kg_entities (agent_id, name, type) "
            "SELECT 'ann', 'thing ' || n, 'x' FROM generate_series(1, 3000) n"
        )
        owner.execute("ANALYZE kg_entities")
        owner.execute(scope)
        owner.execute("SET LOCAL ROLE memgpt_agent")
        [[plan]] = owner.execute(b"EXPLAIN (FORMAT JSON) " + SQL.named, values).fetchall()
    conditions = [
        node["Index Cond"] for node in nodes(plan[0]["Plan"]) if node.get("Index Name") == "kg_entities_name_idx"
    ]
    assert any("name >= " in str(condition) for condition in conditions), conditions


def test_commands_and_names_by_keyboard(tab: Tab, known: Memory) -> None:
    page = tab.open("/agents/ann")
    tab.ready()
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Find a command")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")
    page.keyboard.type("anna")
    options.filter(has_text="Anna Bauer").wait_for()
    tab.is_accessible()
    chosen = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    assert chosen.get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert "found" in page.locator("#palette [role=status]").inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Anna Bauer").wait_for()
    tab.ready()
    page.keyboard.press("Control+k")
    page.keyboard.type("nothing that is called so")
    page.get_by_text("Nothing begins so.").wait_for()
    assert (box.get_attribute("aria-expanded"), box.get_attribute("aria-activedescendant")) == ("false", None)
    tab.is_accessible()
    page.keyboard.press("Escape")
    box.wait_for(state="hidden")
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.id") == "look-back"


def test_keys_of_rows_and_of_times(tab: Tab, known: Memory) -> None:
    page = tab.open("/agents/ann/search?q=Oslo")
    tab.ready()
    hits = page.locator(".hit")
    page.get_by_role("heading", name="Search").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("w")
    hits.nth(1).locator("details[open]").wait_for()
    page.keyboard.press("x")
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.get_by_text("2 selected").wait_for()
    tab.is_accessible()
    page.get_by_role("button", name="Select none").click()
    assert page.locator("#selected").is_hidden()
    tab.open("/agents/ann/blocks")
    tab.ready()
    page.keyboard.press("[")
    page.get_by_text("As it was at", exact=True).wait_for()
    moments = [page.url]
    for key in ("[", "[", "]", "]", "]"):
        tab.ready()
        page.keyboard.press(key)
        page.wait_for_url(lambda url: url != moments[-1])
        moments.append(page.url)
    assert moments[0] > moments[1] > moments[2] < moments[3] < moments[4]
    tab.ready()
    page.keyboard.press("]")
    page.wait_for_url(re.compile(r"/agents/ann/blocks$"))


def test_single_keys_are_switched_off_and_that_is_remembered(tab: Tab, known: Memory) -> None:
    page = tab.open("/agents/ann")
    tab.ready()
    page.keyboard.press("?")
    page.get_by_label("Keys without Ctrl are on").uncheck()
    tab.is_accessible()
    page.keyboard.press("Escape")
    page.reload()
    tab.ready()
    for key in ("g", "m", "?", "a"):
        page.keyboard.press(key)
    assert page.locator("dialog[open]").count() == 0
    page.keyboard.press("Control+k")
    page.keyboard.type("Keys")
    page.keyboard.press("Enter")
    page.get_by_label("Keys without Ctrl are on").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url(re.compile(r"/agents/ann/memories$"))
