"""What PostgreSQL refuses or fails at, as the faces of the service tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.service.conftest import app_of, service_on

RAISING = """BEGIN IF new.text = 'fails' THEN RAISE EXCEPTION SQLSTATE '{}' USING DETAIL = 'a secret'; END IF;
RETURN new; END"""
STATUSES = {
    "08006": 503,
    "22001": 422,
    "22P05": 422,
    "23505": 409,
    "23514": 422,
    "25006": 503,
    "40001": 409,
    "40P01": 409,
    "42501": 403,
    "42P01": 503,
    "53100": 503,
    "53200": 503,
    "53300": 503,
    "54000": 422,
    "55P03": 409,
    "57014": 503,
    "57P01": 503,
    "58030": 503,
    "XX000": 503,
}


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def test_every_state_is_a_problem(dsn: str, direct: psycopg.Connection[Any]) -> None:
    with TestClient(app_of(service_on(dsn, keys_required=False))) as client:
        memories = "/v1/agents/ann/archival-memory"
        assert client.post(memories, json={"text": "there"}).status_code == 201
        for state, status in STATUSES.items():
            body = RAISING.format(state)
            direct.execute(f"CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
            direct.execute(
                "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON archival_memories FOR EACH ROW EXECUTE FUNCTION fail()"
            )
            answer = client.post(memories, json={"text": "fails"})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), state
            assert "secret" not in answer.text
            assert ("retry-after" in answer.headers) == (status == 503)
            called = client.post(
                "/mcp",
                json={
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": "remember", "arguments": {"text": "fails"}},
                },
                headers={"Accept": "application/json, text/event-stream", "Memgpt-Agent": "ann"},
            )
            assert called.status_code == 200, called.text
            assert '"isError":true' in called.text
            assert "secret" not in called.text
        assert client.post(memories, json={"text": "still there"}).status_code == 201
