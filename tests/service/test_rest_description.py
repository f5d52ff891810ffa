"""What the document says of requests is so, where a schema alone does not make it so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.conftest import Server
from tests.service.conftest import app_of, service_on

A = "/v1/agents/ann"


@pytest.fixture(scope="module")
def client(server: Server, template: str) -> Iterator[TestClient]:
    name = server.create(template)
    with TestClient(app_of(service_on(server.dsn(name), keys_required=False))) as client:
        yield client
    server.drop(name)


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/admin/keys/0123456789ab/rotate", {"grace_seconds": False}),
        ("/v1/embeddings", {"input": [False]}),
        (f"{A}/search", {"query": "trains", "limit": True}),
        (f"{A}/search", {"query": "trains", "limit": "5"}),
        (f"{A}/search", {"query": "trains", "explain": 1}),
        (f"{A}/search", {"query": "trains", "since": 0}),
        (f"{A}/search", {"vector": [True] * 256}),
        (f"{A}/archival-memory", {"text": "Ann likes trains", "importance": False}),
    ],
)
def test_a_value_of_another_type_is_refused(client: TestClient, address: str, body: object) -> None:
    assert client.post(address, json=body).status_code in (400, 422)


def test_a_whole_number_may_be_written_with_a_point(client: TestClient) -> None:
    assert client.post(f"{A}/search", json={"query": "trains", "limit": 5.0}).status_code == 200


def test_a_cursor_that_leads_nowhere_is_not_found(client: TestClient) -> None:
    assert client.get("/v1/agents", params={"after": "AAAA"}).status_code == 404
    assert client.get("/v1/agents", params={"after": "no cursor"}).status_code == 422


def test_allow_names_the_methods_of_every_route(client: TestClient) -> None:
    answer = client.request("TRACE", "/v1/admin/keys")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_only_what_honours_an_idempotency_key_says_it_takes_one(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    takes = {
        path
        for path, methods in paths.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in methods.get("post", {}).get("parameters", ()))
    }
    assert "/v1/agents/{agent_id}/archival-memory" in takes
    assert takes.isdisjoint(f"/v1/agents/{{agent_id}}/{name}" for name in ("search", "search/batch", "context"))


def test_a_service_without_keys_asks_for_none(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert not any("security" in operation for methods in paths.values() for operation in methods.values())


def test_a_model_with_a_line_break_in_its_name_is_refused_in_the_protocol(client: TestClient) -> None:
    answer = client.get("/v1/models/a%0Ab")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
