"""``memory.messages`` on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from memgpt import Memory
from memgpt.errors import InputError, NotFoundError
from memgpt.messages.speaker import prefix


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def test_a_message_comes_back_as_it_was_given(memory: Memory) -> None:
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    kept = memory.messages.append(
        "assistant",
        "Looking it up.",
        session="s1",
        name="Bot",
        created_at=when,
        metadata={"a": [1, None]},
        intent="search",
        intent_confidence=0.5,
        tool_calls=[{"id": "c1", "name": "search"}],
    )
    assert memory.messages.get(kept.id) == kept
    assert (kept.session, kept.name, kept.created_at, kept.metadata) == ("s1", "Bot", when, {"a": [1, None]})
    assert (kept.intent, kept.intent_confidence, kept.tool_calls) == ("search", 0.5, [{"id": "c1", "name": "search"}])
    assert kept.tokens == 4


def test_a_message_is_embedded_and_an_empty_one_is_not(memory: Memory, dsn: str) -> None:
    memory.messages.append("user", "I adopted a dog called Rex")
    memory.messages.append("assistant", None, tool_calls=[{"name": "dogs"}])
    memory.messages.append("user", "own vector", embedding=np.ones(256))
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT embedding_model, embedding IS NOT NULL FROM conversations ORDER BY id"
        ).fetchall()
    model = "wordllama-l2-supercat-256"
    assert rows == [(model, True), (None, False), (model, True)]


def test_order_of_a_batch_is_the_order_of_the_session(memory: Memory) -> None:
    texts = [f"line {n}" for n in range(1201)]
    kept = memory.messages.append_many({"content": text, "session": "long"} for text in texts)
    assert [m.content for m in kept] == texts
    assert [m.id for m in kept] == sorted(m.id for m in kept)
    assert [m.content for m in memory.messages.list(session="long", limit=3)] == texts[-3:]
    page = memory.messages.list(session="long", limit=700)
    earlier = memory.messages.list(session="long", limit=700, before=page[0])
    assert [m.content for m in [*earlier, *page]] == texts
    assert memory.messages.list(session="long", limit=2, before=page[0].id) == earlier[-2:]


def test_text_is_another_word_for_content_and_user_the_default_role(memory: Memory) -> None:
    [one, two] = memory.messages.append_many([{"text": "hello"}, {"content": "hello", "role": "assistant"}])
    assert (one.content, one.role, one.session) == ("hello", "user", "default")
    assert two.role == "assistant"


BAD: list[tuple[dict[str, object], str]] = [
    ({"content": ""}, "item 1: content is empty"),
    ({"content": "x", "role": "human"}, "item 1: role must be one of"),
    ({"content": "x", "sesion": "s"}, "item 1: message has an unknown key 'sesion'"),
    ({"content": "x", "text": "y"}, "item 1: content and text"),
    ({"content": "x", "embedding": [1.0]}, "item 1: embedding has shape"),
    ({"content": "x", "tokens": -1}, "item 1: tokens"),
    ({"content": "x", "tool_calls": {"name": "f"}}, "item 1: tool_calls must be a list"),
    ({"content": "x", "created_at": "yesterday"}, "item 1: created_at"),
    ({"content": None}, "item 1: content is empty"),
    ({"content": 7}, "item 1: content must be a text"),
    ({"content": "x\0y"}, "item 1: content has a NUL"),
    ({"content": "", "tool_calls": []}, "item 1: content is empty"),
]


def test_one_bad_item_and_nothing_is_written(memory: Memory) -> None:
    for bad, words in BAD:
        with pytest.raises(InputError, match=words):
            memory.messages.append_many([{"content": "good"}, bad])
    assert memory.messages.count() == 0


def test_filters(memory: Memory) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    memory.messages.append_many(
        {
            "content": f"m{n}",
            "session": "ab"[n % 2],
            "role": ["user", "assistant", "tool"][n % 3],
            "intent": "ask" if n < 4 else None,
            "created_at": start + timedelta(days=n),
        }
        for n in range(12)
    )

    def found(**filters: object) -> list[str]:
        return [m.content for m in memory.messages.list(**filters)]  # type: ignore[arg-type]

    assert found() == [f"m{n}" for n in range(12)]
    assert found(session="a", roles=["user", "tool"]) == ["m0", "m2", "m6", "m8"]
    assert found(intent="ask") == ["m0", "m1", "m2", "m3"]
    assert found(since=start + timedelta(days=3), until="2024-01-06") == ["m3", "m4"]
    with pytest.raises(InputError):
        memory.messages.list(roles=["human"])


def test_sessions_last_spoken_in_first(memory: Memory) -> None:
    memory.messages.append("user", "one", session="old", created_at="2024-01-01")
    memory.messages.append("user", "two", session="new", created_at="2024-02-01")
    memory.messages.append("user", "three", session="old", created_at="2023-12-01")
    assert [(s.session, s.messages) for s in memory.messages.sessions()] == [("new", 1), ("old", 2)]
    assert [s.session for s in memory.messages.sessions(limit=1)] == ["new"]
    assert [s.session for s in memory.messages.sessions(after="new")] == ["old"]
    assert memory.messages.sessions(after="old") == []
    assert memory.messages.sessions()[1].first == datetime(2023, 12, 1, tzinfo=UTC)
    assert memory.messages.count(session="old") == 2


def test_update_and_delete_leave_the_old_row_in_the_history(memory: Memory, dsn: str) -> None:
    kept = memory.messages.append(
        "user", "Ann: I live in Rome", name="Ann", metadata={"k": 1}, intent="tell", intent_confidence=1
    )
    changed = memory.messages.update(kept.id, content="Ann: I live in Oslo now", intent="correct")
    assert (changed.content, changed.intent, changed.intent_confidence) == ("Ann: I live in Oslo now", "correct", None)
    assert (changed.name, changed.metadata, changed.created_at) == ("Ann", {"k": 1}, kept.created_at)
    memory.messages.update(kept.id, metadata={"k": 2})
    memory.messages.delete(kept.id)
    with pytest.raises(NotFoundError):
        memory.messages.get(kept.id)
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT action, old->>'content', old->'metadata', old->>'embedding_model', old ? 'embedding', "
            "old_embedding IS NOT NULL FROM memory_history WHERE kind = 'message' ORDER BY id"
        ).fetchall()
    model = "wordllama-l2-supercat-256"
    assert rows == [
        ("insert", None, None, None, None, False),
        ("update", "Ann: I live in Rome", {"k": 1}, model, False, True),
        ("update", "Ann: I live in Oslo now", {"k": 1}, model, False, False),
        ("delete", "Ann: I live in Oslo now", {"k": 2}, model, False, True),
    ]


def test_a_new_content_has_a_new_vector(memory: Memory, dsn: str) -> None:
    changed = memory.messages.append("user", "first")
    other = memory.messages.append("user", "second words")
    memory.messages.update(changed.id, content="second words")
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT embedding::text, tokens FROM conversations").fetchall()
    assert rows[0] == rows[1]
    assert other.tokens == 2


def test_missing_messages(memory: Memory) -> None:
    for call in (
        lambda: memory.messages.get(7),
        lambda: memory.messages.delete(7),
        lambda: memory.messages.update(7, intent="x"),
        lambda: memory.messages.list(before=7),
    ):
        with pytest.raises(NotFoundError, match="'ann' has no message 7"):
            call()
    assert memory.messages.append_many([]) == []


def test_an_agent_sees_its_own_messages_only(memory: Memory, dsn: str) -> None:
    kept = memory.messages.append("user", "mine")
    with Memory("bob", dsn=dsn) as other:
        assert (other.messages.list(), other.messages.sessions(), other.messages.count()) == ([], [], 0)
        with pytest.raises(NotFoundError):
            other.messages.delete(kept.id)
    assert memory.messages.get(kept.id) == kept


def test_eight_threads_appending_to_one_session_lose_nothing(memory: Memory) -> None:
    def talk(thread: int) -> None:
        for n in range(20):
            memory.messages.append("user", f"{thread} {n}", session="busy")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(talk, range(8)))
    contents = [m.content for m in memory.messages.list(session="busy", limit=1000)]
    assert sorted(contents) == sorted(f"{t} {n}" for t in range(8) for n in range(20))
    for thread in range(8):
        own = [c for c in contents if c.startswith(f"{thread} ")]
        assert own == [f"{thread} {n}" for n in range(20)]


def test_a_transaction_takes_messages_back(memory: Memory) -> None:
    def fail() -> None:
        with memory.transaction():
            memory.messages.append("user", "gone")
            memory.messages.append("user", "")

    with pytest.raises(InputError):
        fail()
    assert memory.messages.count() == 0


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("Caroline: I went hiking", "Caroline"),
        ("Ann Lee Smith: hello", "Ann Lee Smith"),
        ("Jean-Luc O'Neil: hello", "Jean-Luc O'Neil"),
        ("Dr. Chen: hello", "Dr. Chen"),
        ("Zoë: hello\nBob: hi", "Zoë"),
        ("Note: remember this", None),
        ("Warning: hot", None),
        ("Important Note: x", None),
        ("Python Error: x", None),
        ("https://example.org: a site", None),
        ("See http: //x", None),
        ("At 10:30: lunch", None),
        ("10: 30", None),
        ("ann: hello", None),
        ("One Two Three Four: hello", None),
        ("Ann:hello", None),
        ("Ann: ", None),
        ("User: hello", None),
        ("A" + "b" * 40 + ": hello", None),
        ("Monday: gym", None),
        ("no colon here", None),
    ],
)
def test_what_may_be_a_speakers_name(content: str, name: str | None) -> None:
    assert prefix("user", content) == name


def test_a_prefix_is_a_name_where_somebody_of_that_name_speaks(memory: Memory) -> None:
    messages = memory.messages
    assert messages.append("user", "Paris: the city of light", session="trip").name is None
    assert messages.append("user", "Paris: take the night train", session="trip").name is None
    messages.append("user", "Hello", name="Ann", session="trip")
    assert messages.append("user", "Ann: shall we go?", session="trip").name == "Ann"
    assert messages.append("user", "Ann: shall we go?", session="another").name is None


def test_those_who_take_turns_in_a_session_are_its_speakers(memory: Memory) -> None:
    said = ["Ann: hi", "Bob: hello", "Ann: how are you?", "Bob: well", "Rome: not built in a day"]
    kept = memory.messages.append_many([{"content": text, "session": "chat"} for text in said])
    assert [message.name for message in kept] == ["Ann", "Bob", "Ann", "Bob", None]
    assert memory.messages.append("user", "Bob: and you?", session="chat").name == "Bob"
    one_by_one = [memory.messages.append("user", text, session="other").name for text in said]
    assert one_by_one == [None, None, "Ann", "Bob", None]


def test_where_the_name_comes_from(memory: Memory) -> None:
    messages = memory.messages
    assert messages.append("user", "Ann: hi", name="Given", metadata={"speaker": "Meta"}).name == "Given"
    assert messages.append("user", "Ann: hi", metadata={"speaker": "Meta", "name": "Other"}).name == "Meta"
    assert messages.append("user", "Ann: hi", metadata={"name": " Other "}).name == "Other"
    assert messages.append("user", "Ann: hi", metadata={"speaker": 3}).name is None
    assert messages.append("user", "Ann: hi").content == "Ann: hi"
    assert messages.append("tool", "Result: 3").name is None
    assert messages.append("tool", "Ann: hi").name is None
