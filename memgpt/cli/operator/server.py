"""``memgpt server``: the embedded PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Json, chosen

if TYPE_CHECKING:
    from memgpt.database.embedded import ServerStatus

app = typer.Typer(help="The embedded PostgreSQL, for whoever names no other.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Its data; else MEMGPT_DATA_DIR.")]


@app.callback()
def server() -> None:
    """Manage the embedded PostgreSQL, used where no other database is named."""


@app.command()
def start(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Start it, or keep the one that runs, until `memgpt server stop`: other commands then start none of their own."""
    from memgpt.database import embedded

    place = data_dir or chosen().data_dir
    with output.working("Starting PostgreSQL"), embedded.EmbeddedServer.open(place) as server:
        server.stay()
    _show(embedded.status(place), data_dir, as_json)


@app.command()
def stop(data_dir: DataDir = None) -> None:
    """Stop it; where other processes use it, it stops with the last of them."""
    from memgpt.database import embedded

    place = data_dir or chosen().data_dir
    if not embedded.status(place).running:
        output.note(f"no server runs in {place}")
        return
    with output.working("Stopping PostgreSQL"):
        users = embedded.stop(place)
    if users:
        output.say(f"in use: it stops with the last of the processes {', '.join(map(str, users))}")
    else:
        output.say("server stopped")


@app.command()
def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show whether it runs, who uses it, where its data is; starts nothing."""
    from memgpt.database import embedded

    _show(embedded.status(data_dir or chosen().data_dir), data_dir, as_json)


def _show(status: ServerStatus, data_dir: Path | None, as_json: bool) -> None:
    if as_json:
        output.show_json(status)
        return
    output.show_fields(status)
    if data_dir is None and not chosen().uses_embedded_server:
        output.note("DATABASE_URL or libpq's variables name another server, which memgpt uses instead of this one")
