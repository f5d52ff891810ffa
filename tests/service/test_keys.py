"""Keys: who gets in, to what, for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from starlette.testclient import TestClient

from memgpt.errors import AccessError, InputError, NotFoundError
from memgpt.server.keys import Keys
from memgpt.server.rates import Rates
from memgpt.server.service import Service

AGENT = "/v1/agents/acme-1"


def test_only_the_hash_is_stored(service: Service, dsn: str) -> None:
    made = service.keys.create("ci")
    secret = made.token.rpartition("_")[2]
    with psycopg.connect(dsn) as owner:
        rows = owner.execute("SELECT to_jsonb(k) FROM api_keys k").fetchall()
    assert made.key.key_id in str(rows)
    assert secret not in str(rows)
    assert secret not in repr(made.key)
    assert service.keys.authenticate(made.token).key_id == made.key.key_id


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t + "x", str.upper])
def test_a_token_that_is_not_quite_right_is_refused(service: Service, change: Callable[[str], str]) -> None:
    with pytest.raises(AccessError):
        service.keys.authenticate(change(service.keys.create().token))


def test_a_revoked_key_ends_at_once_in_its_process(service: Service) -> None:
    made = service.keys.create()
    service.keys.authenticate(made.token)
    service.keys.revoke(made.key.key_id)
    with pytest.raises(AccessError, match="revoked"):
        service.keys.authenticate(made.token)
    with pytest.raises(NotFoundError):
        service.keys.revoke("0" * 12)


def test_another_process_notices_a_revoked_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = service.keys.create()
    elsewhere = Keys(service.database)
    elsewhere.authenticate(made.token)
    service.keys.revoke(made.key.key_id)
    later = time.monotonic() + 3
    monkeypatch.setattr("memgpt.server.keys.time.monotonic", lambda: later)
    with pytest.raises(AccessError, match="revoked"):
        elsewhere.authenticate(made.token)


def test_rotation_keeps_the_scope(service: Service) -> None:
    old = service.keys.create("ci", permissions=["read"], agents=["acme-*"], requests_per_minute=7)
    new = service.keys.rotate(old.key.key_id)
    assert new.key.replaces == old.key.key_id
    assert (new.key.permissions, new.key.agents, new.key.requests_per_minute) == (["read"], ["acme-*"], 7)
    with pytest.raises(AccessError):
        service.keys.authenticate(old.token)
    with pytest.raises(InputError, match="revoked"):
        service.keys.rotate(old.key.key_id)


def test_rotation_with_grace_leaves_the_old_key_until_then(service: Service) -> None:
    old = service.keys.create()
    service.keys.rotate(old.key.key_id, grace=timedelta(hours=1))
    until = service.keys.authenticate(old.token).expires_at
    assert until is not None
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)


def test_an_expired_key_is_refused(service: Service, dsn: str) -> None:
    made = service.keys.create(expires_at=datetime.now(UTC) + timedelta(days=1))
    with psycopg.connect(dsn) as owner:
        owner.execute("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    with pytest.raises(AccessError, match="expired"):
        service.keys.authenticate(made.token)


@pytest.mark.parametrize(
    "fields",
    [
        {"agents": []},
        {"agents": ["a*b"]},
        {"permissions": ["own"]},
        {"requests_per_minute": 0},
        {"expires_at": "2001-01-01"},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(service: Service, fields: dict[str, object]) -> None:
    with pytest.raises(InputError):
        service.keys.create(**fields)  # type: ignore[arg-type]


def test_permissions(client_with: Callable[..., TestClient]) -> None:
    reader, writer = client_with(permissions=["read"]), client_with(permissions=["write"])
    note = {"text": "a note"}
    assert reader.post(f"{AGENT}/archival-memory", json=note).status_code == 403
    assert writer.post(f"{AGENT}/archival-memory", json=note).status_code == 201
    assert reader.get(f"{AGENT}/archival-memory").status_code == 200
    assert writer.get(f"{AGENT}/archival-memory").status_code == 403
    assert writer.delete(AGENT).status_code == 403
    assert client_with(permissions=["admin"]).delete(AGENT).status_code == 200


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer x", "Basic bWVtZ3B0", "Bearer memgpt_000000000000_" + "A" * 43]
)
def test_without_a_good_key_nothing_is_answered(anonymous: TestClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("/v1/agents", f"{AGENT}/archival-memory", "/metrics"):
        answer = anonymous.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    assert anonymous.post("/mcp", json={}, headers=headers).status_code == 401


def test_the_rate_of_a_key(client_with: Callable[..., TestClient]) -> None:
    client = client_with(requests_per_minute=3)
    assert [client.get("/v1/agents").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(client.get("/v1/agents").headers["retry-after"]) >= 1


def test_a_bucket_fills_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key, rates, now = service.keys.create(requests_per_minute=60).key, Rates(), time.monotonic()
    monkeypatch.setattr("memgpt.server.rates.time.monotonic", lambda: now)
    assert sum(rates.wait(key) == 0 for _ in range(100)) == 60
    now += 5.5
    assert sum(rates.wait(key) == 0 for _ in range(100)) == 5


def test_writes_and_denials_are_audited(
    client: TestClient,
    anonymous: TestClient,
    client_with: Callable[..., TestClient],
    service: Service,
    dsn: str,
) -> None:
    client.post(f"{AGENT}/archival-memory", json={"text": "a secret text"}, headers={"X-Request-Id": "req-1"})
    client.get(f"{AGENT}/archival-memory")
    anonymous.get(f"{AGENT}/archival-memory", headers={"Authorization": "Bearer memgpt_stolen"})
    reader = client_with(permissions=["read"])
    denied = [reader.post(f"{AGENT}/archival-memory", json={"text": "x"}).status_code for _ in range(30)]
    service.audit.close()
    with psycopg.connect(dsn) as owner:
        lines = owner.execute("SELECT request_id, agent_id, action, status FROM audit_log ORDER BY id").fetchall()
        everything = str(owner.execute("SELECT to_jsonb(a) FROM audit_log a").fetchall())
    assert lines[0] == ("req-1", "acme-1", "POST /v1/agents/{agent_id}/archival-memory", 201)
    assert denied == [403] * 30
    assert [line[3] for line in lines] == [201, *[403] * service.audit.DENIALS]
    assert "secret" not in everything
    assert "stolen" not in everything
