"""Agents of any name, over a real socket: what is one segment of an address stays one, and is decoded once."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from memgpt.server.service import Service
from tests.service.conftest import app_of, served, service_on

NAMES = ("team/ann", "/", "a//b", "team%2Fann", "%", "50%", "a/../b", "../ann", "a?b#c", "日本/ü", "a b", "a%252Fb")


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    service = service_on(dsn)
    yield service
    service.close()


class Browser:
    """Sends addresses exactly as they are."""

    def __init__(self, address: str, token: str, headers: Mapping[str, str] | None = None) -> None:
        self._host = urlsplit(address).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}

    def __call__(self, method: str, address: str, body: object = None) -> tuple[int, Any, str]:
        """Status, body and the address of the next page."""
        connection = http.client.HTTPConnection(self._host)
        connection.request(method, address, None if body is None else json.dumps(body), self._headers)
        answer = connection.getresponse()
        text = answer.read()
        link = (answer.getheader("Link") or "").partition(">")[0].removeprefix("<")
        connection.close()
        return answer.status, json.loads(text) if text else None, link


def test_every_name_is_an_agent_of_its_own(service: Service) -> None:
    token = service.keys.create(agents=["*"], permissions=["read", "write", "admin"]).token
    with served(app_of(service)) as address:
        send = Browser(address, token)
        for name in NAMES:
            agent = f"/v1/agents/{quote(name, safe='')}"
            for text in ("one", "two", f"of {name}"):
                assert send("POST", f"{agent}/archival-memory", {"text": text})[0] == 201, name
            assert send("PUT", agent, {"description": name})[1]["agent_id"] == name
            assert send("POST", f"{agent}/core-memory/blocks", {"label": "50%", "value": name})[0] == 201
        for name in NAMES:
            agent = f"/v1/agents/{quote(name, safe='')}"
            status, page, following = send("GET", f"{agent}/archival-memory?limit=2")
            assert (status, [m["text"] for m in page]) == (200, [f"of {name}", "two"])
            assert [m["text"] for m in send("GET", following)[1]] == ["one"]
            assert send("GET", f"{agent}/core-memory/blocks/50%25")[1]["value"] == name
            assert send("GET", agent)[1]["description"] == name
        assert {a["agent_id"] for a in send("GET", "/v1/agents?limit=100")[1]} == set(NAMES)


@pytest.mark.parametrize("name", [".", "..", " ann", "ann\n", "*", "team-*"])
def test_names_that_addresses_or_keys_lose_are_refused(service: Service, name: str) -> None:
    token = service.keys.create(agents=["*"], permissions=["read", "write", "admin"]).token
    address_of = "".join(f"%{byte:02X}" for byte in name.encode())
    with served(app_of(service)) as address:
        send = Browser(address, token)
        for method, rest, body in (
            ("POST", "/archival-memory", {"text": "x"}),
            ("GET", "/archival-memory", None),
            ("PUT", "", {"description": "x"}),
        ):
            refused = 404 if name == "*" else 422  # there is none of that name
            assert send(method, f"/v1/agents/{address_of}{rest}", body)[0] == refused, (method, rest)
        assert send("POST", "/v1/agents/ann/archival-memory", {"text": "x"})[0] == 201
        assert [agent["agent_id"] for agent in send("GET", "/v1/agents")[1]] == ["ann"]


def test_a_repeated_write_is_known_and_forgotten_by_the_name(service: Service) -> None:
    token = service.keys.create(agents=["*"], permissions=["read", "write", "admin"]).token
    with served(app_of(service)) as address:
        send = Browser(address, token, {"Idempotency-Key": "once"})
        agent = "/v1/agents/team%2Fann"
        [kept] = send("POST", f"{agent}/archival-memory", {"text": "secret"})[1]
        assert send("POST", f"{agent}/archival-memory", {"text": "secret"})[1] == [kept]
        assert Browser(address, token)("POST", f"{agent}/forget", {"id": kept["id"]})[0] == 200
        assert send("POST", f"{agent}/archival-memory", {"text": "secret"})[0] == 409


def test_keys_and_audit_know_the_name_as_it_is(service: Service, dsn: str) -> None:
    token = service.keys.create(agents=["team/*"], permissions=["read", "write"]).token
    with served(app_of(service)) as address:
        send = Browser(address, token)
        assert send("POST", "/v1/agents/team%2fann/messages", {"content": "Hello"})[0] == 201
        for other in ("team%252Fann", "team", "umbrella", "team%2F..%2Fumbrella%2F..", "%2e%2e%2fteam"):
            inside = other.startswith("team%2F")
            assert send("GET", f"/v1/agents/{other}/messages")[0] == (200 if inside else 403), other
        assert send("GET", "/v1/agents/team%2F..%2Fumbrella/messages")[1] == [], "a name, not a way"
        assert send("GET", "/v1/agents/team/ann/messages")[0] == 404
        assert send("GET", "/v1/agents/team/../umbrella/messages")[0] == 404
        assert send("GET", "/v1%2Fagents%2Fteam")[0] == 404
    with psycopg.connect(dsn) as connection:
        names = {row[0] for row in connection.execute("SELECT DISTINCT agent_id FROM audit_log")}
    assert names >= {"team/ann", "team%2Fann", "team", "umbrella", "../team"}
