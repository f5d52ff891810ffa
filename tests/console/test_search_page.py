"""Search in the console: live, with why; what the model would see; two searches side by side."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.memory import Memory
from memgpt.models import Hit
from memgpt.search.ranking.features import FEATURES
from memgpt.server.console.texts import texts
from memgpt.server.console.why import WIDTH, explained, score_parts
from tests.console.conftest import Tab, Visitor


@pytest.fixture
def known(memory: Memory) -> Memory:
    memory.remember("The flight to Oslo leaves on 3 May at 9:40.", tags=["travel"])
    memory.remember("Ann prefers night trains.", tags=["travel"])
    memory.remember("The cat is called Miso.")
    memory.messages.append("user", "When does the flight to Oslo leave?", session="monday")
    memory.messages.append("assistant", "On 3 May.", session="monday")
    memory.documents.add("# Oslo\n\nFlights to Oslo leave from gate 4.", title="Travel guide")
    memory.graph.add_fact("Ann", "travels_to", "Oslo")
    return memory


def test_every_part_of_a_score_has_words() -> None:
    assert {f"part.{name}" for name in FEATURES} <= texts().keys()


@pytest.mark.parametrize(
    "q", ["when does the flight to Oslo leave?", "Oslo", "trains at night", '"Oslo" -gate', "Miso"]
)
def test_the_bars_are_the_score(visitor: Visitor, known: Memory, q: str) -> None:
    text = visitor.get("/agents/ann/search", params={"q": q}).text
    hits = text.split('<li class="row hit"')[1:]
    assert hits
    for hit in hits:
        parts = [float(part) for part in re.findall(r'data-part="([^"]+)"', hit)]
        [score] = re.findall(r'data-sum="([^"]+)"', hit)
        assert sum(parts) == pytest.approx(float(score), abs=0.06)
    assert text.count("<mark>") >= 1


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-5, 5)), st.floats(-10, 10))
def test_whatever_adds_to_a_score_has_a_bar_inside_the_drawing(features: dict[str, float], score: float) -> None:
    from datetime import UTC, datetime

    explain = {"features": features, "vector": {"rank": 1, "score": 0.5}, "text": None}
    hits = [Hit("archival", n, score, "x", {}, datetime.now(UTC), {}, explain) for n in (1, 2)]
    assert sum(part.added for part in score_parts(hits[0])) == pytest.approx(score, abs=0.05)
    for why in explained(hits):
        assert all(bar.x >= -0.2 and bar.x + bar.width <= WIDTH + 1.2 for bar in why.bars)


def test_what_matches_is_marked_in_hits_and_in_documents(tab: Tab, memory: Memory) -> None:
    memory.remember("<img src=x onerror=pwned()> Trains were \u202e running; a trainer is none.")
    chunk = memory.documents.add("# Guide\n\nAll <b>trains</b> run at night.", title="Guide")
    page = tab.open("/agents/ann/search?q=a+running+train")
    tab.ready()
    hit = page.locator(".hit").filter(has_text="Trains were")
    assert hit.locator("mark").all_inner_texts() == ["Trains", "running"]
    assert "<img src=x onerror=pwned()>" in hit.inner_text()
    tab.is_accessible()
    page.locator(".hit").filter(has_text="at night").get_by_role("link").first.click()
    page.locator(".cited mark").first.wait_for()
    assert page.locator(".cited mark").all_inner_texts() == ["trains", "run"]
    assert page.url.partition("?")[0].endswith(f"/documents/{chunk.id}")
    tab.is_accessible()


def test_filters_and_settings(visitor: Visitor, known: Memory) -> None:
    only = visitor.get("/agents/ann/search?q=Oslo&kinds=chunk").text
    assert set(re.findall(r'class="kind kind-(\w+)"', only.split('id="results"')[1])) == {"chunk"}
    tagged = visitor.get("/agents/ann/search?q=Oslo&tag=travel").text
    assert "gate 4" not in tagged
    blended = visitor.get("/agents/ann/search?q=Oslo&recency=1&importance=1").text
    assert {"recency", "importance", "relevance"} <= set(re.findall(r'title="(\w+)"', blended))
    assert "Nothing was found" in visitor.get("/agents/ann/search?q=Oslo&until=2001-01-01T00:00").text
    assert visitor.get("/agents/ann/search?q=x&offset=9001").status_code == 422
    newest = visitor.get("/agents/ann/search?q=").text
    assert "Newest first" in newest


def test_something_else_was_expected(visitor: Visitor, known: Memory) -> None:
    [cat] = [one for one in known.archival.list() if "Miso" in one.text]
    page = visitor.get(f"/agents/ann/search/expected?q=flight+to+Oslo&kind=archival&id={cat.id}").text
    assert "It is at place" in page or "It is not among" in page
    assert "It is not among" in visitor.get("/agents/ann/search/expected?q=Oslo&kind=archival&id=999").text


def test_what_the_model_would_see(visitor: Visitor, known: Memory) -> None:
    known.core["human"].append("Name: Ann.")
    page = visitor.get("/agents/ann/search/context?q=flight+to+Oslo&budget=60").text
    context = known.context("flight to Oslo", budget_tokens=60)
    shares = [float(width) for width in re.findall(r'<rect class="share-\w+" x="[\d.]+" y="0" width="([\d.]+)"', page)]
    assert sum(shares) == pytest.approx(600, abs=len(shares))
    assert f"{context.tokens} of 60 tokens" in page
    left_out = page.split("Left out (")[1]
    assert len({(one.item.part, one.item.id) for one in context.left_out}) == int(left_out.split(")")[0])
    text = visitor.get("/agents/ann/search/context/text?q=flight+to+Oslo&budget=60")
    assert (text.text, text.headers["content-type"]) == (context.text, "text/plain; charset=utf-8")


def test_two_searches_side_by_side(visitor: Visitor, known: Memory) -> None:
    page = visitor.get("/agents/ann/search/compare?a=Oslo&b=Oslo&b_recency=5").text
    assert page.count('class="row"') >= 4
    assert "same place" in page
    assert "only here" in visitor.get("/agents/ann/search/compare?a=Oslo&b=").text


def test_searching_with_why(tab: Tab, known: Memory) -> None:
    page = tab.open("/agents/ann")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    tab.ready()
    page.keyboard.press("/")
    page.keyboard.type("flight to Oslo")
    page.keyboard.press("Enter")
    page.get_by_text("hits, best first").wait_for()
    tab.ready()
    assert not any("/search/context" in address for address in asked), "it costs a search, and waits until it is opened"
    page.locator("summary", has_text="What the model would see").click()
    page.get_by_text("of 2,000 tokens").wait_for()
    page.get_by_label("Most tokens").fill("300")
    page.get_by_label("Most tokens").press("Tab")
    page.get_by_text("of 300 tokens").wait_for()
    page.locator("main h1").click()
    page.keyboard.press("w")
    page.get_by_text("sum", exact=True).first.wait_for()
    tab.is_accessible()
    tab.watch.expected += ["ERR_INTERNET_DISCONNECTED", "Failed to fetch"]
    page.context.set_offline(True)
    page.get_by_role("searchbox", name="Query").fill("cats")
    page.get_by_role("alert").get_by_text("not reached").wait_for()
    tab.is_accessible()
    page.context.set_offline(False)
    page.get_by_role("searchbox", name="Query").fill("cat")
    page.get_by_role("alert").wait_for(state="hidden")
    page.wait_for_url(re.compile(r"\?q=cat"))
    page.get_by_role("link", name="memory").first.click()
    page.get_by_role("heading", name="Memory").wait_for()
    tab.open("/agents/ann/search?q=flight+to+Oslo").locator("details.why summary").first.click()
    tab.shot("search")  # last: it leaves an empty style attribute
