"""``memgpt serve``: REST, MCP, health and metrics in one process."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memgpt.cli import output
from memgpt.cli.db import configured_model
from memgpt.cli.mcp import ModeName
from memgpt.cli.options import Dsn, Schema, chosen
from memgpt.cli.output import private_file
from memgpt.cli.waiting import wait_for_database
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.errors import DatabaseError, InputError, MissingExtraError
from memgpt.server.service import Service

if TYPE_CHECKING:
    from memgpt.jobs.worker import Worker

app = typer.Typer(add_completion=False)

FIRST_KEY: Final = "first-key"
"""The file in the data directory that the first key is written to where nobody sees what is printed."""


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=0, max=65535)] = 8283,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no keys; on a loopback address only.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Host name under which clients come; repeatable."),
    ] = None,
    mcp_mode: Annotated[ModeName, typer.Option("--mcp-mode", help="All tools, or the reference server's nine.")] = (
        ModeName.memory
    ),
    concurrency: Annotated[int, typer.Option("--concurrency", help="Most requests at work at once.", min=1)] = 64,
    max_body: Annotated[int, typer.Option("--max-body", help="Most bytes of a request.", min=1)] = 10_000_000,
    max_upload: Annotated[int, typer.Option("--max-upload", help="Most bytes of uploaded files.", min=1)] = 50_000_000,
    request_timeout: Annotated[float, typer.Option("--request-timeout", help="Seconds for an answer.", min=0.1)] = 30.0,
    explain_slower_than: Annotated[
        float | None,
        typer.Option("--explain-slower-than", help="Note statements over so many milliseconds, with plans.", min=0),
    ] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Do jobs in this process too, or leave them to memgpt worker.")
    ] = True,
    sleep: Annotated[
        str | None,
        typer.Option("--sleep", help="When every memory is put in order, as cron writes it ('0 3 * * *'), in UTC."),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Serve the memory over HTTP (REST under /v1, MCP under /mcp) until Ctrl-C."""
    if no_auth and not _is_loopback(host):
        raise InputError(f"--no-auth is for a loopback address such as 127.0.0.1, not {host}: everybody could read")
    try:
        import uvicorn
        from starlette.routing import Route

        from memgpt.jobs.worker import Worker
        from memgpt.server.api import create_app
        from memgpt.server.api.edge import ServerLimits
        from memgpt.server.api.protocol import PatientProtocol
        from memgpt.server.api.telemetry import start_traces
        from memgpt.server.mcp import create_server
        from memgpt.server.mcp.endpoint import Endpoint
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "server", "`memgpt serve`") from error
    options = chosen(dsn, schema)
    log_as_json()
    wait_for_database(options)
    _migrate(options)
    traces = start_traces()
    service = Service(options, keys_required=not no_auth, explain_slower_than=explain_slower_than)
    service.check()
    if not no_auth:
        _first_key(service)
    limits = ServerLimits(
        body_bytes=max_body, upload_bytes=max_upload, seconds=request_timeout, concurrency=concurrency
    )
    endpoint = Endpoint(create_server(service, mode=mcp_mode.value))
    worker = Worker(service.database, service.embedder, service.options, sleep=sleep) if with_worker else None
    running = lambda: beside(endpoint.manager.run, worker)  # noqa: E731
    app = create_app(service, limits=limits, hosts=allow_host or (), lifespan=running, traces=traces)
    app.router.routes.append(Route("/mcp", endpoint))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
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
    output.note(f"memgpt listens on http://{host}:{port} (documentation: /docs)")
    server = uvicorn.Server(config)
    app.state.stopping = lambda: server.should_exit
    server.run()


@asynccontextmanager
async def beside(mcp: Callable[[], AbstractAsyncContextManager[None]], worker: Worker | None) -> AsyncIterator[None]:
    """Run what accompanies the routes, and stop it gracefully with them."""
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
    """Migrate an embedded database, which is ours; one of the operator's only if it is empty."""
    current = migrate.status(options=options)
    if options.uses_embedded_server or not any(record.applied_at for record in current.records):
        migrate.apply(options=options, model=configured_model(options))
    elif current.pending:
        raise DatabaseError(f"{current.pending} migrations are pending in {current.database}: run `memgpt db migrate`")


def _first_key(service: Service) -> None:
    """Make the first key: shown on a terminal, else in a file of its own, because what is printed ends in a journal."""
    if service.keys.any():
        return
    if sys.stdout.isatty():
        output.say(_new_key(service))
        output.note("this is the first key, for every agent: keep it, it is not shown again (memgpt key rotate)")
        return
    path = service.options.data_dir / FIRST_KEY
    with output.writing(path), private_file(path) as file:
        file.write(_new_key(service) + "\n")
    output.note(f"the first key, for every agent, is in {path}: keep it elsewhere and remove the file")


def _new_key(service: Service) -> str:
    return service.keys.create("first key", permissions=("read", "write", "admin"), agents=("*",)).token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def log_as_json() -> None:
    """Log lines of this process are JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("mcp", "httpx", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _JsonLines(logging.Formatter):
    """One JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.name == "memgpt.access":
            line |= json.loads(record.getMessage())
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)
