"""Proposals in the console: what they would change, applying, rejecting, reverting, and looking for more."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from memgpt import sleep
from memgpt.memory import Memory
from memgpt.server import service as counting
from tests.console.conftest import Tab, Visitor

PROPOSALS = "/agents/ann/proposals"


@pytest.fixture
def proposed(memory: Memory) -> Memory:
    """A memory with two texts that say the same, and the proposal to set one aside."""
    memory.remember("The flight leaves on 3 May")
    memory.remember("the flight leaves on 3 may.", tags=["travel"])
    sleep.run(memory, tasks=["duplicates"])
    return memory


def test_a_proposal_shows_exactly_what_applying_changes(visitor: Visitor, proposed: Memory) -> None:
    [proposal] = proposed.proposals.list()
    before = proposed.history(limit=1)
    page = visitor.get(f"{PROPOSALS}?id={proposal.id}").text
    assert (proposed.history(limit=1), proposed.proposals.get(proposal.id).status) == (before, "proposed")
    shown = set(re.findall(r'<strong dir="auto">([^<]+)</strong>', page))
    assert "1 waiting" in page
    done = visitor.post(f"{PROPOSALS}/{proposal.id}/apply")
    assert f"Applied proposal {proposal.id}." in done.text
    page = visitor.get(f"{PROPOSALS}?id={proposal.id}").text
    assert set(re.findall(r'<strong dir="auto">([^<]+)</strong>', page)) == shown
    assert any(text.startswith("Superseded memory") for text in shown)


def test_the_list_of_agents_says_what_waits_and_where_counting_stopped(
    visitor: Visitor, proposed: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "1 proposals" in visitor.get("/").text
    monkeypatch.setattr(counting, "COUNTED_TO", 1)
    for path in ("/", "/agents/ann"):
        assert '<bdi class="number">1+</bdi>' in visitor.get(path).text


def test_what_was_applied_is_reverted_and_what_is_rejected_stays_away(visitor: Visitor, proposed: Memory) -> None:
    [proposal] = proposed.proposals.list()
    visitor.post(f"{PROPOSALS}/{proposal.id}/apply")
    assert len(proposed.archival.list()) == 1
    visitor.post(f"{PROPOSALS}/{proposal.id}/revert")
    assert len(proposed.archival.list()) == 2
    facts = [{"source": "Ann", "type": "flies_to", "target": "Oslo"}]
    other = proposed.proposals.propose_facts(facts, reason="said so")
    assert other is not None
    assert "Rejected proposal" in visitor.post(f"{PROPOSALS}/{other.id}/reject").text
    assert "Nothing is proposed" in visitor.get(PROPOSALS).text
    assert "said so" in visitor.get(f"{PROPOSALS}?status=rejected&kind=facts").text


def test_what_cannot_be_applied_any_more_says_why(visitor: Visitor, proposed: Memory) -> None:
    [proposal] = proposed.proposals.list()
    proposed.archival.update(proposal.change["keep"]["id"], text="Something else")
    assert "says something else now" in visitor.get(f"{PROPOSALS}?id={proposal.id}").text
    answer = visitor.post(f"{PROPOSALS}/{proposal.id}/apply")
    assert (answer.status_code, "says something else now" in answer.text) == (409, True)


def test_a_worker_is_asked_to_look_for_more(visitor: Visitor, proposed: Memory) -> None:
    page = visitor.post(f"{PROPOSALS}/look")
    assert (page.status_code, "waits for a worker" in page.text, "job=" in str(page.url)) == (200, True, True)
    assert len(proposed.proposals.list()) == 1


def test_a_reader_sees_and_decides_nothing(visitor_with: Callable[..., Visitor], proposed: Memory) -> None:
    [proposal] = proposed.proposals.list()
    reader = visitor_with(permissions=["read"])
    page = reader.get(f"{PROPOSALS}?id={proposal.id}").text
    assert (proposal.reason in page, "Apply" in page) == (True, False)
    for what in ("apply", "reject", "revert"):
        assert reader.post(f"{PROPOSALS}/{proposal.id}/{what}").status_code == 403
    assert reader.post(f"{PROPOSALS}/look").status_code == 403


def test_deciding_by_hand(tab: Tab, proposed: Memory) -> None:
    page = tab.open("/agents/ann")
    tab.ready()
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.get_by_role("link", name="What applying would change").click()
    page.get_by_text("Superseded memory").wait_for()
    tab.is_accessible()
    tab.shot("proposal")
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("Applied proposal").wait_for()
    tab.ready()
    page.get_by_role("combobox", name="Status").select_option("applied")
    page.get_by_role("button", name="Revert").click()
    page.get_by_text("Reverted proposal").wait_for()
    assert len(proposed.archival.list()) == 2
    tab.is_accessible()
