"""The agent over HTTP: whole answers and events over a real socket, a scripted model, a caller who goes away."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.server.service import Caller
from tests.chat_server import ChatServer, Fail, Hang, Say, said
from tests.service.conftest import app_of, served, service_on
from tests.service.test_jobs_api import events_of

A = "/v1/agents/acme-1"


@pytest.fixture
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@contextmanager
def running(dsn: str, model: ChatServer, **given: Any) -> Iterator[httpx.Client]:
    named: dict[str, Any] = {
        "chat_model": "openai:scripted",
        "chat_base_url": model.url,
        "chat_api_key": SecretStr("k"),
    }
    service = service_on(dsn, keys_required=False, **named)
    with served(app_of(service)) as address, httpx.Client(base_url=address, timeout=60) as http:
        yield http


def streamed(http: httpx.Client, path: str = "chat", **body: Any) -> list[tuple[str, Any]]:
    with http.stream("POST", f"{A}/{path}", json={"stream": True, **body}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events_of(answer.iter_lines()))


def remembering(text: str) -> Say:
    return Say("Let me note that.", calls=[("archival_memory_insert", {"content": text})])


def turns(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as owner:
        return [row[0] for row in owner.execute("SELECT status FROM agent_turns ORDER BY id")]


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.02)


def test_a_whole_answer(dsn: str, model: ChatServer) -> None:
    model.script(remembering("Ann likes trains"), Say("I noted that you like trains."))
    with running(dsn, model) as http:
        answer = http.post(f"{A}/chat", json={"text": "I like trains", "session": "monday"}).json()
        assert (answer["turn"]["text"], answer["turn"]["status"]) == ("I noted that you like trains.", "done")
        [tool] = answer["tools"]
        assert (tool["name"], tool["arguments"], tool["failed"]) == (
            "archival_memory_insert", {"content": "Ann likes trains"}, False,
        )  # fmt: skip
        [change] = answer["changes"]
        assert (change["kind"], change["action"]) == ("archival", "insert")
        assert [m["text"] for m in http.get(f"{A}/archival-memory").json()] == ["Ann likes trains"]
        roles = [m["role"] for m in http.get(f"{A}/messages?session=monday").json()]
        assert roles == ["user", "assistant", "tool", "assistant"]
        model.script(Say("Trains!"))
        http.post(f"{A}/chat", json={"text": "What do I like?", "session": "monday"})
        assert ("user", "I like trains") in said(model.requests[-1])


def test_a_streamed_answer(dsn: str, model: ChatServer) -> None:
    model.script(remembering("Ann likes boats"), Say("I noted that you like boats, and will remember it."))
    with running(dsn, model) as http:
        events = streamed(http, text="I like boats")
    names = [name for name, _ in events]
    assert [n for n, m in zip(names, ["", *names], strict=False) if n != m] == [
        "text", "tool_called", "tool_returned", "change", "text", "ended",
    ]  # fmt: skip
    parts = dict(events)
    assert parts["tool_called"] == {"name": "archival_memory_insert", "arguments": {"content": "Ann likes boats"}}
    assert parts["change"]["kind"] == "archival"
    assert parts["ended"]["text"] == "I noted that you like boats, and will remember it."
    after = names.index("change")
    assert "".join(data["text"] for name, data in events[after:] if name == "text") == parts["ended"]["text"]


def test_without_a_model_it_says_what_to_do(client: TestClient) -> None:
    for path in ("chat", "chat/resume", "chat/cancel"):
        answer = client.post(f"{A}/{path}", json={"text": "hello"} if path == "chat" else {})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "MEMGPT_CHAT_MODEL" in answer.json()["detail"]


def test_a_failing_model_is_told_and_the_turn_resumed(dsn: str, model: ChatServer) -> None:
    with running(dsn, model) as http:
        assert http.post(f"{A}/chat/resume", json={}).status_code == 409
        for body in ({"text": "one"}, {"text": "two", "stream": True}):
            model.script(Fail(401, "no"))
            failed = http.post(f"{A}/chat", json=body)
            assert failed.status_code == 502
            assert "refused the key" in failed.json()["detail"]
            model.script(Say("here I am"))
            if "stream" in body:
                assert dict(streamed(http, "chat/resume"))["ended"]["text"] == "here I am"
            else:
                assert http.post(f"{A}/chat/resume", json={}).json()["turn"]["text"] == "here I am"
        model.script(Say("x" * 200, calls=[("archival_memory_search", {"query": "x"})]), Fail(401, "no"))
        events = streamed(http, text="three")
        name, problem = events[-1]
        assert (name, problem["status"]) == ("error", 502)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("silent", [True, False], ids=["before the first word", "in the middle"])
def test_who_goes_away_cancels_the_turn(dsn: str, model: ChatServer, stream: bool, silent: bool) -> None:
    model.script(Hang() if silent else Hang("a long answer that never ends, and never will, however long you wait"))
    with running(dsn, model) as http:
        body = json.dumps({"text": "hello", "stream": stream}).encode()
        head = f"POST {A}/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((http.base_url.host, http.base_url.port)) as caller:
            caller.sendall(head.encode() + body)
            assert model.hanging.wait(60)
        wait_until(lambda: turns(dsn) == ["cancelled"])
        model.script(Say("here again"))
        assert http.post(f"{A}/chat", json={"text": "hello?"}).json()["turn"]["text"] == "here again"


def test_one_turn_at_a_time_and_it_can_be_cancelled(dsn: str, model: ChatServer) -> None:
    model.script(Hang("one moment, I have to think about this, it is not easy"))
    with running(dsn, model) as http:
        answers: list[httpx.Response] = []
        talking = threading.Thread(target=lambda: answers.append(http.post(f"{A}/chat", json={"text": "hello"})))
        talking.start()
        model.hanging.wait()
        assert http.post(f"{A}/chat", json={"text": "and?"}).status_code == 409
        assert http.post(f"{A}/chat/cancel", json={}).json() == {"cancelled": True}
        talking.join()
        assert answers[0].json()["turn"]["status"] == "cancelled"
        assert http.post(f"{A}/chat/cancel", json={}).json() == {"cancelled": False}


def test_a_key_talks_to_its_own_agents_only(dsn: str, model: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the application forgets to check: the turn's memory is the key's, whatever agent is named."""
    named: dict[str, Any] = {
        "chat_model": "openai:scripted",
        "chat_base_url": model.url,
        "chat_api_key": SecretStr("k"),
    }
    service = service_on(dsn, **named)
    with TestClient(app_of(service), raise_server_exceptions=False) as anonymous:
        every = {"Authorization": f"Bearer {service.keys.create().token}"}
        acme = {"Authorization": f"Bearer {service.keys.create(agents=['acme-*']).token}"}
        reader = {"Authorization": f"Bearer {service.keys.create(permissions=['read']).token}"}
        theirs = "/v1/agents/umbrella"
        anonymous.post(f"{theirs}/archival-memory", json={"text": "CROWNJEWEL"}, headers=every)
        assert anonymous.post(f"{theirs}/chat", json={"text": "hello"}).status_code == 401
        assert anonymous.post(f"{A}/chat", json={"text": "hello"}, headers=reader).status_code == 403
        for path in ("chat", "chat/resume", "chat/cancel"):
            body = {"text": "hello"} if path == "chat" else {}
            assert anonymous.post(f"{theirs}/{path}", json=body, headers=acme).status_code == 403
        monkeypatch.setattr(Caller, "require", lambda *_: None)
        model.script(Say(calls=[("archival_memory_search", {"query": "CROWNJEWEL"})]), Say("nothing"))
        answer = anonymous.post(f"{theirs}/chat", json={"text": "hello"}, headers=acme)
        assert answer.status_code == 403
        assert "CROWNJEWEL" not in str(model.requests)
        assert turns(dsn) == []
