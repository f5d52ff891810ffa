"""Slow statements with their plans: of the very statements, as the role of requests, without what was asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
import pytest
from starlette.testclient import TestClient

from memgpt.server.service import Service
from tests.service.conftest import app_of, service_on

A = "/v1/agents/acme-1"
PLANS = "/v1/admin/slow-queries"


@pytest.fixture
def watched(dsn: str) -> Service:
    """Notes every statement."""
    service = service_on(dsn)
    options = service.options
    service.close()
    return Service(options, explain_slower_than=0)


@pytest.fixture
def operator(watched: Service) -> Iterator[TestClient]:
    token = watched.keys.create(agents=["*"], permissions=["read", "write", "admin"]).token
    with TestClient(app_of(watched), headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_plans_of_the_statements_themselves(operator: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kept = operator.post(f"{A}/archival-memory", json={"text": "the vault opens at midnight", "tags": ["vault"]})
    assert kept.status_code == 201
    assert operator.post(f"{A}/search", json={"query": "vault midnight"}).json()[0]["text"].startswith("the vault")
    lines = "vault\nisn't midnight\n'\\\nvault"
    assert operator.get(f"{A}/archival-memory", params={"tags": lines}).json() == []
    assert len(operator.get(f"{A}/archival-memory", params={"tags": "vault"}).json()) == 1
    noted = operator.get(PLANS).json()
    searches = [one for one in noted if "lexical_seeds" in one["statement"] and one["plan"]]
    assert len(searches) == 1
    [search] = searches
    plan = "\n".join(search["plan"])
    assert search["agent_id"] == "acme-1"
    assert search["analyzed"]
    assert "actual" in plan
    assert "Buffers" in plan
    assert "archival_memories_agent_embedding_idx" in plan
    assert "memory_agent" in plan or "InitPlan" in plan  # the policy: it ran as a request does
    writes = [one for one in noted if one["statement"].lstrip().startswith("WITH") and "INSERT" in one["statement"]]
    assert writes
    assert not any(one["analyzed"] for one in writes)
    assert len(operator.get(f"{A}/archival-memory").json()) == 1  # explaining wrote nothing
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("memgpt")]
    assert any("a statement took" in line for line in logged)
    for told in (str(noted), str(logged)):
        assert "vault" not in told
        assert "midnight" not in told


def test_a_statement_is_explained_once_a_minute(operator: TestClient) -> None:
    for _ in range(5):
        operator.post(f"{A}/search", json={"query": "x"})
    searches = [one for one in operator.get(PLANS).json() if "lexical_seeds" in one["statement"]]
    assert len(searches) == 5
    assert [bool(one["plan"]) for one in searches] == [False] * 4 + [True]


def test_who_may_see_them(operator: TestClient, watched: Service) -> None:
    for fields, status in (
        ({"agents": ["acme-*"], "permissions": ["admin"]}, 403),
        ({"agents": ["*"], "permissions": ["read", "write"]}, 403),
        ({"agents": ["*"], "permissions": ["admin"]}, 200),
    ):
        token = watched.keys.create(**fields).token  # type: ignore[arg-type]
        assert operator.get(PLANS, headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_nobody_looks_at_the_clock_unless_asked(client: TestClient) -> None:
    answer = client.get(PLANS)
    assert answer.status_code == 404
    assert "--explain-slower-than" in answer.json()["detail"]


def test_a_failing_statement_fails_as_before(operator: TestClient, watched: Service) -> None:
    with watched.database.connection() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(b"SELECT 1 / 0")
        assert connection.execute(b"SELECT 1").fetchone() == (1,)
    assert operator.get("/health/ready").status_code == 200
