"""``memory.intents``: labels of messages, the user's own labels, filters and statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from memgpt import Memory
from memgpt.errors import InputError, MemgptError
from memgpt.messages.intents import UNKNOWN, Examples
from memgpt.models import Intent

HELD_OUT = Path(__file__).parents[2] / "benchmarks" / "data" / "intents_held_out.json"


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def test_every_user_message_gets_an_intent(memory: Memory) -> None:
    one = memory.messages.append("user", "Please remember that my sister lives in Rome")
    assert one.intent == "remember"
    assert one.intent_confidence is not None
    assert 0.5 < one.intent_confidence <= 1
    many = memory.messages.append_many(
        [
            {"content": "Remind me tomorrow to call the bank"},
            {"content": "Done.", "role": "assistant"},
            {"content": "What did I tell you about my sister?"},
            {"content": "0x7fff 0x0012 SIGSEGV"},
        ]
    )
    assert [m.intent for m in many] == ["reminder", None, "recall", UNKNOWN]


def test_a_given_intent_is_kept(memory: Memory) -> None:
    assert memory.messages.append("user", "Remind me tomorrow", intent="other").intent == "other"


def test_most_held_out_examples_are_labelled_right(memory: Memory) -> None:
    held_out: dict[str, list[str]] = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    pairs = [(label, text) for label, texts in held_out.items() if label != UNKNOWN for text in texts]
    answers = memory.intents.classify_many([text for _, text in pairs])
    right = sum(label == answer.intent for (label, _), answer in zip(pairs, answers, strict=True))
    assert right / len(pairs) > 0.85
    assert not {text for _, text in pairs} & {text for texts in memory.intents.examples().values() for text in texts}


def test_a_label_of_ones_own(memory: Memory, dsn: str) -> None:
    text = "The kiln is at 1,240 degrees now"
    assert memory.messages.append("user", text).intent != "reading"
    memory.intents.learn("reading", "The kiln shows 900 degrees", "kiln at 1,100 degrees", "The kiln reads 850 degrees")
    assert memory.messages.append("user", text).intent == "reading"
    with Memory("bob", dsn=dsn) as bob:
        assert "reading" not in bob.intents.examples()
    memory.intents.learn("temperature", "The kiln shows 900 degrees")
    assert "The kiln shows 900 degrees" not in memory.intents.examples()["reading"]
    assert memory.intents.unlearn("reading") == 2
    assert memory.intents.unlearn("temperature", "The kiln shows 900 degrees") == 1
    assert memory.messages.append("user", text).intent != "reading"


def test_bad_examples_are_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match="at most 400"):
        memory.intents.learn("x", "fine", "y" * 401)
    with pytest.raises(InputError, match="unknown"):
        memory.intents.learn(UNKNOWN, "x")
    assert "x" not in memory.intents.examples()


def test_a_classifier_of_ones_own_and_what_happens_when_it_fails(memory: Memory) -> None:
    asked: list[Sequence[str]] = []

    def shouting(texts: Sequence[str], examples: Examples) -> Sequence[Intent]:
        asked.append(texts)
        assert "remember" in examples
        if len(asked) > 1:
            raise MemgptError("the model is away")
        return [Intent("shout", 0.9) for _ in texts]

    memory.intents.use(shouting)
    assert memory.messages.append("user", "Remember that I like tea").intent == "shout"
    assert memory.messages.append("user", "Remember that I like tea").intent == "remember"
    memory.intents.use(None)
    assert len(asked) == 2


def test_filters_by_intent_and_role(memory: Memory) -> None:
    memory.messages.append("user", "Remember that the boat is called Lena")
    memory.messages.append("assistant", "Noted: the boat is called Lena")
    memory.messages.append("user", "What was the boat called, as I told you?")
    memory.remember("The boat is called Lena")
    assert [m.content[:8] for m in memory.messages.list(intent="remember")] == ["Remember"]
    [hit] = memory.search("boat", intents=["remember"])
    assert (hit.kind, hit.source["intent"]) == ("message", "remember")
    assert {h.source["role"] for h in memory.search("boat", roles=["assistant"])} == {"assistant"}
    assert {h.source["role"] for h in memory.search(vector=[1.0] * 256, roles=["user"])} == {"user"}
    with pytest.raises(InputError, match="roles must be one of"):
        memory.search("boat", roles=["human"])


def test_statistics(memory: Memory) -> None:
    for text in ("Thanks a lot!", "Thank you very much", "Remember that I like tea"):
        memory.messages.append("user", text)
    counts = memory.intents.statistics()
    assert [(c.intent, c.messages) for c in counts] == [("thanks", 2), ("remember", 1)]
    assert memory.intents.statistics(until=counts[0].first) == []


def test_statistics_and_filters_read_the_intent_index(memory: Memory, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = on")  # else VACUUM cannot yet know that all see the rows
        connection.execute(
            """INSERT INTO conversations (agent_id, role, content, intent, created_at)
               SELECT 'a' || n % 20, 'user', repeat('x', 900), 'i' || n % 7, now() - n * interval '1 minute'
               FROM generate_series(1, 20000) n"""
        )
        connection.execute("VACUUM ANALYZE conversations")
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                """EXPLAIN SELECT intent, count(*), min(created_at), max(created_at) FROM conversations
                   WHERE agent_id = 'a1' AND intent IS NOT NULL GROUP BY intent"""
            )
        )
        assert "Index Only Scan using conversations_intent_idx" in plan
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                """EXPLAIN SELECT * FROM conversations WHERE agent_id = 'a1' AND intent = 'i3'
                   ORDER BY created_at DESC, id DESC LIMIT 20"""
            )
        )
        assert "conversations_intent_idx" in plan
