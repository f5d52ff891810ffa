"""What strangers send: a clear 4xx, nothing stored, no secret in the log."""

from __future__ import annotations

import logging
import socket

import psycopg
import pytest
from starlette.testclient import TestClient

from memgpt.server.api.edge import ServerLimits
from memgpt.server.api.protocol import PatientProtocol
from memgpt.server.service import Service
from tests.service.conftest import app_of, served

A = "/v1/agents/acme-1"
INJECTIONS = (
    "'; DROP TABLE agents; --",
    "' OR '1'='1",
    "%s",
    "%(agent_id)s",
    "$1",
    "\\'; SELECT pg_sleep(9)--",
    "{}",
    "a\nb",
)


def stored(dsn: str) -> int:
    with psycopg.connect(dsn) as owner:
        row = owner.execute(
            "SELECT (SELECT count(*) FROM archival_memories) + (SELECT count(*) FROM core_memories)"
            " + (SELECT count(*) FROM conversations) + (SELECT count(*) FROM memory_history)"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_is_text(client: TestClient, dsn: str, text: str) -> None:
    [kept] = client.post(f"{A}/archival-memory", json={"text": text, "tags": [text]}).json()
    assert client.get(f"{A}/archival-memory/{kept['id']}").json()["text"] == text
    assert client.post(f"{A}/search", json={"query": text}).status_code == 200
    assert client.get(f"{A}/archival-memory", params={"tag": text}).json()[0]["id"] == kept["id"]
    assert client.get("/v1/agents", params={"after": text}).status_code == 422
    assert client.get(f"{A}/messages", params={"session": text}).json() == []
    with psycopg.connect(dsn) as owner:
        assert owner.execute("SELECT count(*) FROM agents").fetchone() == (1,)


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "nul \\u0000 here"}',
        b'{"text": "half \\ud800 pair"}',
        b'{"text": "bad utf-8 \xff\xfe"}',
        b'{"text": "unfinished',
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"text": 7}',
        b'{"text": ["x"]}',
        b'{"text": ""}',
        b'{"text": "x", "importance": NaN}',
        b'{"text": "x", "importance": 1e999}',
        b'{"text": "x", "importance": "high"}',
        b'{"text": "x", "unknown": 1}',
        b'{"text": "x", "metadata": {"a": "\\u0000"}}',
        b'{"text": "x", "metadata": {"\\ud800": 1}}',
        b'{"text": "x", "tags": ["\\u0000"]}',
        b'{"text": "x", "created_at": "yesterday"}',
        b'{"text": "x", "embedding": [1, 2, 3]}',
        b'{"text": "x", "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"text": "x", "metadata": ' + b'{"a":[' * 60 + b"]}" * 60 + b"}",
        b'{"text": "x", "metadata": {"a": "' + b"x" * 1_000_001 + b'"}}',
        b'{"text": "' + b"x" * 10_000_001 + b'"}',
        b"x" * 10_000_001,
    ],
)
def test_bad_bodies(client: TestClient, dsn: str, body: bytes) -> None:
    answer = client.post(f"{A}/archival-memory", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 2000
    assert stored(dsn) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/agents/%00/archival-memory",
        "/v1/agents/a%ED%A0%80/archival-memory",
        f"/v1/agents/{'x' * 300}/archival-memory",
        f"{A}/archival-memory/0",
        f"{A}/archival-memory/99999999999999999999",
        f"{A}/archival-memory/1e3",
        f"{A}/core-memory/blocks/%00",
        f"{A}/archival-memory?limit=0",
        f"{A}/archival-memory?limit=99999999999",
        f"{A}/archival-memory?after=AAAA",
        f"{A}/archival-memory?after=eyJpZCI6MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwfQ",
        f"{A}/entities?after=eyJuYW1lIjogNX0",
        f"{A}/as-of?kind=block&time=never",
        f"{A}/history?kind=archival&id=-1",
    ],
)
def test_bad_addresses(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-Id": "a\tb; DROP"},
        {"X-Request-Id": "x" * 5000},
        {"Idempotency-Key": "x" * 300},
        {"If-Match": '"1.99999999999999999999"'},
        {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil.example", "Host": "evil.example"},
    ],
)
def test_headers_are_not_believed(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post(f"{A}/core-memory/blocks/human/append", json={"text": "x"}, headers=headers)
    assert answer.status_code < 500
    assert answer.headers["x-request-id"] not in headers.values()
    assert "evil.example" not in str(answer.headers)


def test_the_log_keeps_lines_and_secrets_apart(
    anonymous: TestClient, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    token = client.headers["authorization"].split()[1]
    anonymous.get("/v1/agents", headers={"Authorization": f"Bearer {token}x"})
    client.get("/v1/agents/a%0A%7B%22forged%22:true%7D/archival-memory")
    lines = [record.getMessage() for record in caplog.records if record.name == "memgpt.access"]
    assert len(lines) == 2
    assert not any("\n" in line for line in lines)
    assert token[:30] not in caplog.text


def test_a_slow_client_is_cut_off(service: Service) -> None:
    service.keys_required = False
    with served(app_of(service, ServerLimits(body_seconds=0.2))) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            head = f"POST {A}/archival-memory HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.sendall(f'{head}Content-Length: 50\r\n\r\n{{"text"'.encode())
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")


class Impatient(PatientProtocol):
    head_seconds = 0.2


@pytest.mark.parametrize(
    "begun", [b"", b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["nothing", "half a head"]
)
def test_a_head_that_does_not_come_holds_no_connection(service: Service, begun: bytes) -> None:
    service.keys_required = False
    with served(app_of(service), http=Impatient) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(begun)
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
            assert slow.recv(1000) == b""
        with socket.create_connection((host, int(port)), timeout=20) as again:  # the second head of a connection too
            again.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert again.recv(1000).startswith(b"HTTP/1.1 200")
            again.sendall(b"GET /heal")
            assert received(again).startswith(b"HTTP/1.1 408")


def received(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts).partition(b'{"status":"ok"}')[2] or b"".join(parts)


BODY = b'{"text": "smuggled"}'
HEAD = f"POST {A}/archival-memory HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 20\r\nContent-Length: 21\r\n\r\n" + BODY,
        HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 2e1\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot-hex\r\n" + BODY,
        HEAD + b"Content-Length : 20\r\n\r\n" + BODY,
        HEAD + b"X-Nul: a\x00b\r\nContent-Length: 20\r\n\r\n" + BODY,
        HEAD + b"X-Huge: " + b"a" * 70_000 + b"\r\nContent-Length: 20\r\n\r\n" + BODY,
        HEAD + b"X-Many: a\r\n" * 7_000 + b"Content-Length: 20\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
        b"POST http://evil example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
    ],
    ids=lambda sent: sent[-60:-20].decode("latin-1"),
)
def test_heads_that_are_not_http(service: Service, dsn: str, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    service.keys_required = False
    with served(app_of(service)) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stranger:
            stranger.sendall(sent)
            status = int(stranger.recv(65_536).split()[1])
    assert 400 <= status < 500
    assert stored(dsn) == 0
    assert "smuggled" not in caplog.text
