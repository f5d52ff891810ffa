"""An agent as it was at a time: every kind of row, marked as past, and nothing to change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memgpt.memory import Memory
from memgpt.server.console import addresses
from tests.console.conftest import Tab, Visitor


@pytest.fixture
def changed(memory: Memory) -> tuple[Memory, str]:
    """A memory that has changed in every way since a time, and that time."""
    memory.core.create("human", "Lives in Graz")
    first = memory.remember("flies to Graz")
    memory.messages.append("user", "the first turn", session="mon/day")
    memory.messages.append("user", "of another day", session="tuesday")
    document = memory.documents.add("# Plan\n\nThe old plan", title="Plan")
    memory.graph.add_fact("Ann", "lives_in", "Graz")
    at = memory.history(limit=1)[0].changed_at + timedelta(microseconds=1)
    memory.core["human"].replace("Graz", "Vienna")
    memory.archival.supersede(first.id, "prefers night trains")
    memory.messages.delete_session("mon/day")
    memory.documents.delete(document.id)
    memory.graph.add_fact("Ben", "lives_in", "Linz")
    return memory, at.isoformat()


def test_every_kind_is_as_it_was(visitor: Visitor, changed: tuple[Memory, str]) -> None:
    memory, at = changed
    seen = {
        ("",): ("Lives in Graz", "Vienna"),
        ("blocks", "human"): ("Lives in Graz", "Vienna"),
        ("memories",): ("flies to Graz", "night trains"),
        ("memories", 1): ("flies to Graz", "Superseded"),
        ("conversations",): ("the first turn", "nothing of this kind"),
        ("conversations", "mon/day"): ("the first turn", "of another day"),
        ("documents",): ("Plan", "nothing of this kind"),
        ("documents", 1): ("The old plan", "nothing of this kind"),
    }
    for path, (there, absent) in seen.items():
        page = visitor.get(addresses.address("agents", "ann", *[part for part in path if part], at=at))
        assert (page.status_code, there in page.text, absent in page.text) == (200, True, False), path
        assert "As it was at" in page.text
        assert 'method="post" action="/agents/' not in page.text, "nothing can be changed"
    page = visitor.get(addresses.address("agents", "ann", kind="fact", at=at)).text
    assert ("Graz" in page, "Linz" in page) == (True, False)
    assert (
        "at=" in visitor.get(addresses.address("agents", "ann", at=at)).text.split('href="/agents/ann/memories')[1][:9]
    )
    assert memory.core["human"].value == "Lives in Vienna"


def test_pages_of_the_present_say_so(visitor: Visitor, changed: tuple[Memory, str]) -> None:
    page = visitor.get(addresses.address("agents", "ann", "search", at=changed[1])).text
    assert "This page shows the present" in page
    assert visitor.get("/agents/ann?at=yesterday").status_code == 422
    assert visitor.get("/agents/ann?at=2100-01-01&kind=x").status_code == 422


def test_the_past_is_paged_by_key(visitor: Visitor, memory: Memory) -> None:
    memory.remember_many({"text": f"Memory {n}."} for n in range(60))
    page = visitor.get("/agents/ann/memories?at=2100-01-01T00:00:00").text
    assert ("Memory 49." in page, "Memory 50." in page) == (True, False)
    following = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    page = visitor.get(following).text
    assert ("Memory 49." in page, "Memory 50." in page) == (False, True)


def test_looking_back_from_a_change(tab: Tab, changed: tuple[Memory, str]) -> None:
    assert changed[1]
    page = tab.open("/agents/ann/history?kind=block")
    page.get_by_role("link", name="The whole change").first.click()
    page.get_by_role("link", name="The agent as it was before").click()
    page.get_by_text("Lives in Graz").wait_for()
    page.get_by_role("note").get_by_text("As it was at").wait_for()
    tab.is_accessible()
    tab.shot("past")
    page.get_by_role("link", name="Memories").click()
    page.get_by_text("prefers night trains").wait_for(state="detached")
    assert "at=" in page.url
    page.get_by_role("link", name="back to now").click()
    page.get_by_text("Lives in Vienna").wait_for()
    page.get_by_label("As it was at (UTC)").fill("2000-01-01T00:00:00")
    page.get_by_role("button", name="Look back").click()
    page.get_by_text("There was nothing of this kind then.").wait_for()
