"""The HTTP interface, resource by resource."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from memgpt.errors import DatabaseError
from memgpt.server import readiness
from memgpt.server.api.edge import ServerLimits
from memgpt.server.service import Service
from tests.service.conftest import app_of

A = "/v1/agents/acme-1"


def test_archival_memory(client: TestClient) -> None:
    [kept] = client.post(f"{A}/archival-memory", json={"text": "Ann likes trains", "tags": ["travel"]}).json()
    assert kept["duplicate"] is False
    [again] = client.post(f"{A}/archival-memory", json={"text": "Ann likes trains"}).json()
    assert (again["id"], again["duplicate"]) == (kept["id"], True)
    one = f"{A}/archival-memory/{kept['id']}"
    assert client.patch(one, json={"importance": 1}).json()["importance"] == 1
    assert client.get(one).json()["tags"] == ["travel"]
    assert client.get(f"{A}/archival-memory/search", params={"query": "trains"}).json()[0]["id"] == kept["id"]
    [new] = client.put(f"{one}/superseded-by", json={"text": "Ann likes night trains"}).json()
    assert [m["id"] for m in client.get(f"{A}/archival-memory").json()] == [new["id"]]
    assert client.delete(f"{A}/archival-memory/{new['id']}").status_code == 204
    assert client.get(f"{A}/archival-memory/{new['id']}").status_code == 404
    assert client.post(f"{A}/undo", json={}).json()[0]["row_id"] == new["id"]
    assert client.get(f"{A}/archival-memory/{new['id']}").status_code == 200


def test_a_batch_is_kept_as_a_whole_or_not(client: TestClient) -> None:
    bad = [{"text": "one"}, {"text": "two\0"}]
    assert client.post(f"{A}/archival-memory/batch", json={"memories": bad}).status_code == 422
    assert client.get(f"{A}/archival-memory").json() == []
    good = [{"text": "one"}, {"text": "two"}, {"text": "one"}]
    kept = client.post(f"{A}/archival-memory/batch", json={"memories": good}).json()
    assert [k["duplicate"] for k in kept] == [False, False, True]


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("archival-memory", lambda c, n: c.post(f"{A}/archival-memory", json={"text": f"note {n}"})),
        ("messages", lambda c, n: c.post(f"{A}/messages", json={"content": f"message {n}"})),
        ("documents", lambda c, n: c.post(f"{A}/documents", json={"text": f"document {n}"})),
        ("entities", lambda c, n: c.post(f"{A}/entities", json={"name": f"entity {n}"})),
        (
            "facts",
            lambda c, n: c.post(f"{A}/facts", json={"source": "x", "type": f"t{n}", "target": "y"}),
        ),
        ("history", lambda c, n: c.post(f"{A}/archival-memory", json={"text": f"note {n}"})),
    ],
)
def test_pages_hold_every_row_once(client: TestClient, path: str, make: Callable[[TestClient, int], object]) -> None:
    for n in range(7):
        make(client, n)
    everything = client.get(f"{A}/{path}").json()
    assert len(everything) >= 7
    url, seen = f"{A}/{path}?limit=3", []  # type: ignore[var-annotated]
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen = page + seen if path == "messages" else seen + page
        url = answer.links.get("next", {}).get("url", "")
    assert seen == everything


def test_agents_are_listed_by_key_in_pages(client: TestClient, client_with: Callable[..., TestClient]) -> None:
    for name in ("acme-1", "acme-2", "acme-3", "umbrella"):
        assert client.put(f"/v1/agents/{name}", json={"description": name}).status_code == 200
    limited = client_with(agents=["acme-*"])
    first = limited.get("/v1/agents?limit=2")
    rest = limited.get(first.links["next"]["url"]).json()
    assert [a["agent_id"] for a in first.json() + rest] == ["acme-1", "acme-2", "acme-3"]
    assert limited.get("/v1/agents/umbrella").status_code == 403


def test_blocks_are_edited_as_seen(client: TestClient) -> None:
    blocks = f"{A}/core-memory/blocks"
    made = client.post(blocks, json={"label": "human", "value": "Ann"})
    tag = made.headers["etag"]
    assert client.post(blocks, json={"label": "human"}).status_code == 409
    first = client.post(f"{blocks}/human/append", json={"text": "Vienna"}, headers={"If-Match": tag})
    assert first.json()["value"] == "Ann\nVienna"
    late = client.patch(f"{blocks}/human", json={"value": "lost"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert client.get(f"{blocks}/human", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.patch(f"{blocks}/human", json={"limit": 5}).status_code == 409
    changed = client.patch(f"{blocks}/human", json={"value": "longer" * 1000, "limit": 7000, "read_only": True}).json()
    assert (len(changed["value"]), changed["limit"], changed["read_only"]) == (6000, 7000, True)
    assert client.post(f"{blocks}/human/append", json={"text": "x"}).status_code == 409
    assert client.delete(f"{blocks}/human", headers={"If-Match": "nonsense"}).status_code == 422
    assert client.delete(f"{blocks}/human", headers={"If-Match": '"1.1.00000000"'}).status_code == 404
    assert [b["label"] for b in client.get(blocks).json()] == ["human"]


def test_blocks_are_shared_within_the_key(client: TestClient, client_with: Callable[..., TestClient]) -> None:
    acme = client_with(agents=["acme-*"])
    block = f"{A}/core-memory/blocks/team"
    acme.post(f"{block}/append", json={"text": "shared"})
    assert acme.put(f"{block}/shared-with", json={"agents": ["umbrella"]}).status_code == 403
    assert acme.put(f"{block}/shared-with", json={"agents": ["acme-2"]}).status_code == 200
    other = "/v1/agents/acme-2/core-memory/blocks/team"
    assert acme.post(f"{other}/append", json={"text": "edited by the other"}).status_code == 200
    assert acme.get(block).json()["value"] == "shared\nedited by the other"
    assert acme.put(f"{block}/shared-with", json={"agents": []}).json()["shared_with"] == []
    assert acme.get(other).status_code == 404
    assert client.get("/v1/agents/umbrella/core-memory/blocks").json() == []


def test_remembering_again_merges_and_a_late_correction_is_a_conflict(client: TestClient) -> None:
    archival = f"{A}/archival-memory"
    [first] = client.post(archival, json={"text": "tea", "tags": ["a"], "expires_at": "2999-01-01T00:00:00Z"}).json()
    [again] = client.post(archival, json={"text": "tea", "tags": ["b"], "importance": 0.9}).json()
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    row = client.get(f"{archival}/{first['id']}").json()
    assert (row["tags"], row["importance"], row["expires_at"]) == (["a", "b"], pytest.approx(0.9), None)
    [new] = client.put(f"{archival}/{first['id']}/superseded-by", json={"text": "coffee"}).json()
    for late in (
        client.put(f"{archival}/{first['id']}/superseded-by", json={"text": "milk"}),
        client.patch(f"{archival}/{first['id']}", json={"tags": ["c"]}),
    ):
        assert late.status_code == 409
        assert f"superseded by archival memory {new['id']}" in late.json()["detail"]
    assert [m["text"] for m in client.get(archival).json()] == ["coffee"]


def test_a_session_is_deleted_and_forgotten_in_one_call(client: TestClient) -> None:
    for session in ("team/plans", "other"):
        client.post(f"{A}/messages", json={"content": "Hello", "session": session})
    assert client.delete(f"{A}/messages").status_code == 422
    assert client.delete(f"{A}/messages", params={"session": "team/plans"}).status_code == 204
    assert client.delete(f"{A}/messages", params={"session": "team/plans"}).status_code == 404
    assert [s["session"] for s in client.get(f"{A}/messages/sessions").json()] == ["other"]
    client.post(f"{A}/undo", json={})
    assert client.post(f"{A}/forget", json={"session": "team/plans"}).json()["conversations"] == 1
    assert client.post(f"{A}/forget", json={"session": "team/plans"}).status_code == 404
    assert client.post(f"{A}/forget", json={"session": "other", "id": 1}).status_code == 422
    assert client.post(f"{A}/forget", json={}).status_code == 422
    assert [s["session"] for s in client.get(f"{A}/messages/sessions").json()] == ["other"]


def test_every_option_of_a_search_a_context_and_a_fact_arrives(client: TestClient) -> None:
    said = [
        client.post(
            f"{A}/messages", json={"role": role, "content": f"tea, says the {role}", "intent": role, "tokens": 7}
        )
        for role in ("user", "assistant")
    ]
    assert {m.json()["tokens"] for m in said} == {7}
    search = {"query": "tea", "roles": ["user"], "intents": ["user"], "half_life": "12h", "recency": 1, "graph": False}
    assert [hit["id"] for hit in client.post(f"{A}/search", json=search).json()] == [said[0].json()["id"]]
    assert client.post(f"{A}/search", json=search | {"half_life": "soon"}).status_code == 422
    asked = {"query": "tea", "recent": 0, "limit": 1, "kinds": ["message"], "summary": "They met."}
    composed = client.post(f"{A}/context", json=asked).json()
    assert [item["part"] for item in composed["items"]] == ["summary", "message"]
    fact = {"source": "Ann", "type": "likes", "target": "Tea", "provenance": ["message", 1], "functional": True}
    stated = client.post(f"{A}/facts", json=fact).json()
    assert (stated["provenance_kind"], stated["provenance_id"]) == ("message", 1)
    client.post(f"{A}/facts", json=fact | {"target": "Coffee"})
    known = client.get(f"{A}/facts", params={"known_at": stated["recorded_at"]}).json()
    assert [row["id"] for row in known] == [stated["id"]]
    assert client.get(f"{A}/stats").json()["agent_id"] == "acme-1"
    assert client.get(f"{A}/archival-memory/search", params={"query": "tea", "limit": 1}).json() == []
    assert client.get(f"{A}/messages", params={"roles": "user"}).json() == [said[0].json()]


def test_messages_documents_and_graph(client: TestClient) -> None:
    batch = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi", "session": "s"}]
    sent = client.post(f"{A}/messages/batch", json={"messages": batch}).json()
    assert client.get(f"{A}/messages", params={"session": "s"}).json() == [sent[1]]
    assert {s["session"] for s in client.get(f"{A}/messages/sessions").json()} == {"s", "default"}
    assert client.patch(f"{A}/messages/{sent[0]['id']}", json={"intent": "greet"}).json()["intent"] == "greet"
    document = client.post(f"{A}/documents", json={"text": "# Title\n\nText.", "source": "a.md"}).json()
    [chunk] = client.get(f"{A}/documents/{document['id']}/chunks").json()
    assert client.get(f"{A}/chunks/{chunk['id']}").json() == chunk
    assert client.post(f"{A}/documents", json={"text": "another", "source": "a.md"}).status_code == 409
    fact = client.post(f"{A}/facts", json={"source": "Ann", "type": "works_at", "target": "Acme"}).json()
    [ann] = client.get(f"{A}/entities", params={"name": "ann"}).json()
    assert client.get(f"{A}/facts", params={"entity": ann["id"]}).json() == [fact]
    again = {"source": "Ann", "type": "works_at", "target": "Acme", "properties": {"role": "smith"}, "weight": 0.5}
    learnt = client.post(f"{A}/facts", json=again).json()
    assert learnt == fact | {"properties": {"role": "smith"}, "weight": 0.5}
    assert client.post(f"{A}/facts/{fact['id']}/retract").json()["superseded_at"] is not None
    hits = client.post(f"{A}/search", json={"query": "hello", "kinds": ["message"]}).json()
    assert hits[0]["id"] == sent[0]["id"]
    assert 0 < hits[0]["confidence"] < 1
    asked = {"query": 'hello -"hello"', "kinds": ["message"]}
    assert sent[0]["id"] not in [hit["id"] for hit in client.post(f"{A}/search", json=asked).json()]
    assert client.post(f"{A}/search", json=asked | {"operators": False}).json()[0]["id"] == sent[0]["id"]
    context = client.post(f"{A}/context", json={"query": "hello", "budget_tokens": 200}).json()
    assert 0 < context["tokens"] <= 200
    old = client.get(f"{A}/as-of", params={"time": fact["recorded_at"], "kind": "fact"}).json()
    assert [row["superseded_at"] for row in old] in ([], [None])


def test_a_write_sent_twice_is_done_once(client: TestClient, client_with: Callable[..., TestClient]) -> None:
    path, headers = f"{A}/messages", {"Idempotency-Key": "k1"}
    first = client.post(path, json={"content": "once"}, headers=headers)
    again = client.post(path, json={"content": "once"}, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert client.post(path, json={"content": "other"}, headers=headers).status_code == 409
    elsewhere = client_with()
    assert elsewhere.post(path, json={"content": "once"}, headers=headers).json()["id"] != first.json()["id"]
    assert len(client.get(path).json()) == 2


def test_a_write_that_failed_may_be_sent_again(client: TestClient) -> None:
    path, headers = f"{A}/core-memory/blocks/human/replace", {"Idempotency-Key": "k2"}
    edit = {"old": "Ann", "new": "Anna"}
    assert client.post(path, json=edit, headers=headers).status_code == 404
    client.post(f"{A}/core-memory/blocks/human/append", json={"text": "Ann"})
    assert client.post(path, json=edit, headers=headers).json()["value"] == "Anna"


def test_errors_are_problems(client: TestClient) -> None:
    for answer in (client.get("/nowhere"), client.get(f"{A}/archival-memory/7"), client.put(f"{A}/archival-memory")):
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert problem["request_id"] == answer.headers["x-request-id"]


def test_health_says_what_is(anonymous: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "EVERY", 0.0)
    assert anonymous.get("/health/live").status_code == 200
    assert anonymous.get("/health/ready").json() == {"status": "ok"}

    def away() -> None:
        raise DatabaseError("the database does not answer: secret host name")

    monkeypatch.setattr(service, "check", away)
    answer = anonymous.get("/health/ready")
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert anonymous.get("/health/live").status_code == 200


def test_the_log_has_the_request_and_not_the_secret(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "memgpt.access")
    client.post(f"{A}/search?key=hidden", json={"query": "private matter"}, headers={"X-Request-Id": "abc"})
    line = json.loads(caplog.records[-1].getMessage())
    assert (line["request_id"], line["status"], line["route"]) == ("abc", 200, "/v1/agents/{agent_id}/search")
    for secret in (client.headers["authorization"].split()[1], "hidden", "private"):
        assert secret not in caplog.text


def test_metrics_count(client: TestClient) -> None:
    client.get("/v1/agents")
    text = client.get("/metrics").text
    assert 'memgpt_http_requests_total{method="GET",route="/v1/agents",status="200"} 1.0' in text


@pytest.fixture
def small(service: Service) -> Iterator[Callable[[ServerLimits], TestClient]]:
    """Makes a service with tight limits and no keys."""
    service.keys_required = False
    with ExitStack() as stack:
        yield lambda limits: stack.enter_context(TestClient(app_of(service, limits)))


def test_limits_of_a_body(small: Callable[[ServerLimits], TestClient]) -> None:
    client = small(ServerLimits(body_bytes=2000, depth=8, values=20))
    client.headers["Content-Type"] = "application/json"
    assert client.post(f"{A}/archival-memory", json={"text": "x" * 3000}).status_code == 413
    assert client.post(f"{A}/archival-memory", content=iter([b"x" * 1500] * 2)).status_code == 413
    assert client.post(f"{A}/archival-memory", content=b"[" * 100).status_code == 400
    many = {"text": "x", "metadata": {str(n): n for n in range(30)}}
    assert client.post(f"{A}/archival-memory", json=many).status_code == 422
    assert client.post(f"{A}/archival-memory", json={"text": "[" * 100 + ":" * 100}).status_code == 201


def test_what_takes_too_long_is_answered_and_still_counts(
    small: Callable[[ServerLimits], TestClient], service: Service
) -> None:
    client = small(ServerLimits(seconds=0.3, concurrency=2))
    release, started = threading.Event(), threading.Semaphore(0)

    def slow(*_: object, **__: object) -> list[object]:
        started.release()
        release.wait(20)
        return []

    service.agents = slow  # type: ignore[method-assign, assignment]
    answers = [client.get("/v1/agents") for _ in range(2)]
    assert [a.status_code for a in answers] == [503, 503]
    assert "retry-after" in answers[0].headers
    full = client.get("/v1/agents")
    assert full.status_code == 503
    assert "same time" in full.json()["detail"]
    assert client.get("/health/live").status_code == 200
    release.set()


def test_a_batch_is_refused_skipped_or_mended(client: TestClient) -> None:
    bad = '{"text": "cut \\ud83d"}'
    for path, field, good in (
        ("archival-memory", "memories", '{"text": "good"}'),
        ("messages", "messages", '{"content": "good"}'),
    ):
        items = f"[{good}, {bad.replace('text', 'content') if field == 'messages' else bad}]"

        def send(on_error: str, path: str = path, field: str = field, items: str = items) -> Any:
            body = f'{{"{field}": {items}, "on_error": "{on_error}"}}'
            return client.post(f"{A}/{path}/batch", content=body, headers={"Content-Type": "application/json"})

        assert send("fail").status_code == 422
        assert client.get(f"{A}/{path}").json() == []
        skipped = send("skip").json()
        assert (len(skipped["kept"]), [(p["index"], p["outcome"]) for p in skipped["problems"]]) == (
            1,
            [(1, "skipped")],
        )
        mended = send("replace").json()
        assert len(mended["kept"]) == 2
        assert [(p["index"], p["outcome"]) for p in mended["problems"]] == [(1, "replaced")]
        assert "cut �" in str(mended["kept"][1])


def test_times_are_utc_and_inside_the_calendar(client: TestClient) -> None:
    for edge in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        for path, body in (
            ("archival-memory", {"text": "p", "created_at": edge}),
            ("messages", {"content": "p", "created_at": edge}),
            ("facts", {"source": "a", "type": "t", "target": "b", "valid_from": edge}),
        ):
            assert client.post(f"{A}/{path}", json=body).status_code == 422
    kept = client.post(f"{A}/messages", json={"content": "x", "created_at": "2026-11-26T01:30:00+05:30"}).json()
    assert kept["created_at"] == "2026-11-25T20:00:00Z"
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    assert client.post(f"{A}/messages", json={"content": parts}).json()["content"] == "hi\n[image_url]"
