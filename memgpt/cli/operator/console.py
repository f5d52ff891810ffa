"""``memgpt console``: the console of this machine's memory, opened in the browser and signed in."""

from __future__ import annotations

import webbrowser
from typing import Annotated, Final

import typer

from memgpt.cli import output
from memgpt.cli.operator.serving import Face, bound, compose, need_extra, open_service, run
from memgpt.cli.options import Dsn, Schema, chosen

app = typer.Typer(add_completion=False)

HOST: Final = "127.0.0.1"


@app.command()
def console(
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0: one that is free.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it, or only print the address.")] = True,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Open the console in the browser: see, search, edit and undo what agents remember."""
    need_extra("`memgpt console`")
    service, traces = open_service(chosen(dsn, schema))
    with bound(HOST, port) as listening:
        app, console = compose(service, Face(), listening.getsockname()[1], traces)
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        signed_in = f"{address}/sign-in#once={console.sessions.invite()}"
        output.note(f"the console is at {address}; this address signs in once, within a minute: {signed_in}")
        if browser:
            webbrowser.open(signed_in)
        run(app, listening)
