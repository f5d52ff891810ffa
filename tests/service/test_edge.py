"""Who is let in, over real sockets: strangers hold nothing, and nobody keeps others out."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.models import Permission
from memgpt.server.api.edge import ServerLimits
from memgpt.server.api.protocol import PatientProtocol
from memgpt.server.keys_store import KeyStore
from memgpt.server.service import Service
from tests.chat_server import ChatServer, Hang
from tests.service.conftest import app_of, served, service_on

FORM = "multipart/form-data; boundary=x"
FILE = {"files": ("a.md", b"# A\n\ntext")}


def bearer(service: Service, *agents: str, permissions: tuple[Permission, ...] = ("read", "write")) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.keys.create(agents=agents, permissions=permissions).token}"}


@contextmanager
def half(
    address: str, path: str, headers: dict[str, str], *, kind: str = "application/json"
) -> Iterator[socket.socket]:
    """A request whose body does not come."""
    host, port = address.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n{head}\r\n{{"
        connection.sendall(head.encode())
        yield connection


@pytest.mark.parametrize("kind", ["application/json", FORM])
def test_strangers_are_refused_by_their_heads(service: Service, kind: str) -> None:
    class Impatient(PatientProtocol):
        rest_seconds = 0.2

    path = "/v1/agents/x/messages" if kind != FORM else "/v1/agents/x/documents/files"
    with served(app_of(service), http=Impatient) as address, half(address, path, {}, kind=kind) as stranger:
        answer = b"".join(iter(lambda: stranger.recv(10_000), b""))  # to the end: nor is the rest waited for
        assert answer.startswith(b"HTTP/1.1 401")


def test_bodies_that_do_not_come_hold_no_place(service: Service) -> None:
    mallory, bob = bearer(service, "mallory"), bearer(service, "bob")
    limits = ServerLimits(concurrency=2, uploads=2)
    with served(app_of(service, limits)) as address, ExitStack() as stack:
        for _ in range(8):
            for headers in ({}, mallory):
                stack.enter_context(half(address, "/v1/agents/mallory/messages", headers))
        for _ in range(4):
            uploads = "/v1/agents/mallory/documents/files"
            stack.enter_context(half(address, uploads, mallory, kind=FORM))
        with httpx.Client(base_url=address, headers=bob, timeout=30) as client:
            for _ in range(5):
                assert client.post("/v1/agents/bob/messages", json={"content": "hello"}).status_code == 201
            assert client.post("/v1/agents/bob/documents/files", files=FILE).status_code == 202


def test_bytes_on_their_way_are_bounded_for_each_key(service: Service) -> None:
    mallory, bob = bearer(service, "mallory"), bearer(service, "bob")
    limits = ServerLimits(body_bytes=1_000_000, arriving_bytes=4_000_000)
    head = {"Content-Length": "1000000"}
    with served(app_of(service, limits)) as address, ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(2):
            waiting = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            lines = "".join(f"{name}: {value}\r\n" for name, value in {**head, **mallory}.items())
            start = f"POST /v1/agents/mallory/messages HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            waiting.sendall(f"{start}Expect: 100-continue\r\n{lines}\r\n".encode())
            assert waiting.recv(1000).startswith(b"HTTP/1.1 100")  # its body is awaited, so it is counted
        with httpx.Client(base_url=address, timeout=30) as client:
            body = {"content": "x" * 900_000}
            refused = client.post("/v1/agents/mallory/messages", json=body, headers=mallory)
            assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
            assert client.post("/v1/agents/bob/messages", json={"content": "x"}, headers=bob).status_code == 201


def test_slow_turns_leave_everything_else_alone(dsn: str) -> None:
    with ChatServer().running() as model, ExitStack() as stack:
        model.script(otherwise=Hang())
        named: dict[str, Any] = {
            "chat_model": "openai:scripted",
            "chat_base_url": model.url,
            "chat_api_key": SecretStr("k"),
        }
        service = service_on(dsn, **named)
        mallory, bob = bearer(service, "mallory"), bearer(service, "bob")
        address = stack.enter_context(served(app_of(service, ServerLimits(chats=4, concurrency=4))))
        statuses: list[int] = []

        def turn(number: int) -> None:
            with socket.create_connection(tuple(address.removeprefix("http://").split(":")), timeout=60) as line:  # type: ignore[arg-type]
                body = f'{{"text": "x", "session": "{number}", "stream": true}}'
                head = "POST /v1/agents/mallory/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                head += f"Authorization: {mallory['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
                line.sendall((head + body).encode())
                if answer := line.recv(100):
                    statuses.append(int(answer.split()[1]))

        threads = [threading.Thread(target=turn, args=(number,), daemon=True) for number in range(8)]
        for thread in threads:
            thread.start()
        with httpx.Client(base_url=address, headers=bob, timeout=60) as client:
            while len(statuses) < 6:  # the two that are let in wait for their model
                assert client.get("/v1/agents/bob/messages").status_code == 200
            assert set(statuses) == {429}
            assert client.post("/v1/agents/bob/chat/cancel", json={"session": "s"}).status_code == 200
        model.closing.set()
        for thread in threads:
            thread.join()


def test_streams_of_one_key_leave_places_for_others(service: Service) -> None:
    mallory, bob = bearer(service, "mallory"), bearer(service, "bob")
    with served(app_of(service, ServerLimits(streams=4))) as address, ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=address, timeout=30))
        job = client.post("/v1/agents/mallory/documents/files", files=FILE, headers=mallory).headers["location"]
        own = client.post("/v1/agents/bob/documents/files", files=FILE, headers=bob).headers["location"]
        opened = [
            stack.enter_context(client.stream("GET", f"{job}/events", headers=mallory)).status_code for _ in range(4)
        ]
        assert opened == [200, 200, 429, 429]
        with client.stream("GET", f"{own}/events", headers=bob) as mine:
            assert mine.status_code == 200
        assert client.get("/v1/agents/mallory/messages", headers=mallory).status_code == 200


def test_an_answer_nobody_reads_ends() -> None:
    class Impatient(PatientProtocol):
        write_seconds = 0.2

    ended = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": []})

        async def write() -> None:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                await asyncio.sleep(0)

        writing = asyncio.ensure_future(write())
        while (await receive())["type"] != "http.disconnect":
            pass
        writing.cancel()
        ended.set()

    with served(endless, http=Impatient) as address:  # type: ignore[arg-type]
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as deaf:
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert ended.wait(60)


def test_connections_without_a_key_make_room(service: Service) -> None:
    class Small(PatientProtocol):
        most_connections = 8

    headers = bearer(service, "bob")
    with served(app_of(service), http=Small) as address, ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")
        with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
            assert client.get("/v1/agents").status_code == 200
            strangers = [
                stack.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(30)
            ]
            assert client.get("/v1/agents").status_code == 200  # on its own connection still
            with suppress(ConnectionResetError):
                assert strangers[0].recv(1) == b""


def test_readiness_is_asked_once_a_second_however_many_ask(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    check = service.check

    def counted() -> None:
        asked.append(time.monotonic())
        check()

    monkeypatch.setattr(service, "check", counted)
    with TestClient(app_of(service)) as client:
        assert {client.get("/health/ready").status_code for _ in range(100)} == {200}
    assert all(later - earlier >= 1 for earlier, later in pairwise(asked))


def test_tokens_of_nobody_do_not_reach_the_database(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    for name in ("secret_hashes", "get"):
        real = getattr(KeyStore, name)
        monkeypatch.setattr(KeyStore, name, lambda *given, real=real, name=name: looked.append(name) or real(*given))  # type: ignore[func-returns-value]
    token = service.keys.create(agents=["bob"]).token
    with TestClient(app_of(service)) as client:
        began = time.monotonic()
        for n in range(200):
            wrong = f"memgpt_{n:012x}_{'x' * 43}" if n % 2 else f"{token[:-4]}{n:04}"
            assert client.get("/v1/agents", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
        assert len(looked) <= 2 + (time.monotonic() - began) / 0.2
        assert client.get("/v1/agents", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        fresh = service.keys.create(agents=["bob"]).token
        assert client.get("/v1/agents", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200


def rows(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as owner:
        row = owner.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_refused_writes_nothing(client_with: Callable[..., TestClient], service: Service, dsn: str) -> None:
    path, body = "/v1/agents/acme-1/archival-memory", {"text": "x"}
    reader, writer = client_with(permissions=["read"]), client_with(agents=["acme-2"])
    limited = client_with(requests_per_minute=1)
    assert limited.get("/v1/agents").status_code == 200
    key = {"Idempotency-Key": "k"}
    job = {"kind": "reembed", "arguments": {"to": "x"}}
    for _ in range(20):
        assert reader.post(path, json=body, headers=key).status_code == 403
        assert writer.post(path, json=body, headers=key).status_code == 403
        assert writer.post("/v1/agents/acme-2/jobs", json=job, headers=key).status_code == 403
        assert limited.post(path, json=body, headers=key).status_code == 429
        assert reader.post(path, json=body, headers={**key, "Authorization": "Bearer x"}).status_code == 401
        assert reader.put("/v1/agents/acme-1", json={}, headers=key).status_code == 403
    service.audit.close()
    assert rows(dsn, "idempotent_answers") == 0
    assert rows(dsn, "audit_log") <= 2 * service.audit.DENIALS


def test_a_replay_counts_as_a_request(client_with: Callable[..., TestClient]) -> None:
    client = client_with(requests_per_minute=3)
    send = lambda: client.post("/v1/agents/a/archival-memory", json={"text": "x"}, headers={"Idempotency-Key": "k"})  # noqa: E731
    answers = [send() for _ in range(6)]  # type: ignore[no-untyped-call]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 1


def test_the_audit_log_is_pruned(client: TestClient, service: Service, dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "INSERT INTO audit_log (logged_at, request_id, action, status)"
            " SELECT now() - interval '91 days', n::text, 'old', 201 FROM generate_series(1, 50) n"
        )
        owner.execute("INSERT INTO audit_log (request_id, action, status) VALUES ('new', 'x', 201)")
        owner.execute("ALTER TABLE audit_log ALTER COLUMN id RESTART WITH 1000051")
    client.post("/v1/agents/a/archival-memory", json={"text": "x"})
    service.audit.close()
    with psycopg.connect(dsn) as owner:
        left = owner.execute("SELECT id FROM audit_log").fetchall()
    assert left == [(1_000_051,)]  # the million before it would have been kept, but nothing is there


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"permissions": ["read", "write"]}, 403),
        ({"permissions": ["admin"], "agents": ["acme-*"]}, 403),
        ({"permissions": ["admin"]}, 200),
        ({"permissions": ["metrics"], "agents": ["nobody"]}, 200),
    ],
)
def test_metrics_need_a_permission(client_with: Callable[..., TestClient], fields: dict[str, Any], status: int) -> None:
    client = client_with(**fields)
    assert client.get("/metrics").status_code == status
    if "metrics" in fields["permissions"]:
        assert client.get("/v1/agents").status_code == 403
