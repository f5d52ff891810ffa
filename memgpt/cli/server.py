"""``memgpt server``: the embedded PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Json, chosen

app = typer.Typer(help="The embedded PostgreSQL, for whoever names no other.", no_args_is_help=True)


@app.callback()
def server() -> None:
    """The embedded PostgreSQL, for whoever names no other."""


@app.command()
def status(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Its data; else MEMGPT_DATA_DIR.")] = None,
    as_json: Json = False,
) -> None:
    """Show whether it runs, who uses it, where its data is; starts nothing."""
    from memgpt.database import embedded

    settings = chosen()
    found = embedded.status(data_dir or settings.data_dir)
    if as_json:
        output.show_json(found)
        return
    output.show_fields(found)
    if data_dir is None and not settings.uses_embedded_server:
        output.note("DATABASE_URL or libpq's variables name another server, which memgpt uses instead of this one")
