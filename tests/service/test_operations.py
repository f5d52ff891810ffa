"""Operation over HTTP: keys, the audit log, the database's health, jobs of all agents; for keys of every agent only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from starlette.testclient import TestClient

from memgpt.server.service import Service

ADMIN = "/v1/admin"


def test_only_who_administers_every_agent(client_with: Callable[..., TestClient], service: Service) -> None:
    key = service.keys.create("other").key
    for fields in ({"agents": ["acme-*"], "permissions": ["admin"]}, {"permissions": ["read", "write"]}):
        refused = client_with(**fields)
        for method, path in (
            ("GET", "keys"),
            ("GET", "audit"),
            ("GET", "doctor"),
            ("GET", "migrations"),
            ("GET", "migrations/drift"),
            ("GET", "indexes"),
            ("GET", "model"),
            ("GET", "slow-queries"),
            ("GET", "statements"),
            ("GET", "jobs"),
            ("POST", "keys"),
            ("POST", f"keys/{key.key_id}/rotate"),
            ("DELETE", f"keys/{key.key_id}"),
        ):
            body = {"agents": ["*"]} if path == "keys" else {}
            answer = refused.request(method, f"{ADMIN}/{path}", json=body if method == "POST" else None)
            assert answer.status_code == 403, (method, path)
    assert service.keys.list()[0].revoked_at is None


def test_keys_are_made_shown_once_replaced_and_revoked(
    client: TestClient, client_with: Callable[..., TestClient], service: Service
) -> None:
    made = client.post(f"{ADMIN}/keys", json={"name": "travel", "agents": ["travel-*"], "permissions": ["read"]})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token, key = made.json()["token"], made.json()["key"]
    assert service.keys.authenticate(token).agents == ["travel-*"]
    assert token.rpartition("_")[2] not in client.get(f"{ADMIN}/keys").text
    rotated = client.post(f"{ADMIN}/keys/{key['key_id']}/rotate", json={"grace_seconds": 3600}).json()
    assert (rotated["key"]["replaces"], rotated["key"]["agents"]) == (key["key_id"], ["travel-*"])
    service.keys.authenticate(token)  # for an hour more
    assert client.delete(f"{ADMIN}/keys/{key['key_id']}").json()["revoked_at"] is not None
    assert client.delete(f"{ADMIN}/keys/{'0' * 12}").status_code == 404
    only_admin = client_with(permissions=["admin"])  # nobody gives what they have not
    more = {"agents": ["*"], "permissions": ["write"]}
    assert only_admin.post(f"{ADMIN}/keys", json=more).status_code == 403
    assert only_admin.post(f"{ADMIN}/keys/{rotated['key']['key_id']}/rotate", json={}).status_code == 403
    assert only_admin.post(f"{ADMIN}/keys", json=more | {"permissions": ["metrics"]}).status_code == 201
    past = {"agents": ["*"], "expires_at": "2001-01-01T00:00:00Z"}
    assert client.post(f"{ADMIN}/keys", json=past).status_code == 409


def test_the_audit_log_is_paged_and_filtered(
    client: TestClient, client_with: Callable[..., TestClient], service: Service
) -> None:
    for n in range(5):
        client.post(f"/v1/agents/acme-{n % 2}/archival-memory", json={"text": f"text {n}"})
    client_with(permissions=["read"]).post("/v1/agents/acme-1/archival-memory", json={"text": "x"})
    service.audit.close()
    first = client.get(f"{ADMIN}/audit?limit=4")
    rest = client.get(first.links["next"]["url"])
    ids = [line["id"] for line in [*first.json(), *rest.json()]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 6
    assert "next" not in rest.links
    assert [line["agent_id"] for line in client.get(f"{ADMIN}/audit?agent_id=acme-1&refused=false").json()] == [
        "acme-1",
        "acme-1",
    ]
    [refused] = client.get(f"{ADMIN}/audit?refused=true").json()
    assert (refused["status"], refused["action"]) == (403, "POST /v1/agents/{agent_id}/archival-memory")
    assert client.get(f"{ADMIN}/audit?key_id={refused['key_id']}").json() == [refused]
    assert client.get(f"{ADMIN}/audit", params={"since": refused["logged_at"]}).json() == [refused]
    assert len(client.get(f"{ADMIN}/audit", params={"until": refused["logged_at"]}).json()) == 5


def test_the_health_of_the_database(client: TestClient, dsn: str) -> None:
    client.post("/v1/agents/acme-1/archival-memory", json={"text": "the vault opens at midnight"})
    assert {one["level"] for one in client.get(f"{ADMIN}/doctor").json()} <= {"ok", "note"}
    records = client.get(f"{ADMIN}/migrations").json()["records"]
    assert {record["state"] for record in records} == {"applied"}
    assert client.get(f"{ADMIN}/migrations/drift").json()["drifts"] == []
    with psycopg.connect(dsn) as owner:
        owner.execute("DROP INDEX audit_log_logged_at_idx")
        owner.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'archival_memories_pkey'::regclass")
    [drift] = [one for one in client.get(f"{ADMIN}/migrations/drift").json()["drifts"] if one["kind"] == "missing"]
    assert drift["remedy"].startswith("CREATE INDEX audit_log_logged_at_idx")
    storage = client.get(f"{ADMIN}/indexes").json()
    assert (storage["indexes"][0]["index"], storage["indexes"][0]["valid"]) == ("archival_memories_pkey", False)
    sizes = {one["table"]: one["table_bytes"] + one["index_bytes"] for one in storage["tables"]}
    assert sizes["archival_memories"] > 0
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    model = client.get(f"{ADMIN}/model").json()
    assert (model["dimensions"], model["switch"], model["at_work"]) == (256, None, False)
    assert "--explain-slower-than" in client.get(f"{ADMIN}/slow-queries").json()["detail"]


@pytest.mark.skipif(os.environ.get("MEMGPT_TEST_POSTGRES", "18") != "18", reason="extension_control_path is new in 18")
def test_statements_where_the_server_counts_them(client: TestClient, dsn: str) -> None:
    """The test's server has no contributed extensions: one with the name and the columns stands in."""
    missing = client.get(f"{ADMIN}/statements")
    assert (missing.status_code, "shared_preload_libraries" in missing.json()["detail"]) == (404, True)
    with tempfile.TemporaryDirectory() as directory, psycopg.connect(dsn, autocommit=True) as owner:
        folder = Path(directory) / "extension"
        folder.mkdir()
        Path(directory).chmod(0o755)
        (folder / "pg_stat_statements.control").write_text("default_version = '1'\nrelocatable = true\n")
        (folder / "pg_stat_statements--1.sql").write_text(
            "CREATE VIEW pg_stat_statements AS SELECT (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AS dbid, q.query, n AS calls, n AS rows, n * 10.0::float8 AS total_exec_time, 10.0::float8 AS "
            "mean_exec_time, 20.0::float8 AS max_exec_time FROM (VALUES (1::bigint, 'SELECT $1'), (2, $$SET x TO "
            "'secret'$$)) AS q (n, query);"
        )
        owner.execute(sql.SQL("SET extension_control_path TO {}").format(sql.Literal(f"$system:{directory}")))
        owner.execute("CREATE EXTENSION pg_stat_statements")
        named = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("ALTER DATABASE {} SET pg_stat_statements.max TO '5000'").format(named))
        client.app.state.service.database._pool.drain()  # type: ignore[attr-defined] # sessions of before do not know
        rows = client.get(f"{ADMIN}/statements").json()
    assert [(row["statement"], row["calls"]) for row in rows] == [("SET x TO '…'", 2), ("SELECT $1", 1)]


def test_jobs_of_every_agent_and_again(client: TestClient) -> None:
    for agent in ("acme-1", "acme-2", "acme-1"):
        assert client.post(f"/v1/agents/{agent}/jobs", json={"kind": "sleep"}).status_code == 202
    first = client.get(f"{ADMIN}/jobs?limit=2")
    rest = client.get(first.links["next"]["url"]).json()
    assert [(job["agent_id"], job["id"]) for job in [*first.json(), *rest]] == [
        ("acme-1", 3),
        ("acme-2", 2),
        ("acme-1", 1),
    ]
    assert client.post("/v1/agents/acme-1/jobs/1/retry").status_code == 409  # it waits
    client.post("/v1/agents/acme-1/jobs/1/cancel")
    again = client.post("/v1/agents/acme-1/jobs/1/retry")
    assert (again.status_code, again.headers["location"]) == (202, "/v1/agents/acme-1/jobs/4")
    assert client.get(f"{ADMIN}/jobs?status=cancelled").json()[0]["id"] == 1
    sent = {"files": ("a.md", b"# A\n\nB")}
    uploaded = client.post("/v1/agents/acme-1/documents/files", files=sent).json()["id"]
    client.post(f"/v1/agents/acme-1/jobs/{uploaded}/cancel")
    answer = client.post(f"/v1/agents/acme-1/jobs/{uploaded}/retry")
    assert (answer.status_code, "send them again" in answer.json()["detail"]) == (409, True)
