"""Core memory in the console: the editor, versions, two people at one block, undo."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memgpt.memory import Memory
from tests.console.conftest import Tab, Visitor

START = "Name: Ann\nLives in Graz"


@pytest.fixture
def written(memory: Memory) -> Memory:
    memory.core.create("human", START)
    return memory


def test_a_block_is_created_edited_described_deleted_and_brought_back(visitor: Visitor, memory: Memory) -> None:
    memory.remember("The agent exists.")
    visitor.get("/agents/ann/blocks")
    page = visitor.post("/agents/ann/blocks", label="human", value="Name: Ann\r\nLikes tea")
    assert "Created block human." in page.text
    assert memory.core["human"].value == "Name: Ann\nLikes tea"
    page = visitor.post("/agents/ann/blocks/human", version="1", value="Name: Ann Bauer")
    assert "Saved block human, version 2." in page.text
    fields = {"version": "2", "limit": "100", "description": "Who it is about", "read_only": "true"}
    assert "version 3" in visitor.post("/agents/ann/blocks/human/describe", **fields).text
    block = memory.core["human"].block
    assert (block.limit, block.description, block.read_only) == (100, "Who it is about", True)
    fields = {"version": "3", "limit": "100", "description": "Who it is about"}
    visitor.post("/agents/ann/blocks/human/describe", **fields)
    page = visitor.post("/agents/ann/blocks/human/delete", version="4")
    assert "human" not in memory.core
    change = page.text.split('name="change" value="')[1][:36]
    assert "Undone" in visitor.post("/agents/ann/undo", change=change, back="/agents/ann/blocks").text
    assert memory.core["human"].value == "Name: Ann Bauer"


def test_a_text_over_the_limit_stays_in_the_form(visitor: Visitor, written: Memory) -> None:
    written.core["human"].describe(limit=30)
    page = visitor.post("/agents/ann/blocks/human", version="2", value="x" * 31)
    assert (page.status_code, "1 over its limit" in page.text, "x" * 31 in page.text) == (422, True, True)


def test_whoever_may_only_read_edits_nothing(visitor_with: Callable[..., Visitor], written: Memory) -> None:
    reader = visitor_with(permissions=["read"])
    page = reader.get("/agents/ann/blocks/human")
    assert (page.status_code, "/edit" in page.text, "may read only" in page.text) == (200, False, True)
    assert reader.get("/agents/ann/blocks/human/edit").status_code == 403
    assert reader.post("/agents/ann/blocks/human", version="1", value="mine").status_code == 403
    assert written.core["human"].value == START


def test_what_a_page_says_was_done_cannot_be_made_up(visitor: Visitor, written: Memory) -> None:
    [change] = written.history(limit=1)
    page = visitor.get(f"/agents/ann?did=Deleted&done={change.change_id}&mark={'0' * 64}")
    assert "Deleted" not in page.text


def test_an_edit_with_a_conflict_and_its_undo(tab: Tab, written: Memory) -> None:
    tab.watch.expected += ["409"]
    page = tab.open("/agents/ann/blocks/human")
    page.keyboard.press("e")
    page.get_by_label("Text").fill("Name: Ann Bauer\nLives in Linz")
    tab.is_accessible()
    written.core["human"].rethink("Name: Ann\nLives in Vienna\nLikes trains")
    page.keyboard.press("Control+Enter")
    page.get_by_role("heading", name="Somebody was faster").wait_for()
    assert written.core["human"].value == "Name: Ann\nLives in Vienna\nLikes trains", "never overwritten"
    assert "agent:ann" in page.get_by_role("alert").inner_text()
    tab.is_accessible()
    tab.shot("conflict")
    page.get_by_role("radio", name="Both").check()
    page.get_by_role("button", name="Save against version 2").click()
    page.get_by_text("Saved block human, version 3.").wait_for()
    tab.ready()
    both = written.core["human"].value
    assert {"Lives in Vienna", "Lives in Linz", "Name: Ann Bauer", "Likes trains"} <= set(both.split("\n"))
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert written.core["human"].value == "Name: Ann\nLives in Vienna\nLikes trains"
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone").wait_for()
    assert written.core["human"].value == both, "an undo is undone"
    page.goto(page.url.partition("?")[0] + "/versions")
    page.locator(".diff ins").first.wait_for()
    tab.is_accessible()
    tab.shot("versions")
    page.goto(page.url.replace("/versions", ""))
    page.get_by_role("link", name="Who wrote it").click()
    wrote = page.locator("[data-row]").filter(has_text="Lives in Vienna")
    assert "agent:ann" in wrote.inner_text()
    tab.is_accessible()
    tab.shot("blame")
