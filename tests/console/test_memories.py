"""Archival memories in the console."""

from __future__ import annotations

from memgpt.memory import Memory
from tests.console.conftest import Tab, Visitor


def test_a_memory_is_kept_edited_superseded_deleted_and_brought_back(visitor: Visitor, memory: Memory) -> None:
    memory.core["human"].append("The agent exists.")
    visitor.get("/agents/ann/memories")
    page = visitor.post("/agents/ann/memories", text="Likes trains\r\nand tea", tags="travel, tea")
    [kept] = memory.archival.list()
    assert (kept.text, kept.tags) == ("Likes trains\nand tea", ["travel", "tea"])
    assert f"Remembered memory {kept.id}." in page.text
    assert "said this already" in visitor.post("/agents/ann/memories", text="Likes trains\nand tea").text
    fields = {"text": "Likes night trains", "tags": "travel", "importance": "0.9", "expires_at": "2999-12-31T23:00"}
    visitor.post(f"/agents/ann/memories/{kept.id}", **fields)
    edited = memory.archival.get(kept.id)
    assert (edited.text, edited.tags, edited.importance) == ("Likes night trains", ["travel"], 0.9)
    assert edited.expires_at is not None
    assert edited.expires_at.isoformat() == "2999-12-31T23:00:00+00:00"
    visitor.post(f"/agents/ann/memories/{kept.id}", **{**fields, "expires_at": ""})
    assert memory.archival.get(kept.id).expires_at is None
    page = visitor.post(f"/agents/ann/memories/{kept.id}/supersede", text="Flies")
    assert f"Superseded memory {kept.id} by " in page.text
    assert memory.archival.get(kept.id).superseded_by is not None
    change = page.text.split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back="/agents/ann/memories")
    assert memory.archival.get(kept.id).superseded_by is None
    page = visitor.post(f"/agents/ann/memories/{kept.id}/delete")
    assert memory.archival.list() == []
    change = page.text.split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back="/agents/ann/memories")
    assert [one.id for one in memory.archival.list()] == [kept.id]


def test_lists_are_paged_by_key(visitor: Visitor, memory: Memory) -> None:
    memory.remember_many({"text": f"Memory {n}", "tags": [f"t{n % 2}"]} for n in range(120))
    seen: list[str] = []
    address = "/agents/ann/memories?tag=t1"
    while address:
        text = visitor.get(address).text
        seen += [part.split("<")[0] for part in text.split('<div class="text" dir="auto">')[1:]]
        rest = text.partition('rel="next" href="')[2]
        address = rest.partition('"')[0].replace("&amp;", "&")
    assert seen == [f"Memory {n}" for n in range(119, 0, -2)]


def test_a_filter_follows_what_is_typed(tab: Tab, memory: Memory) -> None:
    memory.remember("The flight leaves on 3 May.", tags=["travel"])
    twin = memory.remember("The flight leaves at 9:40 on 3 May.", tags=["plans"])
    page = tab.open("/agents/ann/memories")
    tab.is_accessible()
    tab.shot("memories")
    page.get_by_label("Has the tags").fill("plans")
    page.get_by_text("leaves on 3 May").wait_for(state="detached")
    page.get_by_text("leaves at 9:40").wait_for()
    assert page.url.endswith("tag=plans")
    page.get_by_role("link", name=str(twin.id), exact=True).click()
    page.get_by_text("alike").wait_for()
    tab.is_accessible()
    page.get_by_text("Supersede", exact=True).first.click()
    page.get_by_label("The text that replaces it").fill("The flight leaves at noon.")
    page.get_by_role("button", name="Supersede", exact=True).click()
    page.get_by_text(f"Superseded memory {twin.id}").wait_for()
    tab.ready()
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert memory.archival.get(twin.id).superseded_by is None


def test_a_near_duplicate_is_superseded_by_the_memory(tab: Tab, memory: Memory) -> None:
    text = "The flight to Oslo leaves at 9:40 on 3 May"
    kept = memory.remember(text, tags=["travel"], metadata={"sure": True})
    twin = memory.remember(f"{text}!", tags=["plans"], importance=0.9, metadata={"sure": False, "seat": "12A"})
    memory.remember("Bananas are rich in potassium.")
    page = tab.open(f"/agents/ann/memories/{kept.id}")
    page.get_by_text("% alike").wait_for()
    assert page.get_by_role("link", name=f"Forget for good: memory {twin.id}").count() == 1
    tab.is_accessible()
    page.get_by_role("button", name=f"Supersede by this one: memory {twin.id}").click()
    page.get_by_text(f"Superseded memory {twin.id} by {kept.id}.").wait_for()
    assert memory.archival.get(twin.id).superseded_by == kept.id
    merged = memory.archival.get(kept.id)
    assert (merged.tags, merged.importance) == (["travel", "plans"], 0.9)
    assert merged.metadata == {"sure": True, "seat": "12A"}
    tab.ready()
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert memory.archival.get(twin.id).superseded_by is None
    assert memory.archival.get(kept.id).tags == ["travel"]


def test_what_was_superseded_supersedes_nothing(visitor: Visitor, memory: Memory) -> None:
    old, other = memory.remember("Likes tea."), memory.remember("Likes tea!")
    memory.archival.supersede(old.id, "Likes coffee.")
    page = visitor.get(f"/agents/ann/memories/{old.id}/similar").text
    assert f'href="/agents/ann/memories/{other.id}"' in page
    assert "Supersede by this one" not in page
    assert visitor.post(f"/agents/ann/memories/{old.id}/similar", duplicate=other.id).status_code == 409
    assert memory.archival.get(other.id).superseded_by is None
