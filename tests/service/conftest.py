"""A service on a database of the test's own, and clients that hold keys."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import Route
from starlette.testclient import TestClient

from memgpt.cli.operator.serving import beside
from memgpt.config import settings
from memgpt.jobs.worker import Worker
from memgpt.server.api import create_app
from memgpt.server.api.edge import ServerLimits
from memgpt.server.api.protocol import PatientProtocol
from memgpt.server.mcp import create_server
from memgpt.server.mcp.endpoint import Endpoint
from memgpt.server.service import Service


def service_on(dsn: str, *, keys_required: bool = True, **changes: object) -> Service:
    options = settings().model_copy(update={"database_url": SecretStr(dsn), **changes})
    return Service(options, keys_required=keys_required)


def app_of(service: Service, limits: ServerLimits | None = None, *, worker: bool = False) -> FastAPI:
    """As `memgpt serve` composes it."""
    endpoint = Endpoint(create_server(service))
    made = Worker(service.database, service.embedder, service.options, grace=0.0) if worker else None
    running = lambda: beside(endpoint.run, made)  # noqa: E731
    app = create_app(service, limits=limits, hosts=["testserver"], lifespan=running)
    app.router.routes.append(Route("/mcp", endpoint))
    return app


@contextmanager
def served(app: FastAPI, http: type[PatientProtocol] = PatientProtocol, port: int = 0) -> Iterator[str]:
    """The application behind a real socket, as `memgpt serve` speaks; its address."""
    config = uvicorn.Config(
        app,
        http=http,
        port=0,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)
    if isinstance(app, FastAPI):
        app.state.stopping = lambda: server.should_exit
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # without it asyncio holds answers back, see `bound`
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()  # who connects before the server is up waits
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def service(dsn: str) -> Service:
    """Closed with the application of ``anonymous``."""
    return service_on(dsn)


@pytest.fixture
def anonymous(service: Service) -> Iterator[TestClient]:
    """A client without a key."""
    with TestClient(app_of(service), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client_with(service: Service, anonymous: TestClient) -> Callable[..., TestClient]:
    """Makes clients: ``client_with(agents=["acme-*"], permissions=["read"])``."""

    def make(**fields: object) -> TestClient:
        token = service.keys.create(**fields).token  # type: ignore[arg-type]
        return TestClient(anonymous.app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)

    return make


@pytest.fixture
def client(client_with: Callable[..., TestClient]) -> TestClient:
    """A client that may do everything."""
    return client_with(permissions=["read", "write", "admin"])
