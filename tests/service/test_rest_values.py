"""What callers send over REST comes back exactly, or is refused by its index and field."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from memgpt import validation

A = "/v1/agents/acme-1"

TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(["", "\0", "\ud83d", r"\u0000", "e\u0301", "x" * 1200])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
METADATA = st.dictionaries(TEXTS, VALUES, max_size=2)
TIMES = st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01", "2999-11-26T10:00:00+05:30", "never", "infinity"])
MEMORIES = st.fixed_dictionaries(
    {"text": TEXTS},
    optional={"metadata": METADATA, "created_at": TIMES, "expires_at": TIMES, "tags": st.lists(TEXTS, max_size=2)},
)
MESSAGES = st.fixed_dictionaries(
    {"content": TEXTS, "role": st.sampled_from(["user", "assistant", "tool"])},
    optional={"metadata": METADATA, "created_at": TIMES, "tool_call_id": TEXTS, "session": TEXTS},
)
SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(("path", "field", "text"), [
    ("archival-memory", "memories", "text"),
    ("messages", "messages", "content"),
])  # fmt: skip
@SOME
@given(data=st.data())
def test_any_batch_comes_back_exactly_or_is_refused_by_index_and_field(
    client: TestClient, path: str, field: str, text: str, data: st.DataObject
) -> None:
    items = data.draw(st.lists(MEMORIES if field == "memories" else MESSAGES, min_size=1, max_size=3))
    before = stored(client)
    answer = client.post(
        f"{A}/{path}/batch", content=json.dumps({field: items}), headers={"Content-Type": "application/json"}
    )
    if answer.status_code == 422:
        refused(answer.json()["detail"], field, items)
        assert stored(client) == before
        return
    assert answer.status_code in (200, 201), answer.text
    for item, kept in zip(items, answer.json(), strict=True):
        row = client.get(f"{A}/{path}/{kept['id']}").json()
        alike = [each for each in items if validation.normal(each[text]) == validation.normal(item[text])]  # type: ignore[arg-type]
        if field == "memories" and (kept["duplicate"] or len(alike) > 1):
            assert validation.normal(row[text]) == validation.normal(item[text])  # type: ignore[arg-type]
            continue
        assert row[text] == item[text]
        assert row["metadata"] == item.get("metadata", {})
        for time in {"created_at", "expires_at"} & {*item}:
            assert validation.moment(row[time], time) == validation.moment(item[time], time)


def stored(client: TestClient) -> Any:
    stats = client.get(f"{A}/stats")
    return stats.json() if stats.status_code == 200 else stats.status_code


def refused(error: str, field: str, items: list[dict[str, Any]]) -> None:
    """The answer names an item of the batch, and a field that this item has."""
    places = [(n, name) for n, item in enumerate(items) for name in item]
    assert any(error.startswith((f"body.{field}.{n}.{name}", f"item {n}: {name}")) for n, name in places), error


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31T23:59:59-14:00", "infinity", "never", 5, [], {}, True])
@pytest.mark.parametrize("path", ["archival-memory", "messages", "documents", "history"])
def test_a_cursor_with_a_time_that_is_none_is_refused(client: TestClient, path: str, time: Any) -> None:
    position = {"id": 1, "created_at": time, "recorded_at": "2026-01-01"}
    cursor = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
    answer = client.get(f"{A}/{path}", params={"after": cursor})
    assert answer.status_code == 422, answer.text
    assert "after" in answer.json()["detail"]


def test_the_time_zone_of_an_agent_is_set_and_taken_back(client: TestClient) -> None:
    client.post(f"{A}/messages", json={"content": "good evening", "created_at": "2026-11-25T20:30:00Z"})
    assert client.get(A).json()["time_zone"] is None
    for sent, zone, shown in (
        ({"time_zone": "Pacific/Auckland"}, "Pacific/Auckland", "2026-11-26 09:30 Pacific/Auckland"),
        ({"description": "Ann's"}, "Pacific/Auckland", "2026-11-26 09:30 Pacific/Auckland"),
        ({"time_zone": None}, None, "2026-11-25 20:30 UTC"),
    ):
        assert client.put(A, json=sent).json()["time_zone"] == zone
        assert shown in client.post(f"{A}/context", json={"query": "evening"}).json()["text"]
    assert client.get(A).json()["description"] == "Ann's"
    assert client.put(A, json={"time_zone": "Mars/Base"}).status_code == 422
