"""Schemathesis: every operation keeps to its description, whatever is sent, by all checks there are.

Here a few requests of each; ``make schemathesis`` has them all, on a service of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from tests.conftest import Server
from tests.service.conftest import app_of, served, service_on


@pytest.fixture(scope="session")
def address(server: Server, template: str) -> Iterator[str]:
    """A running service without keys."""
    name = server.create(template)
    service = service_on(server.dsn(name), keys_required=False)
    with served(app_of(service, worker=True)) as address:  # so that a job, and with it a stream of it, ends
        yield address
    server.drop(name)


NOWHERE = "postgresql://nobody@127.0.0.1/nothing"
schema = schemathesis.openapi.from_dict(app_of(service_on(NOWHERE, keys_required=False)).openapi())


# The phase of boundary values takes minutes.
schema.config.phases.coverage.enabled = False


@schema.parametrize()
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
# the service is in this process, and its connection pools vary their times at random while a case is drawn
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
def test_every_operation(case: schemathesis.Case, address: str) -> None:  # type: ignore[type-arg]
    case.call_and_validate(base_url=address)


def test_an_operation_is_called_as_its_function() -> None:
    app = app_of(service_on("postgresql://nobody@127.0.0.1/nothing"))
    operations = [operation for methods in app.openapi()["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", id) for id in ids)


def test_the_document_is_complete(anonymous: TestClient) -> None:
    document = anonymous.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description") or operation.get("summary"), (method, path)
            for status, answer in operation["responses"].items():
                if "application/json" in answer.get("content", {}) and status.startswith("2"):
                    assert answer["content"]["application/json"]["schema"] is not None, (method, path)
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                name = body["$ref"].rpartition("/")[2]
                assert document["components"]["schemas"][name]["examples"], (method, path)
