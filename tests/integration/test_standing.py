"""Preferences and standing instructions of the user, proposed for core memory; with a chat model and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from memgpt import Memory
from memgpt.config import settings
from memgpt.errors import ConflictError
from memgpt.models import Hit, Proposal
from memgpt.search.ranking.languages.language import codes, language
from memgpt.sleep import run
from memgpt.sleep.sayings import LONGEST, sayings_in
from tests.chat_server import ChatServer, Say
from tests.integration.test_resolution import dump

FIRST = datetime(2024, 5, 1, 9, tzinfo=UTC)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat


@pytest.fixture(params=["owner", "request"])
def memory(dsn: str, chat: ChatServer, request: pytest.FixtureRequest) -> Iterator[Memory]:
    options = settings().model_copy(update={"chat_base_url": chat.url})
    with Memory("ann", dsn=dsn, isolated=request.param == "request", options=options) as memory:
        yield memory


def say(memory: Memory, *texts: str, day: int = 0) -> list[int]:
    """Say one thing a day; return the ids."""
    times = [FIRST + timedelta(days=day + n) for n in range(len(texts))]
    return [memory.messages.append("user", t, created_at=at).id for t, at in zip(texts, times, strict=True)]


def waiting(memory: Memory) -> list[Proposal]:
    return [*reversed(memory.proposals.list("proposed", kind="standing"))]


def slept(memory: Memory, *, apply: bool = False, model: str | None = None) -> int:
    return run(memory, tasks=["standing"], apply=apply, model=model).proposed


def test_what_is_to_hold_is_proposed_with_where_it_was_said_and_can_be_taken_back(memory: Memory, dsn: str) -> None:
    ids = say(
        memory,
        "I'm drafting an essay, and I prefer writing in the mornings, can you help me plan?",
        "Always show dates as ISO.",
        "Should I always show dates as ISO?",
        "We had fish for dinner",
        "always show dates as ISO",
    )
    memory.messages.append("assistant", "I prefer short answers")
    before = dump(dsn)
    assert slept(memory) == 2
    assert dump(dsn) == before, "only proposed"
    mornings, dates = waiting(memory)
    assert mornings.about == [f"message:{ids[0]}"]
    assert dates.about == [f"message:{ids[1]}", f"message:{ids[4]}"]
    assert dates.reason == (
        f"block 'human' with '2024-05-05: Always show dates as ISO.': said in message {ids[1]}, message {ids[4]}"
    )
    assert slept(memory) == 0, "once"
    memory.proposals.apply(mornings.id)
    memory.proposals.apply(dates.id)
    assert memory.core["human"].value == (
        "2024-05-01: I prefer writing in the mornings\n2024-05-05: Always show dates as ISO."
    )
    assert slept(memory) == 0, "it is there"
    memory.proposals.revert(dates.id)
    memory.proposals.revert(mornings.id)
    assert dump(dsn) == before
    assert slept(memory) == 0, "decided"


def test_the_newest_of_contradicting_ones_wins(memory: Memory) -> None:
    memory.core.create("human", "Name: Ann")
    say(memory, "I prefer writing in the mornings.", "Please call me Sam", "I prefer writing in the evenings")
    assert slept(memory) == 2
    assert [p.change["said"] for p in waiting(memory)] == ["Please call me Sam", "I prefer writing in the evenings"]
    say(memory, "From now on, call me Alex", day=5)
    slept(memory, apply=True)
    assert [p.change["said"] for p in memory.proposals.list("rejected")] == ["Please call me Sam"], "said otherwise"
    lines = ["2024-05-03: I prefer writing in the evenings", "2024-05-06: From now on, call me Alex"]
    assert memory.core["human"].value.split("\n") == ["Name: Ann", *lines]
    say(memory, "I prefer writing in the mornings.", day=9)
    assert slept(memory) == 1, "again, after something else"
    [again] = waiting(memory)
    assert again.change["replaces"] == [lines[0]]
    memory.proposals.apply(again.id)
    assert memory.core["human"].value.split("\n") == [
        "Name: Ann", lines[1], "2024-05-10: I prefer writing in the mornings."
    ]  # fmt: skip
    memory.proposals.revert(again.id)
    assert memory.core["human"].value.split("\n") == ["Name: Ann", *lines]


def test_what_core_memory_says_already_or_says_since_is_left(memory: Memory) -> None:
    memory.core.create("persona", "Always show dates as ISO.\nNever use emojis.")
    memory.core.create("human", "2024-06-01: I prefer writing in the evenings")
    say(memory, "Always show dates as ISO", "I prefer writing in the mornings", "Always use emojis")
    assert slept(memory) == 0
    memory.messages.append("user", "Always use emojis", created_at=datetime.now(UTC) + timedelta(days=2))
    assert slept(memory) == 1
    memory.core["human"].describe(read_only=True)
    say(memory, "I prefer metric units", day=5)
    assert slept(memory) == 0


def test_a_line_that_was_to_be_replaced_and_is_gone_and_a_block_that_is_full(memory: Memory) -> None:
    memory.core.create("human", "2024-01-01: I prefer writing in the evenings", limit=80)
    say(memory, "I prefer writing in the mornings", "Always answer with sources, and with the day of each of them")
    assert slept(memory) == 1, "there is room for the one that replaces another"
    [proposal] = waiting(memory)
    memory.core["human"].rethink("Name: Ann")
    with pytest.raises(ConflictError, match="has no line '2024-01-01: I prefer writing in the evenings' any more"):
        memory.proposals.apply(proposal.id)
    assert memory.core["human"].value == "Name: Ann"


def test_forgetting_where_it_was_said_takes_the_proposal_along(memory: Memory) -> None:
    ids = say(memory, "Always show dates as ISO", "Never use emojis")
    slept(memory)
    memory.forget(ids[0], "message")
    assert [p.about for p in waiting(memory)] == [[f"message:{ids[1]}"]]


def test_a_model_says_which_hold_and_how(memory: Memory, chat: ChatServer) -> None:
    memory.core.create("human", "Name: Ann\n2024-01-01: Prefers German")
    say(memory, "I'd prefer to have this table in Times", "From now on always answer me in English", "Never use emojis")
    chat.script(
        Say(json.dumps({"keep": [
            {"said": 2, "line": "Wants answers in English", "replaces": [2, 7]},
            {"said": 3, "line": "Wants no emojis, says Bob"},
        ]}))
    )  # fmt: skip
    report = run(memory, tasks=["standing"], apply=True, model="openai:scripted")
    assert (report.proposed, report.applied) == (2, 2)
    assert memory.core["human"].value.split("\n") == [
        "Name: Ann", "2024-05-02: Wants answers in English", "2024-05-03: Never use emojis"
    ], "what the model adds is not taken over"  # fmt: skip
    [left] = memory.proposals.list("rejected")
    assert left.change["said"].endswith("this table in Times")
    assert slept(memory, model="openai:scripted") == 0
    assert len(chat.requests) == 1, "what was decided is not asked again"


@pytest.mark.parametrize("answer", ["no", '{"keep": 5}', '{"keep": [1]}', '{"keep": [{"said": 1, "line": "a\\nb"}]}'])
def test_an_answer_that_cannot_be_used_leaves_it_to_the_cues(memory: Memory, chat: ChatServer, answer: str) -> None:
    say(memory, "Always show dates as ISO")
    chat.script(Say(answer))
    assert slept(memory, model="openai:scripted") == 1
    assert waiting(memory)[0].change["line"] == "2024-05-01: Always show dates as ISO"


SAID = {
    "de": ("Antworte bitte kurz. Ab jetzt immer mit Quellen antworten!", "Ab jetzt immer mit Quellen antworten!"),
    "es": ("Prefiero viajar de noche.", "Prefiero viajar de noche."),
    "fr": ("Je préfère le train à la voiture.", "Je préfère le train à la voiture."),
    "it": ("Preferisco la cucina senza carne.", "Preferisco la cucina senza carne."),
    "nl": ("Voortaan altijd bedragen in euro tonen.", "Voortaan altijd bedragen in euro tonen."),
    "pt": ("Prefiro música clássica.", "Prefiro música clássica."),
    "ru": ("Привет. Всегда пиши даты словами.", "Всегда пиши даты словами."),
    "ja": ("こんにちは。今後は短く答えてください。", "今後は短く答えてください。"),
    "zh": ("你好。以后请用简体中文回答。", "以后请用简体中文回答。"),
}  # fmt: skip


def test_each_text_is_read_in_its_own_language(memory: Memory) -> None:
    assert {*SAID} == {*codes()} - {"en"}
    say(memory, *(text for text, _ in SAID.values()))
    slept(memory)
    assert [p.change["said"] for p in waiting(memory)] == [said for _, said in SAID.values()]


@pytest.mark.parametrize(("code", "one", "other"), [
    ("en", "Always use emojis", "Never use emojis"), ("de", "Immer Emojis benutzen", "Nie Emojis benutzen"),
    ("zh", "以后用表情", "以后不用表情"),
])  # fmt: skip
def test_the_opposite_is_not_the_same(code: str, one: str, other: str) -> None:
    assert language(code).negative.search(one) is None
    assert language(code).negative.search(other) is not None


def test_long_sentences_hold_no_instruction_and_take_time_with_their_length() -> None:
    def said(text: str) -> list[str]:
        return [s.text for s in sayings_in(Hit("message", 1, 0.0, text, {}, FIRST), language("en"))]

    assert said("Always " + "x " * LONGEST) == []
    assert len(said("Always be brief. " * 20_000)) == 20_000
    assert sayings_in(Hit("message", 1, 0.0, "Never use v1.2 of it.", {}, FIRST), language("en"))[0].day == date(
        2024, 5, 1
    )
