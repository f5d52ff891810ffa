"""The graph in the console: drawn, as a table, over both times; entities, their sources, and merges to judge."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from memgpt.memory import Memory
from memgpt.server.service import Service
from tests.console.conftest import Tab, Visitor


@pytest.fixture
def known(memory: Memory) -> Memory:
    """Ann, who worked at Acme and works at Beta; a hub of 80 things; a way from Ann to Oslo over Beta and Bergen."""
    graph = memory.graph
    said = memory.messages.append("user", "Ann works at Acme now.", session="monday")
    graph.add_entity("Ann", "person", aliases=["Annie"])
    graph.add_fact(
        "Ann", "works_at", "Acme", valid_from="2010-01-01", valid_to="2015-01-01", provenance=("message", said.id)
    )
    graph.add_fact("Ann", "works_at", "Beta", valid_from="2016-01-01")
    graph.add_fact("Beta", "based_in", "Bergen")
    graph.add_fact("Bergen", "near", "Oslo")
    for n in range(80):
        graph.add_fact("Bergen", "has", f"Street {n}", weight=1 + n)
    return memory


def ids(memory: Memory, *names: str) -> tuple[int, ...]:
    return tuple(memory.graph.get(name).id for name in names)


def data(visitor: Visitor, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = visitor.get(f"/agents/ann/graph?{query}", headers={"Accept": "application/json"}).json()
    return answer


def names_of(answer: dict[str, Any]) -> set[str]:
    return {node[1] for node in answer["nodes"]}


def test_it_begins_where_a_search_says(visitor: Visitor, known: Memory) -> None:
    ann, beta = ids(known, "Ann", "Beta")
    assert visitor.get("/agents/ann/graph?q=what+does+annie+do", follow_redirects=False).headers["location"] == (
        f"/agents/ann/graph?from={ann}"
    )
    found = visitor.get("/agents/ann/graph?q=based+somewhere", follow_redirects=False)
    assert str(beta) in re.findall(r"from=(\d+)", found.headers.get("location", ""))
    first = visitor.get("/agents/ann/graph").text
    assert "Best connected" in first
    assert "Bergen" in first.split("Best connected")[1]
    assert "Street 1" not in visitor.get(f"/agents/ann/graph?from={ann}").text, "a neighbourhood, never everything"
    assert visitor.get("/agents/ann/graph?from=999999").status_code == 404


def test_a_hub_opens_twenty_five_at_a_time_and_what_is_left_out_is_counted(visitor: Visitor, known: Memory) -> None:
    ann, bergen, oslo = ids(known, "Ann", "Bergen", "Oslo")
    near = data(visitor, f"from={bergen}")
    more = {node[0]: node[4] for node in near["nodes"]}
    assert more[bergen] == 82 - 26, "25 out, one in"
    assert {"Street 79", "Beta"} <= names_of(near)
    assert "Street 0" not in names_of(near), "those that weigh most come first"
    opened = data(visitor, f"from={bergen}&open={bergen}")
    assert {node[0]: node[4] for node in opened["nodes"]}[bergen] == 82 - 51
    from_afar = data(visitor, f"from={ann}&hops=2&open={bergen}")
    assert {node[0]: node[4] for node in from_afar["nodes"]}[bergen] == 82 - 26
    whole = data(visitor, f"from={bergen}" + f"&open={bergen}" * 3)
    assert {node[0]: node[4] for node in whole["nodes"]}[bergen] == 0
    assert len(whole["facts"]) == 82
    page = visitor.get(f"/agents/ann/graph?from={bergen}").text
    assert re.search(r"\d+ of 85 things", page)
    assert "folded: 2 with 57 more facts" in page, "Beta has one more"
    assert data(visitor, f"from={ann}&path={oslo}")["way"] is not None


def test_types_and_both_times_filter(visitor: Visitor, known: Memory) -> None:
    ann, acme, beta = ids(known, "Ann", "Acme", "Beta")
    now = data(visitor, f"from={ann}")
    assert {(fact[1], fact[2]): fact[6] for fact in now["facts"]} == {(ann, acme): True, (ann, beta): False}
    then = data(visitor, f"from={ann}&true_at=2012-01-01T00:00")
    assert {(fact[1], fact[2]): fact[6] for fact in then["facts"]} == {(ann, acme): False}
    later = data(visitor, f"from={ann}&true_at=2017-01-01T00:00&only_true=true")
    assert names_of(later) == {"Ann", "Beta"}
    first = known.graph.facts("Ann", type="works_at")[-1].recorded_at
    before = data(visitor, f"from={ann}&at={first.isoformat().replace('+00:00', '')}")
    assert names_of(before) == {"Ann", "Acme"}
    assert names_of(data(visitor, f"from={beta}&types=based_in")) == {"Beta", "Bergen"}
    assert names_of(data(visitor, f"from={beta}&things=person")) == {"Beta", "Ann"}
    assert visitor.get(f"/agents/ann/graph?from={ann}&true_at=nonsense").status_code == 422


def test_ways_between_two(visitor: Visitor, known: Memory) -> None:
    ann, oslo = ids(known, "Ann", "Oslo")
    page = visitor.get(f"/agents/ann/graph?from={ann}&to=oslo").text
    assert "Way of length 3" in page
    assert "There is no way" in visitor.get(f"/agents/ann/graph?from={ann}&to=oslo&types=works_at").text
    assert "nothing is called" in visitor.get(f"/agents/ann/graph?from={ann}&to=Nowhere").text
    assert len(data(visitor, f"from={ann}&path={oslo}")["way"]) == 3


def test_an_entity_says_what_is_known_and_from_where(visitor: Visitor, known: Memory) -> None:
    [ann] = ids(known, "Ann")
    known.graph.retract_fact(known.graph.add_fact("Ann", "likes", "tea").id)
    known.remember("Annie met Karl in Oslo.")
    known.graph.link()
    page = visitor.get(f"/agents/ann/entities/{ann}").text
    assert "Annie" in page
    assert "Ann works at Acme now." in page, "the text it is from"
    [message] = known.messages.list(session="monday")
    assert f"/agents/ann/conversations/monday?message={message.id}#m{message.id}" in page
    assert "Annie met Karl in Oslo." in page, "a text that names it"
    assert {"ended", "no longer believed"} <= set(re.findall(r'<span class="tag">([^<]+)</span>', page))
    first = known.graph.facts("Ann", type="works_at")[-1].recorded_at
    then = visitor.get(f"/agents/ann/entities/{ann}", params={"at": first.isoformat()}).text
    assert "works at Acme" in then
    assert "likes tea" not in then
    assert "Retract" not in then, "the past is not changed"


def test_facts_are_retracted_and_merges_judged(visitor: Visitor, known: Memory) -> None:
    ann, beta = ids(known, "Ann", "Beta")
    [fact] = known.graph.facts("Ann", type="works_at", valid_at="2017-01-01")
    visitor.get(f"/agents/ann/entities/{ann}")
    page = visitor.post(f"/agents/ann/entities/{ann}/retract", fact=fact.id).text
    assert known.graph.fact(fact.id).superseded_at is not None
    change = page.split('class="done"')[1].split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back=f"/agents/ann/entities/{ann}")
    assert known.graph.fact(fact.id).superseded_at is None
    twin = known.graph.add_entity("Beta!", "thing")
    known.graph.add_fact(twin, "sells", "tea")
    [proposal] = known.graph.propose_merges()
    page = visitor.get(f"/agents/ann/entities/{beta}").text
    assert "Are these one?" in page
    page = visitor.post(f"/agents/ann/entities/{beta}/merge", proposal=proposal.id, verdict="same").text
    assert "Merged “Beta!” into “Beta”" in page.replace("&#34;", '"')
    assert known.graph.get(twin.id).merged_into == beta
    assert "It turned out to be" in visitor.get(f"/agents/ann/entities/{twin.id}").text
    change = page.split('class="done"')[1].split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back=f"/agents/ann/entities/{beta}")
    assert known.graph.get(twin.id).merged_into is None
    other = known.graph.add_entity("Bergen!", "thing")
    [proposal] = known.graph.propose_merges()
    visitor.post(f"/agents/ann/entities/{other.id}/merge", proposal=proposal.id, verdict="different")
    assert known.proposals.get(proposal.id).status == "rejected"


def test_names_are_shown_without_what_hides(visitor: Visitor, memory: Memory) -> None:
    memory.graph.add_fact("exe.\u202egnp", "<b>is</b>", "שלום עולם")
    [one] = ids(memory, "exe.\u202egnp")
    answer = data(visitor, f"from={one}")
    assert names_of(answer) == {"exe.[U+202E]gnp", "שלום עולם"}
    assert "\u202e" not in json.dumps(answer, ensure_ascii=False)
    page = visitor.get(f"/agents/ann/graph?from={one}", headers={"Accept": "application/json"})
    assert ("<" in page.text, page.headers["content-type"]) == (False, "application/json")


def test_entities_are_paged_by_name(visitor: Visitor, memory: Memory) -> None:
    for n in range(60):
        memory.graph.add_entity(f"Thing {n:02}", "odd" if n % 2 else "even")
    seen: list[str] = []
    address = "/agents/ann/entities"
    while address:
        text = visitor.get(address).text
        seen += re.findall(r">(Thing \d\d)</a>", text)
        address = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == [f"Thing {n:02}" for n in range(60)]
    assert "Thing 01" not in visitor.get("/agents/ann/entities?type=even").text


def settled(tab: Tab, nodes: int) -> None:
    """Wait for the drawing, of so many things, to be laid out."""
    tab.page.locator(f"#graph-view[data-state=settled][data-drawn^='{nodes} ']").wait_for()


def test_walking_through_the_graph(tab: Tab, known: Memory) -> None:
    ann, beta = ids(known, "Ann", "Beta")
    page = tab.open("/agents/ann/graph")
    tab.is_accessible()
    page.get_by_label("Begin at").fill("Ann")
    page.keyboard.press("Enter")
    settled(tab, 3)
    tab.is_accessible()
    panel, said = page.get_by_role("complementary", name="The chosen thing"), page.locator("#graph-said")
    expect(panel.get_by_role("heading", name="Ann")).to_be_visible()
    expect(panel).to_contain_text("ended")
    expect(panel.get_by_role("list", name="Colours of the types")).to_contain_text("person")
    drawing = page.get_by_role("application")
    drawing.focus()
    panel.get_by_role("button", name="Beta").click()
    expect(said).to_have_text(re.compile("Beta, thing"))
    drawing.focus()
    page.keyboard.press("Enter")
    settled(tab, 4)
    page.wait_for_url(re.compile(f"open={beta}"))
    expect(page.locator("#graph-summary")).to_contain_text("4 of 85 things")
    page.keyboard.press("Backspace")
    settled(tab, 3)
    assert "open=" not in page.url
    before = said.inner_text()
    page.keyboard.press("Home")
    expect(said).to_have_text(re.compile("Ann, person"))
    pressed = []
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        page.keyboard.press("Home")
        page.keyboard.press(key)
        pressed.append(said.inner_text())
    assert len(set(pressed)) > 1, (before, pressed)
    page.get_by_label("Way to", exact=True).fill("Oslo")
    page.keyboard.press("Enter")
    settled(tab, 5)
    expect(page.locator("#graph-part")).to_contain_text("Way of length 3")
    for key in ("+", "-", "0", "f"):
        drawing.press(key)
    page.get_by_text("As a table", exact=True).click()
    expect(page.get_by_role("table", name="Facts of the picture")).to_contain_text("based_in")
    tab.is_accessible()
    page.go_back()
    settled(tab, 3)
    assert f"from={ann}" in page.url
    tab.shot("graph")


def test_a_hub_is_folded_and_the_sliders_go_back_in_time(tab: Tab, known: Memory) -> None:
    ann, bergen = ids(known, "Ann", "Bergen")
    page = tab.open(f"/agents/ann/graph?from={bergen}")
    settled(tab, 27)
    panel = page.get_by_role("complementary", name="The chosen thing")
    panel.get_by_role("button", name="Open (+56 more)").click()
    settled(tab, 52)
    page.get_by_role("link", name="Take back the last opening").click()
    settled(tab, 27)
    tab.open(f"/agents/ann/graph?from={ann}")
    settled(tab, 3)
    true_then = page.get_by_role("slider", name=re.compile("True then"))
    true_then.focus()
    page.keyboard.press("Home")
    settled(tab, 1)
    expect(page.get_by_label("True then (UTC)")).to_have_value(re.compile("^2009-"))
    page.keyboard.press("End")
    settled(tab, 3)
    assert "true_at" not in page.url
    known_then = page.get_by_role("slider", name=re.compile("Known then"))
    known_then.focus()
    page.keyboard.press("Home")
    settled(tab, 1)
    page.wait_for_url(re.compile("[?&]at="))
    expect(page.get_by_text("As it was known on")).to_be_visible()
    tab.is_accessible()
    expect(known_then).to_be_focused()


def test_a_merge_is_judged_and_taken_back(tab: Tab, known: Memory) -> None:
    [beta] = ids(known, "Beta")
    known.graph.add_fact(known.graph.add_entity("Beta!", "thing"), "sells", "tea")
    known.graph.propose_merges()
    page = tab.open(f"/agents/ann/entities/{beta}")
    tab.ready()
    tab.is_accessible()
    page.get_by_role("button", name="The same: merge with Beta!").click()
    page.get_by_text("Merged “Beta!” into “Beta”.").wait_for()
    page.get_by_text("sells tea").first.wait_for()
    tab.ready()
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert page.url.partition("?")[0].endswith(f"/entities/{beta}"), "the entity is still there"
    page.get_by_role("heading", name="Beta", exact=True).wait_for()
    tab.shot("entity")


@pytest.mark.parametrize("options", [{"color_scheme": "dark", "viewport": {"width": 360, "height": 700}}])
def test_five_thousand_things_are_drawn(
    tab_with: Any, service: Service, memory: Memory, dsn: str, options: dict[str, Any]
) -> None:
    memory.graph.add_entity("Ann")
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO kg_entities (agent_id, id, name, type) "
            "SELECT 'ann', 100000 + n, 'שם ' || n, 't' || n % 9 FROM generate_series(0, 4999) n"
        )
        connection.execute(
            "INSERT INTO kg_relationships (agent_id, source_id, target_id, type) "
            "SELECT 'ann', 100000 + n, 100000 + (n * m + 1) % 5000, 'r' "
            "FROM generate_series(0, 4999) n, (VALUES (7), (13)) v (m)"
        )
    tab = tab_with(**options)
    tab.sign_in(service.keys.create(permissions=("read",)).token)
    page = tab.open("/agents/ann/graph?from=100001&hops=10")
    page.locator("#graph-view[data-state=settled]").wait_for(timeout=60_000)
    drawn = (page.locator("#graph-view").get_attribute("data-drawn") or "0 0").split()
    assert int(drawn[0]) > 4900
    tab.is_accessible()
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1]
