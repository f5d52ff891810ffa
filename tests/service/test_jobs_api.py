"""Jobs over HTTP: uploads, progress as events, keys, limits; and writes that are killed before their answer is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from starlette.testclient import TestClient

from memgpt.server.api.edge import ServerLimits
from memgpt.server.keys_store import KeyStore
from memgpt.server.service import Service
from tests.service.conftest import app_of, served, service_on

A = "/v1/agents/acme-1"
FILE = {"files": ("rail/timetable.md", "# Timetable\n\nThe night train leaves at 22:08.")}
EXPORT = b'{"format": "memgpt-agent", "version": 1}'


@contextmanager
def running(dsn: str, limits: ServerLimits | None = None) -> Iterator[httpx.Client]:
    """A service with its worker behind a real socket, without keys."""
    service = service_on(dsn, keys_required=False)
    with served(app_of(service, limits, worker=True)) as address, httpx.Client(base_url=address, timeout=60) as http:
        yield http


def events_of(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def watched(http: httpx.Client, url: str) -> list[dict[str, Any]]:
    with http.stream("GET", f"{url}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [job for name, job in events_of(answer.iter_lines()) if name == "job"]


def test_an_upload_is_a_job_whose_progress_is_watched(dsn: str) -> None:
    with running(dsn) as http:
        asked = http.post(f"{A}/documents/files", files=FILE, data={"metadata": '{"from": "mail"}'})
        assert asked.status_code == 202
        seen = watched(http, asked.headers["location"])
        assert [job["id"] for job in seen] == [asked.json()["id"]] * len(seen)
        assert [job["done"] for job in seen] == sorted(job["done"] for job in seen)
        assert (seen[-1]["status"], seen[-1]["done"], seen[-1]["total"]) == ("succeeded", 1, 1)
        assert http.get(asked.headers["location"]).json() == seen[-1]
        [document] = http.get(f"{A}/documents").json()
        assert (document["source"], document["metadata"]["from"]) == ("rail/timetable.md", "mail")
        hits = http.post(f"{A}/search", json={"query": "when does the train leave?"}).json()
        assert "22:08" in hits[0]["text"]
        assert [job["id"] for job in http.get(f"{A}/jobs?status=succeeded").json()] == [seen[-1]["id"]]
        assert http.post(f"{asked.headers['location']}/cancel").status_code == 409


def test_a_transcript_is_imported(dsn: str) -> None:
    talk = json.dumps([{"role": "user", "content": "I am off to Graz"}, {"role": "assistant", "content": "Enjoy!"}])
    with running(dsn) as http:
        form = {"kind": "import", "arguments": '{"session": "monday"}'}
        asked = http.post(f"{A}/jobs/files", files={"files": ("talk.json", talk)}, data=form)
        last = watched(http, asked.headers["location"])[-1]
        assert last["result"] == {"sessions": 1, "messages": 2, "skipped": 0, "problems": []}
        assert [m["session"] for m in http.get(f"{A}/messages").json()] == ["monday", "monday"]


def test_what_becomes_of_a_bad_message_is_asked_for_and_reported(dsn: str) -> None:
    talk = '[{"role": "user", "content": "cut \\ud83d"}, {"role": "user", "content": "good"}]'
    with running(dsn) as http:
        for on_error, status, kept in (("fail", "failed", 0), ("skip", "succeeded", 1), ("replace", "succeeded", 2)):
            form = {"kind": "import", "arguments": json.dumps({"session": on_error, "on_error": on_error})}
            asked = http.post(f"{A}/jobs/files", files={"files": ("talk.json", talk)}, data=form)
            last = watched(http, asked.headers["location"])[-1]
            assert last["status"] == status
            assert len(http.get(f"{A}/messages", params={"session": on_error}).json()) == kept
            if kept:
                [problem] = last["result"]["problems"]
                assert (problem["index"], problem["field"]) == (0, "content")


def test_what_is_wrong_is_said_before_there_is_a_job(client: TestClient) -> None:
    for answer, status in (
        (client.post(f"{A}/documents/files", data={"metadata": "{}"}), 415),
        (client.post(f"{A}/documents/files", files={"metadata": (None, "{}")}), 422),
        (client.post(f"{A}/documents/files", files=FILE, data={"metadata": "[1"}), 422),
        (client.post(f"{A}/jobs/files", files=FILE, data={"kind": "dance"}), 422),
        (client.post(f"{A}/jobs/files", files=FILE, data={"kind": "import", "arguments": '{"speed": 1}'}), 422),
        (client.post(f"{A}/jobs", json={"kind": "ingest"}), 422),
        (client.post(f"{A}/jobs", json={"kind": "reembed", "arguments": {"to": "x"}}), 409),
        (client.post("/v1/agents/*/jobs", json={"kind": "reembed", "arguments": {}}), 422),
        (client.get(f"{A}/jobs/1"), 404),
        (client.get(f"{A}/jobs/1/events"), 404),
        (client.post(f"{A}/jobs/1/cancel"), 404),
    ):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"{A}/jobs").json() == []


def test_only_who_may_asks_for_work(client_with: Callable[..., TestClient], client: TestClient) -> None:
    every, acme, reader = client, client_with(agents=["acme-*"]), client_with(agents=["acme-*"], permissions=["read"])
    writer = client_with(agents=["*"], permissions=["read", "write"])
    reembed = {"kind": "reembed", "arguments": {"to": "openai:text-embedding-3-small"}}
    asked = every.post("/v1/agents/*/jobs", json=reembed)
    assert asked.status_code == 202
    assert asked.headers["location"] == "/v1/agents/%2A/jobs/1"
    assert every.get(asked.headers["location"]).json()["agent_id"] == "*"
    mine = acme.post(f"{A}/documents/files", files=FILE)
    assert mine.status_code == 202
    theirs = every.post("/v1/agents/umbrella/documents/files", files=FILE).json()
    for answer in (
        acme.post("/v1/agents/*/jobs", json=reembed),
        writer.post("/v1/agents/*/jobs", json=reembed),
        writer.post("/v1/agents/*/jobs/1/cancel"),
        acme.get("/v1/agents/*/jobs"),
        acme.get("/v1/agents/umbrella/jobs"),
        acme.get(f"/v1/agents/umbrella/jobs/{theirs['id']}"),
        acme.get(f"/v1/agents/umbrella/jobs/{theirs['id']}/events"),
        acme.post(f"/v1/agents/umbrella/jobs/{theirs['id']}/cancel"),
        acme.post("/v1/agents/umbrella/documents/files", files=FILE),
        acme.post(f"{A}/jobs/files", files={"files": ("a.jsonl", EXPORT)}, data={"kind": "import-agent"}),
        reader.post(f"{A}/documents/files", files=FILE),
        reader.post(f"{mine.headers['location']}/cancel"),
    ):
        assert answer.status_code == 403, answer.text
    # under an agent of its own, another one's id is nothing
    assert acme.get(f"{A}/jobs/{theirs['id']}").status_code == 404
    assert acme.post(f"{A}/jobs/{theirs['id']}/cancel").status_code == 404
    assert reader.get(mine.headers["location"]).status_code == 200
    assert acme.post(f"{mine.headers['location']}/cancel").json()["status"] == "cancelled"
    assert every.get(f"/v1/agents/umbrella/jobs/{theirs['id']}").json()["status"] == "queued"


def test_uploads_have_limits_of_their_own(dsn: str) -> None:
    with running(dsn, ServerLimits(body_bytes=1000, upload_bytes=3000)) as http:
        brackets = "[" * 200  # a document is no JSON
        assert http.post(f"{A}/documents/files", files={"files": ("a.txt", brackets * 10)}).status_code == 202
        assert http.post(f"{A}/documents/files", files={"files": ("a.txt", "x" * 3000)}).status_code == 413
        assert http.post(f"{A}/archival-memory", json={"text": "x" * 1000}).status_code == 413
    with running(dsn, ServerLimits(uploads=0)) as http:
        assert http.post(f"{A}/documents/files", files=FILE).status_code == 503


def test_an_upload_sent_twice_is_one_job(client: TestClient) -> None:
    headers = {"Idempotency-Key": "upload"}
    first = client.post(f"{A}/documents/files", files=FILE, headers=headers)
    again = client.post(f"{A}/documents/files", files=FILE, headers=headers)  # with another boundary
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert len(client.get(f"{A}/jobs").json()) == 1


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", f"{A}/messages", {"json": {"content": "once"}}),
    ("POST", f"{A}/messages/batch", {"json": {"messages": [{"content": "one"}, {"content": "two"}]}}),
    ("POST", f"{A}/archival-memory/batch", {"json": {"memories": [{"text": "a"}, {"text": "b"}]}}),
    ("POST", f"{A}/core-memory/blocks/human/append", {"json": {"text": "Lives in Vienna"}}),
    ("POST", f"{A}/facts", {"json": {"source": "Ann", "type": "likes", "target": "trains"}}),
    ("POST", f"{A}/documents", {"json": {"text": "# A\n\ntext"}}),
    ("POST", f"{A}/documents/files", {"files": FILE}),
    ("POST", f"{A}/jobs/files", {"files": FILE, "data": {"kind": "ingest"}}),
]


class Killed(BaseException):
    """As if the process had ended here."""


@pytest.fixture
def killed_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next write ends after everything was sent, and its claim stays."""

    def arm() -> None:
        keep = KeyStore.keep_answer

        def die(self: KeyStore, *given: Any) -> bool:
            assert keep(self, *given)
            raise Killed

        monkeypatch.setattr(KeyStore, "keep_answer", die)
        monkeypatch.setattr(KeyStore, "give_up", lambda *_: None)

    return arm


def contents(dsn: str) -> dict[str, int]:
    tables = (
        "conversations",
        "archival_memories",
        "core_memories",
        "kg_relationships",
        "documents",
        "jobs",
        "job_files",
    )
    with psycopg.connect(dsn) as owner:
        counts = {table: owner.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables}
        history = owner.execute("SELECT count(*) FROM memory_history").fetchone()
    return {table: count[0] for table, count in {**counts, "history": history}.items() if count}


@pytest.mark.parametrize(("method", "url", "given"), WRITES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_write_and_its_answer_are_one_transaction(
    client: TestClient,
    dsn: str,
    method: str,
    url: str,
    given: dict[str, Any],
    killed_before_the_commit: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = {"Idempotency-Key": "k"}
    client.get(f"{A}/jobs")  # makes the queue
    before = contents(dsn)
    killed_before_the_commit()
    assert client.request(method, url, headers=headers, **given).status_code == 500
    assert contents(dsn) == before
    monkeypatch.undo()
    assert client.request(method, url, headers=headers, **given).status_code == 409  # it may still be at work
    with psycopg.connect(dsn) as owner:
        owner.execute("UPDATE idempotent_answers SET created_at = created_at - interval '61 s'")
    first = client.request(method, url, headers=headers, **given)
    after = contents(dsn)
    assert after != before
    again = client.request(method, url, headers=headers, **given)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert {k: again.headers.get(k) for k in ("etag", "location")} == {
        k: first.headers.get(k) for k in ("etag", "location")
    }
    assert contents(dsn) == after
    without = client.request(method, url, **given)  # the same shape as the answer of a request without the header
    assert without.status_code == first.status_code
    if isinstance(first.json(), dict):
        assert without.json().keys() == first.json().keys()
    assert without.headers["content-type"] == first.headers["content-type"]


def test_a_slow_write_whose_claim_was_given_away_is_taken_back(
    client: TestClient, service: Service, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a minute passes while the first request is at work; its repetition does the write."""
    headers, body = {"Idempotency-Key": "slow"}, {"content": "once"}
    client.put(A, json={})
    keep = KeyStore.keep_answer

    def meanwhile(self: KeyStore, *given: Any) -> bool:
        monkeypatch.setattr(KeyStore, "keep_answer", keep)
        with psycopg.connect(dsn) as owner:
            owner.execute("UPDATE idempotent_answers SET created_at = created_at - interval '61 s'")
        repeat = partial(client.post, f"{A}/messages", json=body, headers=headers)
        assert Context().run(repeat).status_code == 201  # another request does not begin inside of this one
        return keep(self, *given)

    monkeypatch.setattr(KeyStore, "keep_answer", meanwhile)
    late = client.post(f"{A}/messages", json=body, headers=headers)
    assert late.status_code == 409
    assert "took too long" in late.json()["detail"]
    assert len(client.get(f"{A}/messages").json()) == 1
    assert client.post(f"{A}/messages", json=body, headers=headers).headers["idempotency-replayed"] == "true"
