"""The graph arm of a search: names by rule, and texts found by the names they share."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from memgpt import Memory


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def names(dsn: str, kind: str = "archival") -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT name FROM kg_mentions WHERE kind = %s ORDER BY name", [kind]).fetchall()
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Bank of Ulm hired Anna Müller's brother.", ["anna müller", "bank of ulm"]),
        ("when it rains, nobody runs", []),
        ("However, he met Élodie near Paris.", ["paris", "élodie"]),
        ("tea ceremony (Japan)\nA ritual of Kyoto.", ["japan", "kyoto", "tea ceremony"]),
        ("Not a title.\nAnother line.", ["not"]),
    ],
)
def test_names_are_found_by_rule(dsn: str, text: str, expected: list[str]) -> None:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT array(SELECT memory_mentions(%s) ORDER BY 1)", [text]).fetchone()
    assert found is not None
    assert [name for name in found[0] if name in expected] == sorted(expected)


def test_the_names_follow_the_text(memory: Memory, dsn: str) -> None:
    kept = memory.remember("Ann lives near Ulm.")
    assert names(dsn) == ["ann", "ulm"]
    memory.archival.update(kept.id, text="Ann lives near Bonn.")
    assert names(dsn) == ["ann", "bonn"]
    memory.undo()
    assert names(dsn) == ["ann", "ulm"]
    memory.archival.delete(kept.id)
    assert names(dsn) == []
    memory.undo()
    assert names(dsn) == ["ann", "ulm"]
    memory.forget(kept.id)
    assert names(dsn) == []
    document = memory.documents.create([{"text": "He saw Rome."}], title="Old Travels")
    assert names(dsn, "chunk") == ["old travels", "rome"]
    memory.documents.delete(document.id)
    assert names(dsn, "chunk") == []


def test_what_the_best_text_names_is_found(memory: Memory) -> None:
    memory.remember_many(
        [{"text": f"Filler number {n} speaks of weather and bread."} for n in range(60)]
        + [
            {"text": "Harbour Street bakery was opened by Quentin Marlowe."},
            {"text": "Quentin Marlowe grew up in Tromsø."},
        ]
    )
    question = "Where did the person who opened the bakery grow old as a child?"
    with_arm = memory.search(question, limit=3, explain=True)
    hit = next(hit for hit in with_arm if "Tromsø" in hit.text)
    assert hit.explain is not None
    assert hit.explain["graph"]["score"] > 0
    scores = [h.score for h in with_arm]
    assert scores == sorted(scores, reverse=True)
    assert all("graph" not in (h.explain or {}) for h in memory.search(question, graph=False, explain=True))


def test_filters_hold_in_the_graph_arm(memory: Memory) -> None:
    memory.remember("The mill was built by Quentin Marlowe.", tags=["old"])
    memory.remember("Quentin Marlowe was born in Tromsø.", tags=["new"])
    assert [h.text[:8] for h in memory.search("who built the mill", tags=["old"])] == ["The mill"]
    texts = [h.text for h in memory.search("who built the mill -Tromsø")]
    assert not any("Tromsø" in text for text in texts)


def test_messages_keep_their_places(memory: Memory) -> None:
    memory.messages.append("user", "Quentin Marlowe told me about the mill.")
    memory.remember("The mill was built by Quentin Marlowe.")
    memory.remember("Quentin Marlowe was born in Tromsø.")
    plain = memory.search("who told about the mill", graph=False)
    linked = memory.search("who told about the mill")
    assert [n for n, h in enumerate(plain) if h.kind == "message"] == [
        n for n, h in enumerate(linked) if h.kind == "message"
    ]
