"""The history in the console: what was done, by whom, taken back and done again, and live."""

from __future__ import annotations

import re

import pytest

from memgpt.memory import Memory
from memgpt.server.console import addresses
from tests.console.conftest import Tab, Visitor

HISTORY = "/agents/ann/history"


@pytest.fixture
def changed(memory: Memory, dsn: str) -> Memory:
    """A block that two people wrote, a memory and what replaces it, and three rows of one change."""
    memory.core.create("human", "Name: Ann\nLives in Graz")
    with Memory("ann", dsn=dsn, actor="key:ops") as other:
        other.core["human"].replace("Graz", "Vienna")
    first = memory.remember("flies to Graz", tags=["travel"])
    memory.archival.supersede(first.id, "prefers night trains")
    memory.remember_many({"text": f"Memory {n}"} for n in range(3))
    return memory


def test_changes_are_told_with_who_and_how_they_differ(visitor: Visitor, changed: Memory) -> None:
    page = visitor.get(HISTORY).text
    for text in ("Added block human", "Changed block human", "key:ops", "Changed 3 rows", "Undo all 3"):
        assert text in page, text
    superseded = changed.history("archival", action="update", limit=1)[0]
    assert f"Superseded memory {superseded.row_id} by" in visitor.get(f"{HISTORY}?change={superseded.change_id}").text
    assert re.search(r"<del>Graz</del>", page)
    assert re.search(r"<ins>Vienna</ins>", page)


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("kind=block", "block human", "memory"),
        ("actor=key%3Aops", "Changed block human", "Added block"),
        ("action=update&kind=block&id=", "Changed block human", "Added block"),
        ("since=2100-01-01T00:00", "No change fits", "block human"),
        ("until=2000-01-01T00:00", "No change fits", "block human"),
    ],
)
def test_filters_are_in_the_address(visitor: Visitor, changed: Memory, query: str, there: str, absent: str) -> None:
    assert changed.agent == "ann"
    answer = visitor.get(f"{HISTORY}?{query}", headers={"HX-Request": "true"})
    assert (there in answer.text, absent in re.sub("<[^>]*>", "", answer.text)) == (True, False)


def test_pages_go_on_by_key(visitor: Visitor, memory: Memory) -> None:
    for n in range(60):
        memory.remember(f"Memory {n}")
    first = visitor.get(HISTORY).text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = visitor.get(following[1].replace("&amp;", "&")).text
    assert ("Memory 59" in first, "Memory 59" in second, "Memory 5<" in second) == (True, False, True)


def test_undo_do_again_and_undo_of_a_change_of_several_rows(visitor: Visitor, changed: Memory) -> None:
    several = changed.history(limit=1)[0].change_id
    page = visitor.post("/agents/ann/undo", change=str(several), back=HISTORY)
    assert (page.url.path, "Undone" in page.text, "Do again" in page.text) == (HISTORY, True, True)
    assert not changed.archival.list(tags=None, limit=10)[0].text.startswith("Memory")
    undo = changed.history(change_id=several)[0].undone_by
    page = visitor.post("/agents/ann/undo", change=str(undo), back=HISTORY)
    assert len([one for one in changed.archival.list(limit=10) if one.text.startswith("Memory")]) == 3
    assert changed.history(change_id=several)[0].undone_by is None


def test_what_is_in_the_way_of_an_undo_is_shown(visitor: Visitor, changed: Memory) -> None:
    first = changed.history("block", action="insert", limit=1)[0]
    page = visitor.post("/agents/ann/undo", change=str(first.change_id), back=HISTORY)
    assert (page.status_code, "was changed later" in page.text) == (409, True)
    link = addresses.address("agents", "ann", "history", kind="block", id=first.row_id).replace("&", "&amp;")
    assert link in page.text


def test_a_reader_undoes_nothing(visitor_with, changed: Memory) -> None:  # type: ignore[no-untyped-def]
    reader = visitor_with(permissions=["read"])
    assert "Undo" not in reader.get(HISTORY).text
    change = str(changed.history(limit=1)[0].change_id)
    assert reader.post("/agents/ann/undo", change=change).status_code == 403


def test_the_timeline_lives_and_is_undone_by_hand(tab: Tab, changed: Memory, dsn: str) -> None:
    page = tab.open(HISTORY)
    page.get_by_text("Changed block human").wait_for()
    tab.is_accessible()
    tab.shot("history")
    with Memory("ann", dsn=dsn, actor="agent:late") as other:
        other.core.create("context", "Something new")
    page.get_by_text("Added block context").wait_for()
    page.get_by_text("Rows", exact=True).click()
    changed.core["context"].append("More")
    page.get_by_role("link", name="There are newer changes").click()
    row = page.get_by_role("listitem").filter(has_text="Changed block context")
    row.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone: it is as it was before.").wait_for()
    assert changed.core["context"].value == "Something new"
    page.get_by_role("listitem").filter(has_text="undone").get_by_role("button", name="Do again").first.click()
    page.get_by_role("listitem").filter(has_text="undone").first.wait_for()
    assert "More" in changed.core["context"].value
    tab.ready()  # the page of the answer: before its scripts are there, only the button filters
    page.get_by_role("combobox", name="Of").select_option("block")
    page.get_by_text("Changed 3 rows").wait_for(state="detached")
    assert "kind=block" in page.url
    tab.is_accessible()
