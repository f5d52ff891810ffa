"""Every page in every state: light, dark, right to left, narrow, with a dialog open, with an error; keys and copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from zoneinfo import ZoneInfo

from playwright.sync_api import ViewportSize

from memgpt import Agents
from memgpt.memory import Memory
from tests.console.conftest import Tab

PAGES = (
    "/",
    "/agents/ann",
    "/agents/ann/blocks",
    "/agents/ann/blocks/human/blame",
    "/agents/ann/memories",
    "/agents/ann/documents",
    "/agents/ann/files",
    "/agents/ann/files/1",
    "/agents/ann/files/1/edit",
    "/agents/ann/items",
    "/agents/ann/items?label=users",
    "/agents/ann/items/value?label=users&key=ann",
    "/agents/ann/conversations/montag",
    "/agents/ann/search?q=flight",
    "/agents/ann/graph",
    "/agents/ann/graph?from=1&view=table",
    "/agents/ann/entities",
    "/agents/ann/entities/1",
    "/agents/ann/history",
    "/agents/ann/proposals",
    "/agents/ann/forget?kind=archival&id=1",
    "/agents/ann/chat?session=montag",
    "/operations/keys",
    "/operations/audit",
    "/operations/models",
)

WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
NARROW: Final[ViewportSize] = {"width": 360, "height": 700}
STATES: Final[Sequence[tuple[Literal["light", "dark"], ViewportSize, str]]] = (
    ("light", WIDE, "ltr"),
    ("dark", WIDE, "rtl"),
    ("light", NARROW, "ltr"),
)


def fill(memory: Memory) -> None:
    memory.core["human"].append("שמי אן, אני גרה בחיפה. Ann, 東京から京都まで。")
    memory.remember("The flight leaves at 9:40 on 3 May.", tags=["travel", "旅行"])
    memory.remember("הטיסה יוצאת בשלישי במאי")
    memory.graph.add_fact("אן", "גרה_ב", "חיפה", valid_to="2020-01-01")
    memory.graph.add_fact("אן", "visits", "A place whose name is long " * 6, valid_from="2021-01-01")
    memory.messages.append("user", "明日の列車は何時に出ますか。", session="montag")
    memory.files.write("/memories/" + "a-long-name-without-any-space-" * 6, "明日の列車 " * 50)
    memory.items.put(("users",), "ann", {"likes": "רכבות " * 40})
    memory.proposals.propose_facts([{"source": "אן", "type": "visits", "target": "חיפה"}], reason="נאמר לו " * 20)
    memory.documents.add(
        "# Handbook\n\nThe hut opens at noon.", source="a-long-name-without-any-space-" * 8, title="手引き"
    )


def sideways(tab: Tab) -> bool:
    width = tab.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return bool(width[0] > width[1])


def test_states_of_every_page(tab: Tab, memory: Memory) -> None:
    fill(memory)
    for path in PAGES:
        page = tab.open(path)
        tab.ready()
        name = path.strip("/").replace("/", "-").partition("?")[0] or "agents"
        for scheme, size, direction in STATES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(size)
            page.locator("html").evaluate("(html, direction) => { html.dir = direction; }", direction)
            tab.is_accessible()
            assert not sideways(tab), (path, scheme, direction)
            tab.shot(f"{name}-{scheme}-{direction}-{size['width']}")


SHOWN_EMPTY = ("", "/graph", "/proposals", "/forget", "/history", "/search?q=nothing", "/files", "/items")
SHOWN_LONG = ("/graph?from=1&hops=2", "/graph?from=1&hops=2&view=table", "/proposals", "/forget", "/history")


def test_pages_of_nothing_and_of_much(tab: Tab, memory: Memory, dsn: str) -> None:
    """An agent that holds nothing, and one with more than a page of all; dark and narrow, where room is least."""
    with Agents(dsn=dsn) as agents:
        agents.create("new")
    for n in range(60):
        fact = {"source": f"Thing {n}", "type": "beside", "target": f"Thing {n + 1}"}
        memory.proposals.propose_facts([fact], reason=f"because {n} " * 30)
        memory.graph.add_fact("Hub", f"has_{n % 3}", f"Thing {n} {'x' * 80}")
    page = tab.page
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    for agent, paths in (("new", SHOWN_EMPTY), ("ann", SHOWN_LONG)):
        for path in paths:
            tab.open(f"/agents/{agent}{path}")
            tab.ready()
            tab.is_accessible()
            assert not sideways(tab), (agent, path)
            if agent == "new":
                assert page.locator("main :is(h1, h2)").count() >= 1, path
    tab.open("/agents/ann/proposals").get_by_role("link", name="older").first.click()
    page.locator("[data-row]").first.wait_for()


def test_keys_are_listed_and_what_is_shown_is_copied(tab: Tab, memory: Memory) -> None:
    fill(memory)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.open("/agents/ann/search?q=it's+the+flight")
    tab.ready()
    page.get_by_role("heading", level=1).click()  # out of the search box, which has the focus
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.get_by_text("Overview").wait_for()
    tab.is_accessible()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    copied = []
    for name in ("Copy link", "Copy as curl", "Copy as Python"):
        page.get_by_role("button", name=name).click()
        page.get_by_role("button", name="Copied").last.wait_for()
        copied.append(page.evaluate("navigator.clipboard.readText()"))
        page.reload()
        tab.ready()
    link, curl, python = copied
    assert link == page.url
    assert curl.endswith(f"""-d '{{"query": "it'"'"'s the flight"}}' {tab.address}/v1/agents/ann/search""")
    assert python == 'from memgpt import Memory\nMemory("ann").search("it\'s the flight")'
    page.locator("body").click()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.get_by_role("heading", name="Memories", exact=True).wait_for()
    tab.watch.expected += ["404"]
    page = tab.open("/agents/ann/memories/999")
    page.get_by_role("alert").wait_for()
    tab.is_accessible()


def test_times_are_in_the_readers_zone(tab: Tab, memory: Memory) -> None:
    memory.remember("The flight leaves.")
    at = memory.archival.list()[0].created_at
    page = tab.open("/agents/ann/memories")
    tab.ready()
    shown = page.locator("[data-row] time")
    assert shown.get_attribute("datetime") == at.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert page.locator("[data-zone]").inner_text() == "Europe/Vienna"
    assert f"{at.astimezone(ZoneInfo('Europe/Vienna')):%H:%M:%S CE}" in (shown.get_attribute("title") or "")
