"""The command ``memgpt``."""

from __future__ import annotations

import sys

import psycopg
import typer

from memgpt.cli import care, db, embeddings, output
from memgpt.cli.doctor import doctor_command
from memgpt.cli.reembed import reembed_command
from memgpt.errors import MemgptError

__all__ = ["app", "care", "main"]

app = typer.Typer(
    name="memgpt",
    help="Long-term memory for LLM agents, in PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(db.app, name="db")
app.add_typer(embeddings.app, name="embeddings")
app.command("reembed")(reembed_command)
app.command("doctor")(doctor_command)


def main() -> None:
    """Run a command; an error is one line on standard error and a status that is not 0."""
    try:
        app()
    except (MemgptError, psycopg.Error) as error:
        output.fail(str(error) or type(error).__name__)
        sys.exit(1)
