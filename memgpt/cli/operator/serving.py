"""One process that serves: the service, its faces, the worker beside them, and the socket they answer on."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memgpt.cli.operator.db import configured_model
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.errors import DatabaseError, InputError, MissingExtraError
from memgpt.server.log import log_as_json
from memgpt.server.service import Service
from memgpt.server.waiting import wait_for_database

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry.sdk.trace import TracerProvider

    from memgpt.jobs.worker import Worker
    from memgpt.server.api.edge import ServerLimits
    from memgpt.server.console import Console
    from memgpt.server.mcp import Mode


@dataclass(frozen=True, slots=True)
class Face:
    """How a service is reached, and what it does beside answering."""

    hosts: tuple[str, ...] = ()
    mcp_mode: Mode = "memory"
    limits: ServerLimits | None = None
    public_url: str | None = None
    with_worker: bool = True
    sleep: str | None = None
    """When every memory is put in order, as cron writes it."""


def need_extra(command: str) -> None:
    """Check that what a service needs is installed.

    Raises:
        MissingExtraError: the extra ``server`` is not installed.
    """
    try:
        import uvicorn  # noqa: F401

        from memgpt.server import console, mcp  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "server", command) from error


def open_service(
    options: Settings, *, keys_required: bool = True, explain_slower_than: float | None = None
) -> tuple[Service, TracerProvider | None]:
    """Open the service on a database that is migrated, and say in JSON what happens from here on.

    Traces are started before the service opens its connections, for those that are open already are not traced.
    """
    from memgpt.server.api.metrics import start_traces

    log_as_json()
    wait_for_database(options)
    _migrate(options)
    traces = start_traces()
    service = Service(options, keys_required=keys_required, explain_slower_than=explain_slower_than)
    service.check()
    return service, traces


def compose(service: Service, face: Face, port: int, traces: TracerProvider | None = None) -> tuple[FastAPI, Console]:
    """Put the faces of a service together, as every way of serving has them."""
    from starlette.routing import Route

    from memgpt.jobs.worker import Worker
    from memgpt.server.api import create_app
    from memgpt.server.console import Console
    from memgpt.server.mcp import create_server
    from memgpt.server.mcp.endpoint import Endpoint

    endpoint = Endpoint(create_server(service, mode=face.mcp_mode))
    worker = None
    if face.with_worker:
        worker = Worker(service.database, service.embedder, service.options, sleep=face.sleep)
    console = Console(service, port=port, hosts=face.hosts, public_url=face.public_url)
    app = create_app(
        service,
        limits=face.limits,
        hosts=face.hosts,
        lifespan=lambda: beside(endpoint.run, worker),
        traces=traces,
        console=console,
    )
    app.router.routes.append(Route("/mcp", endpoint))
    return app, console


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Listen at an address: who connects before the service answers waits.

    Raises:
        InputError: somebody else listens there, or there is no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By this number asyncio knows TCP, and sends at once; else an answer on a connection that is kept waits for the
    # acknowledgement of its head, which clients delay by 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        listening.listen(2048)
        yield listening


def run(app: FastAPI, listening: socket.socket, concurrency: int = 64) -> None:
    """Answer on a socket until the process is told to stop."""
    import uvicorn

    from memgpt.server.api.protocol import PatientProtocol

    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
        limit_concurrency=concurrency * 16,
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)
    app.state.stopping = lambda: server.should_exit
    server.run(sockets=[listening])


@asynccontextmanager
async def beside(mcp: Callable[[], AbstractAsyncContextManager[None]], worker: Worker | None) -> AsyncIterator[None]:
    """Run the worker and MCP beside the routes, and stop them gracefully with those."""
    work = asyncio.ensure_future(worker.run()) if worker else None
    if work is not None:
        work.add_done_callback(_mourn)
    try:
        async with mcp():
            yield
    finally:
        if work is not None:
            work.cancel()
            await asyncio.wait([work])


def _mourn(work: asyncio.Future[None]) -> None:
    if not work.cancelled() and (error := work.exception()):
        logging.getLogger("memgpt.jobs").error("the worker ended; restart the service to do jobs", exc_info=error)


def _migrate(options: Settings) -> None:
    """Migrate an embedded database, which is ours; one of the operator's only when it is empty."""
    current = migrate.status(options=options)
    if options.uses_embedded_server or not any(record.applied_at for record in current.records):
        migrate.apply(options=options, model=configured_model(options))
    elif current.pending:
        raise DatabaseError(f"{current.pending} migrations are pending in {current.database}: run `memgpt db migrate`")
