"""Composing a context: never over the budget, and every piece accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt import Memory
from memgpt.errors import InputError
from memgpt.llm.context import TITLES, compose
from memgpt.memory import scope_of
from memgpt.models import KINDS, Block, Hit, Message

NOW = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def rounded_up(texts: Sequence[str]) -> list[int]:
    """Parts may need fewer tokens together than alone, or more: here the whole has a surcharge."""
    return [len(text) // 4 + (5 if "\n\n" in text else 0) for text in texts]


def block(id: int, label: str, value: str, description: str = "") -> Block:
    return Block("ann", id, label, value, description, 5000, False, [], 1, {}, NOW, NOW)


def message(id: int, content: str, name: str | None = None) -> Message:
    when = NOW + timedelta(minutes=id)
    return Message(id, "s", "user", name, content, None, None, 1, None, None, {}, when)


def hit(kind: Any, id: int, text: str, score: float, **source: Any) -> Hit:
    given: dict[Any, dict[str, Any]] = {
        "message": {"role": "user", "name": None},
        "item": {"namespace": ["a"], "key": "k"},
        "file": {"path": "/memories/a.md"},
    }
    return Hit(kind, id, score, text, {}, NOW, given.get(kind, {}) | source)


some_text = st.text(alphabet="abc \n", min_size=1, max_size=60).filter(str.strip)


@given(
    budget=st.integers(1, 400),
    count=st.sampled_from([words, characters, rounded_up]),
    blocks=st.lists(some_text, max_size=4),
    summary=st.none() | some_text,
    hits=st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(1, 8), some_text), max_size=12, unique_by=lambda h: h[:2]
    ),
    recent=st.lists(some_text, max_size=8),
)
def test_never_over_budget_and_every_piece_accounted_for(
    budget: int, count: Any, blocks: list[str], summary: str | None, hits: list[Any], recent: list[str]
) -> None:
    context = compose(
        budget_tokens=budget,
        count_tokens=count,
        blocks=[block(n, f"b{n}", value) for n, value in enumerate(blocks, 1)],
        summary=summary,
        hits=[hit(kind, id, text, 1 / n) for n, (kind, id, text) in enumerate(hits, 1)],
        recent=[message(n, content) for n, content in enumerate(recent, 1)],
    )
    assert context.tokens == (count([context.text])[0] if context.text else 0)
    assert context.tokens <= budget
    placed = [(item.part, item.id) for item in context.items]
    left_out = [(left.item.part, left.item.id) for left in context.left_out]
    assert len(set(placed)) == len(placed)
    expected = {("block", n) for n in range(1, len(blocks) + 1)} | ({("summary", 0)} if summary else set())
    expected |= {(kind, id) for kind, id, _ in hits} | {("message", n) for n in range(1, len(recent) + 1)}
    assert set(placed) | set(left_out) == expected
    assert not set(placed) & set(left_out)
    assert all(item.text in context.text for item in context.items)
    assert all(left.reason for left in context.left_out)
    assert sum(context.by_part().values()) == sum(item.tokens for item in context.items)


def test_sections_stand_in_order_with_their_sources() -> None:
    context = compose(
        budget_tokens=1000,
        count_tokens=words,
        blocks=[block(1, "human", "Ann", "who"), block(2, "empty", "")],
        summary="They spoke of Oslo.",
        hits=[
            hit("fact", 4, "Ann works at Acme", 0.9, valid_from="2020-01-01T00:00:00Z", valid_to=None),
            hit("chunk", 3, "Read me", 0.8, title="Guide", page=7, heading_path=["A", "B"]),
            hit("archival", 2, "Ann likes tea", 0.7),
            hit("item", 5, "Likes pizza", 0.65),
            hit("file", 6, "Pack a tent", 0.63),
            hit("message", 9, "Earlier", 0.6),
        ],
        recent=[message(1, "Hello", "Ann"), message(2, "Bye")],
    )
    assert context.text.split("\n") == [
        "# Core memory",
        "## human (who)",
        "> Ann",
        "",
        "# Earlier conversation, in short",
        "> They spoke of Oslo.",
        "",
        "# Archival memory",
        "[archival 2, 2024-05-01 UTC] Ann likes tea",
        "",
        "# Facts",
        "[fact 4, from 2020-01-01 UTC] Ann works at Acme",
        "",
        "# Stored items",
        "[item 5, a/k, 2024-05-01 UTC] Likes pizza",
        "",
        "# Documents",
        "[chunk 3, Guide, p. 7, A > B] Read me",
        "",
        "# Files",
        "[file 6, /memories/a.md] Pack a tent",
        "",
        "# Conversation",
        "[message 9, 2024-05-01 09:30 UTC] user: Earlier",
        "[message 1, 2024-05-01 09:31 UTC] user Ann: Hello",
        "[message 2, 2024-05-01 09:32 UTC] user: Bye",
    ]
    assert [item.score for item in context.items if item.part == "fact"] == [0.9]
    assert list(context.by_part())
    assert set(context.by_part()) == set(TITLES)


def test_the_best_hits_and_the_newest_messages_come_first() -> None:
    hits = [hit("archival", n, f"memory {n} " + "x " * 20, 1 / n) for n in range(1, 30)]
    recent = [message(n, f"said {n} " + "y " * 20) for n in range(1, 30)]
    context = compose(budget_tokens=300, count_tokens=words, hits=hits, recent=recent)
    recalled = [item.id for item in context.items if item.part == "archival"]
    said = sorted(item.id for item in context.items if item.part == "message")
    assert recalled == list(range(1, len(recalled) + 1))
    assert said == list(range(30 - len(said), 30))
    assert recalled
    assert said
    reasons = {left.item.part: left.reason for left in context.left_out}
    assert reasons["archival"].startswith("no room: better hits and recent messages came first (26 tokens")
    assert reasons["message"] == "older than the messages that fit"


def test_a_message_that_is_recalled_and_recent_stands_once() -> None:
    context = compose(
        budget_tokens=100,
        count_tokens=words,
        hits=[hit("message", 1, "Hello", 0.9)],
        recent=[message(1, "Hello"), message(2, "Bye")],
    )
    assert context.text.count("Hello") == 1
    assert len(context.items) == 2


def test_core_memory_that_does_not_fit_is_reported() -> None:
    context = compose(budget_tokens=3, count_tokens=words, blocks=[block(1, "human", "x " * 50)])
    assert (context.text, context.tokens) == ("", 0)
    assert "smaller than the core memory" in context.left_out[0].reason


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        memory.core["human"].append("Ann, prefers metric units.")
        memory.remember("The flight to Oslo leaves on 3 May at 9:40.")
        memory.documents.add("# Oslo\n\nThe airport train takes 19 minutes.", title="Oslo guide")
        memory.graph.add_fact("Ann", "flies to", "Oslo")
        memory.items.put(("trips",), "seat", {"Oslo": "The seat in the flight to Oslo is 12A."})
        memory.messages.append("user", "When do I fly to Oslo?", session="s1")
        memory.messages.append("user", "What is for dinner?", session="s2")
        yield memory


def test_a_memory_composes_what_a_query_recalls(memory: Memory) -> None:
    context = memory.context("when does the Oslo flight leave?", budget_tokens=2000, summary="A trip.")
    assert set(context.by_part()) == set(TITLES) - {"file"}, "files are recalled where they are asked for"
    assert context.tokens == scope_of(memory).count_tokens([context.text])[0]
    for item in context.items:
        assert item.text in context.text
    assert not context.left_out


@pytest.mark.parametrize("budget", [1, 5, 20, 40, 80, 160])
def test_the_budget_holds_for_the_tokens_of_the_model(memory: Memory, budget: int) -> None:
    context = memory.context("when does the Oslo flight leave?", budget_tokens=budget)
    assert context.tokens == (scope_of(memory).count_tokens([context.text])[0] if context.text else 0)
    assert context.tokens <= budget
    assert context.left_out


def test_what_goes_in_can_be_chosen(memory: Memory) -> None:
    assert set(memory.context(recent=0).by_part()) == {"block"}
    assert "dinner" not in memory.context(session="s1").text
    assert set(memory.context("Oslo", kinds=["fact"], recent=0).by_part()) == {"block", "fact"}
    assert memory.context("Oslo", budget_tokens=60, count_tokens=words).tokens <= 60
    for bad in ({"budget_tokens": 0}, {"recent": -1}, {"query": "x", "limit": 0}):
        with pytest.raises(InputError):
            memory.context(**bad)


def test_standing_instructions_have_a_section_of_their_own_the_newest_first(memory: Memory) -> None:
    said = ["I prefer writing in the mornings", "Always show dates as ISO", "We had fish for dinner"]
    ids = [memory.messages.append("user", text, session="s").id for text in said]
    memory.messages.append("assistant", "I prefer short answers", session="s")
    context = memory.context("How should I plan my writing?", recent=0)
    standing = [item for item in context.items if item.standing]
    assert {item.id for item in standing} == set(ids[:2])
    assert [item.id for item in context.items].count(ids[0]) == 1
    section = context.text.partition("# Standing instructions")[2].partition("\n\n")[0]
    assert section.index("dates as ISO") < section.index("in the mornings")
    small = memory.context("How should I plan my writing?", budget_tokens=60, recent=0)
    assert sum(item.tokens for item in small.items if item.standing) <= 12
