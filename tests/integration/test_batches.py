"""Batches: any item is kept exactly or refused with its index and field; or left out, or mended, with a report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Memory, validation
from memgpt.errors import InputError
from memgpt.integrations.transcripts import import_transcript
from memgpt.memory import scope_of
from memgpt.models import Json
from memgpt.scope.batches import Batch, Problem


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def told(batch: Batch[Any]) -> list[tuple[int, str, str]]:
    return [(problem.index, problem.field, problem.outcome) for problem in batch.problems]


def test_on_error_decides_what_a_bad_item_does(memory: Memory) -> None:
    items: list[Json] = [{"text": "good"}, {"text": "a\0b"}, {"text": "late", "created_at": "9999-12-31T23:59Z"}]
    with pytest.raises(InputError, match="item 1: text has a NUL"):
        memory.remember_many(items)
    assert memory.archival.list() == []
    skipped = memory.remember_many(items, on_error="skip")
    assert [(p.index, p.field, p.outcome) for p in skipped.problems] == [
        (1, "text", "skipped"),
        (2, "created_at", "skipped"),
    ]
    assert [memory.archival.get(r.id).text for r in skipped] == ["good"]
    mended = memory.remember_many(items, on_error="replace")
    assert [(p.index, p.field, p.outcome) for p in mended.problems] == [
        (1, "text", "replaced"),
        (2, "created_at", "skipped"),
    ]
    assert [memory.archival.get(r.id).text for r in mended] == ["good", "a�b"]
    said = memory.messages.append_many(
        [{"content": "half \ud83d"}, {"content": "pair \ud83d\ude00"}], on_error="replace"
    )
    assert [m.content for m in said] == ["half �", "pair 😀"]
    with pytest.raises(InputError, match="on_error must be one of fail, skip, replace"):
        memory.remember_many([], on_error="ignore")  # type: ignore[arg-type]


def test_turns_without_text_and_content_in_parts(memory: Memory) -> None:
    call = {"id": "1", "function": {"name": "mkdir", "arguments": "{}"}}
    kept = memory.messages.append_many(
        [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": ""},
            {"role": "assistant", "content": ""},
            {
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image_url", "image_url": {"url": "data:,"}},
                    "there",
                ]
            },
            {"role": "assistant", "content": [{"type": "tool_use", "id": "2", "name": "f", "input": {}}]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "2", "content": [{"text": "42"}]}]},
        ]
    )
    assert [m.content for m in kept] == ["", "", "", "hi\n[image_url]\nthere", "", "42"]
    assert kept[4].tool_calls == [{"id": "2", "name": "f", "arguments": {}}]
    with pytest.raises(InputError, match="item 0: content is empty"):
        memory.messages.append_many([{"role": "user", "content": ""}])
    with pytest.raises(InputError, match=r"item 0: content\[1\] must be a text or a mapping, not int"):
        memory.messages.append_many([{"content": ["a", 1]}])


@pytest.mark.parametrize("bad", ["a\0b", "cut \ud83d"])
def test_one_bad_character_refuses_no_transcript(memory: Memory, bad: str) -> None:
    file = [*({"role": "user", "content": f"m{n}"} for n in range(5)), {"role": "tool", "content": bad}]
    with pytest.raises(InputError, match="message 5 of 'imported': content has"):
        import_transcript(memory, file, on_error="fail")
    assert memory.messages.count() == 0
    done = import_transcript(memory, file)
    assert (done.messages, [(p.index, p.field, p.outcome) for p in done.problems]) == (6, [(5, "content", "replaced")])
    assert memory.messages.list()[-1].content == validation.replaced(bad)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "assistant", "content": "x", "tool_calls": ["f"]}, "tool_calls"),
        ({"role": "user", "content": "x", "create_time": float("nan")}, "created_at"),
        ({"role": "user", "content": "x", "create_time": 1e20}, "created_at"),
        ({"role": "user", "content": "x", "create_time": "tomorrow"}, "created_at"),
        ({"role": "nobody", "content": "x"}, "role"),
        ("no object", "role"),
    ],
)
def test_a_malformed_message_is_named(memory: Memory, message: Any, field: str) -> None:
    with pytest.raises(InputError, match=f"message 0 of 'imported': {field}"):
        import_transcript(memory, [message], on_error="fail")
    done = import_transcript(memory, [message, {"role": "user", "content": "kept"}])
    lost = field == "role"  # else the message is kept without what is bad in it
    assert [(p.index, p.field, p.outcome) for p in done.problems] == [(0, field, "skipped" if lost else "replaced")]
    assert (done.messages, done.skipped) == (1, 1) if lost else (2, 0)


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_the_unit_of_a_time_is_known_by_its_size(memory: Memory, unit: float) -> None:
    import_transcript(memory, [{"role": "user", "content": "x", "create_time": 1732500000 * unit}])
    assert memory.messages.list()[0].created_at == datetime(2024, 11, 25, 2, tzinfo=UTC)


TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(["", "\0", "\ud83d", r"\u0000", "e\u0301", "x" * 1200])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
METADATA = st.none() | st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES
TIMES = (
    st.none()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01", "2026-11-26T10:00+05:30", "never", "infinity"])
)
MEMORIES = st.fixed_dictionaries(
    {"text": TEXTS},
    optional={"metadata": METADATA, "created_at": TIMES, "expires_at": TIMES, "tags": st.lists(TEXTS, max_size=2)},
)
MESSAGES = st.fixed_dictionaries(
    {"content": TEXTS | st.lists(TEXTS, max_size=2), "role": st.sampled_from(["user", "assistant", "tool"])},
    optional={
        "metadata": METADATA,
        "created_at": TIMES,
        "tool_call_id": TEXTS,
        "tool_calls": st.lists(METADATA, max_size=1),
    },
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def empty_vector(memory: Memory) -> list[float]:
    """Ready, so that no text is embedded."""
    return [1.0] + [0.0] * (scope_of(memory).model.dimensions - 1)


@MANY
@given(items=st.lists(MEMORIES, min_size=1, max_size=4))
def test_any_memories_come_back_exactly_or_are_refused_by_name(
    memory: Memory, empty_vector: list[float], items: list[Json]
) -> None:
    before = {m.id for m in memory.archival.list(limit=10_000, superseded=True)}
    try:
        kept = memory.remember_many([{**item, "embedding": empty_vector} for item in items])
    except InputError as error:
        refused(str(error), items, {"text", "metadata", "created_at", "expires_at", "tags"})
        assert {m.id for m in memory.archival.list(limit=10_000, superseded=True)} == before
        return
    for item, answer in zip(items, kept, strict=True):
        row = memory.archival.get(answer.id)
        if answer.duplicate or sum(validation.normal(i["text"]) == validation.normal(item["text"]) for i in items) > 1:
            assert validation.normal(row.text) == validation.normal(item["text"])
            continue
        assert row.text == item["text"]
        same(row.metadata, item.get("metadata") or {})
        if item.get("created_at") is not None:
            assert row.created_at == validation.moment(item["created_at"], "")
        assert row.expires_at == validation.moment(item.get("expires_at"), "")


@MANY
@given(items=st.lists(MESSAGES, min_size=1, max_size=4))
def test_any_messages_come_back_exactly_or_are_refused_by_name(
    memory: Memory, empty_vector: list[float], items: list[Json]
) -> None:
    before = memory.messages.count()
    given = [{**item, "embedding": empty_vector, "intent": "none"} for item in items]
    try:
        kept = memory.messages.append_many(given)
    except InputError as error:
        refused(str(error), items, {"content", "metadata", "created_at", "tool_call_id", "tool_calls"})
        assert memory.messages.count() == before
        return
    for item, answer in zip(items, kept, strict=True):
        row = memory.messages.get(answer.id)
        content = item["content"]
        assert row.content == (content if isinstance(content, str) else "\n".join(content))
        assert row.tool_call_id == item.get("tool_call_id")
        same(row.metadata, item.get("metadata") or {})
        same(row.tool_calls or [], [call or {} for call in item.get("tool_calls") or []])
        if item.get("created_at") is not None:
            assert row.created_at == validation.moment(item["created_at"], "")


def refused(error: str, items: list[Json], fields: set[str]) -> None:
    """The error names an item of the batch, and a field that this item has."""
    where, _, what = error.partition(": ")
    word, _, number = where.partition(" ")
    assert word == "item"
    assert any(what.startswith(field) for field in fields & set(items[int(number)])), error


def same(kept: object, given: object) -> None:
    """JSON has one zero, and keeps numbers by their value."""
    assert kept == given


def test_a_problem_says_what_was_wrong(memory: Memory) -> None:
    [problem] = memory.remember_many([{"text": "x", "metadata": {"k": [float("inf")]}}], on_error="skip").problems
    assert problem == Problem(0, "metadata", "metadata['k'][0] cannot be written as JSON: it is inf", "skipped")
