"""The command ``memgpt``."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from memgpt import installation
from memgpt.cli import agent, archival, block, importing, ingest, memory, message, output
from memgpt.cli.lazy import LazyGroup
from memgpt.cli.operator import server
from memgpt.errors import MemgptError

__all__ = ["app", "main"]

app = typer.Typer(
    name="memgpt",
    help="Long-term memory for LLM agents, in PostgreSQL.",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(memory.remember)
app.command()(memory.search)
app.command()(memory.context)
app.command()(ingest.ingest)
app.add_typer(block.app, name="block")
app.add_typer(archival.app, name="archival")
app.add_typer(message.app, name="message")
app.command()(memory.history)
app.command()(memory.undo)
app.command()(memory.forget)
app.command()(memory.stats)
app.add_typer(agent.app, name="agent")
app.command("export")(agent.export_command)
app.command("import")(importing.import_command)
app.add_typer(server.app, name="server")


def _version(wanted: bool) -> None:
    if wanted:
        output.say(f"{installation.DISTRIBUTION} {installation.version()}")
        for finding in installation.problems():
            output.note(finding)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Long-term memory for LLM agents, in PostgreSQL."""
    if any(name.upper().startswith("MEMGPT_") for name in os.environ):
        from memgpt import config

        for line in config.misspelt():
            output.note(line)
        warnings.filterwarnings("ignore", message="MEMGPT_", category=UserWarning)


def main() -> None:
    """Run a command; an error is one line on standard error and a status that is not 0."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        output.fail(output.failure(error))
        output.discard()
        sys.exit(1)
    except MemgptError as error:
        output.fail(str(error) or type(error).__name__)
        sys.exit(1)
