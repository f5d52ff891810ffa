"""``memgpt serve``: the console, REST, MCP, health and metrics in one process."""

from __future__ import annotations

import ipaddress
import sys
from typing import Annotated, Final

import typer

from memgpt.cli import output
from memgpt.cli.operator.mcp import ModeName
from memgpt.cli.operator.serving import Face, bound, compose, need_extra, open_service, run
from memgpt.cli.options import Dsn, Schema, chosen
from memgpt.cli.output import private_file
from memgpt.errors import InputError
from memgpt.server.service import Service

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
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", help="https:// address that a proxy in front serves: people sign in under it."),
    ] = None,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Serve the memory over HTTP (console at /, REST under /v1, MCP under /mcp) until Ctrl-C."""
    if no_auth and not _is_loopback(host):
        raise InputError(f"--no-auth is for a loopback address such as 127.0.0.1, not {host}: everybody could read")
    need_extra("`memgpt serve`")
    from memgpt.server.api.edge import ServerLimits

    service, traces = open_service(
        chosen(dsn, schema), keys_required=not no_auth, explain_slower_than=explain_slower_than
    )
    if not no_auth:
        _first_key(service)
    limits = ServerLimits(
        body_bytes=max_body, upload_bytes=max_upload, seconds=request_timeout, concurrency=concurrency
    )
    names = (*(allow_host or ()), *(() if _is_wildcard(host) else (host,)))
    face = Face(names, mcp_mode.value, limits, public_url, with_worker, sleep)
    with bound(host, port) as listening:
        app, _ = compose(service, face, listening.getsockname()[1], traces)
        output.note(f"memgpt listens on http://{host}:{listening.getsockname()[1]} (console: /, documentation: /docs)")
        run(app, listening, concurrency)


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


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
