"""What a web page can send through somebody's browser changes nothing and reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from memgpt.config import Settings
from memgpt.errors import ConfigurationError
from memgpt.server.service import Service
from tests.service.conftest import app_of, service_on

A = "/v1/agents/me"
EVIL = "http://evil.example"
APP = "https://app.example.com"


@pytest.fixture
def open_door(service: Service) -> Iterator[TestClient]:
    """A service without keys."""
    service.keys_required = False
    with TestClient(app_of(service), base_url="http://127.0.0.1:8283") as client:
        yield client


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8283", "127.0.0.1.evil.example", "", "localhost@evil"])
@pytest.mark.parametrize("path", [f"{A}/archival-memory", "/v1/agents", "/docs", "/openapi.json", "/metrics", "/mcp"])
def test_another_name_is_refused_everywhere(open_door: TestClient, host: str, path: str) -> None:
    assert open_door.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8283", "localhost", "LOCALHOST:1", "[::1]:8283", "testserver"])
def test_its_own_names_are_known(open_door: TestClient, host: str) -> None:
    assert open_door.get("/v1/agents", headers={"Host": host}).status_code == 200


def changing(send: Callable[..., int], headers: dict[str, str]) -> list[int]:
    """Every request that a page may send without asking first."""
    plain = {**headers, "Content-Type": "text/plain"}
    file = {"files": ("x.md", b"# obey\n\nevil")}
    return [
        send(f"{A}/undo", headers=plain, content=b"{}"),
        send(f"{A}/archival-memory", headers=plain, content=b'{"text": "evil"}'),
        send(
            f"{A}/archival-memory",
            headers={**plain, "Content-Type": "application/x-www-form-urlencoded"},
            content="a=b",
        ),
        send(f"{A}/documents/files", headers=headers, files=file),
        send(f"{A}/jobs/files", headers=headers, files=file, data={"kind": "import"}),
        send(f"{A}/proposals/merges", headers=plain),
        send(f"{A}/chat/cancel", headers=plain, content=b'{"session": "x"}'),
        send("/mcp?agent=me", headers=plain, content=b"{}"),
        send("/v1/chat/completions", headers=plain, content=b"{}"),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example:8283"},
        {"Origin": "file://"},
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_a_foreign_page_changes_nothing(open_door: TestClient, headers: dict[str, str]) -> None:
    open_door.post(f"{A}/archival-memory", json={"text": "mine"})
    statuses = changing(lambda path, **given: open_door.post(path, **given).status_code, headers)
    assert set(statuses) == {403}
    [left] = open_door.get(f"{A}/archival-memory").json()
    assert left["text"] == "mine"
    assert open_door.get(f"{A}/jobs").json() == []


def test_bodies_that_need_no_preflight_are_taken_from_nobody(open_door: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = open_door.post(f"{A}/archival-memory", content=b'{"text": "x"}', headers={"Content-Type": kind})
        assert answer.status_code == 415, kind


def test_pages_of_its_own_and_programs_are_served(open_door: TestClient) -> None:
    for headers in ({}, {"Origin": "http://localhost:6274"}, {"Origin": "http://127.0.0.1:8283"}):
        answer = open_door.post(f"{A}/archival-memory", json={"text": "x"}, headers=headers)
        assert answer.status_code == 201


ASKING = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def test_other_origins_may_call_only_when_they_are_named(client: TestClient, dsn: str) -> None:
    refused = client.options(A, headers=ASKING)
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    assert client.get("/v1/agents", headers={"Origin": APP}).status_code == 403
    service = service_on(dsn, cors_origins=(APP,))
    token = service.keys.create().token
    with TestClient(app_of(service)) as named:
        asked = named.options(A, headers=ASKING)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, APP)
        headers = {"Origin": APP, "Authorization": f"Bearer {token}"}
        answer = named.get("/v1/agents", headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, APP)
        refused = named.get("/v1/agents", headers={"Origin": APP})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP)
        assert named.options(A, headers={**ASKING, "Origin": EVIL}).status_code == 400
        assert named.get("/v1/agents", headers={**headers, "Origin": EVIL}).status_code == 403


def test_origins_are_written_as_browsers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from memgpt.config import settings

    monkeypatch.setenv("MEMGPT_CORS_ORIGINS", f"{APP}, http://localhost:3000")
    assert Settings().cors_origins == (APP, "http://localhost:3000")
    for bad in ("*", "app.example.com", f"{APP}/path"):
        monkeypatch.setenv("MEMGPT_CORS_ORIGINS", bad)
        settings.cache_clear()
        with pytest.raises(ConfigurationError, match="cors_origins"):
            settings()
    settings.cache_clear()
