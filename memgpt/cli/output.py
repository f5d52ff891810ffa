"""What every command prints: tables for people, JSON for machines, one line for an error."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console()
errors = Console(stderr=True)


def show_json(value: object) -> None:
    """One JSON document on standard output; dataclasses become objects."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table; text of users is printed as it is, never read as markup."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console.print(table)


def say(line: str, style: str = "") -> None:
    """A line on standard output."""
    console.print(Text(line, style=style), soft_wrap=True)


def note(line: str) -> None:
    """A line beside the result, on standard error."""
    errors.print(Text(line, style="yellow"), soft_wrap=True)


def fail(message: str) -> None:
    """The one line of an error, on standard error."""
    line = Text("error: ", style="bold red")
    line.append(" ".join(message.split()), style="red")
    errors.print(line, soft_wrap=True)


@contextmanager
def interruptible(consequence: str) -> Iterator[None]:
    """Ctrl-C ends the command with one line that says what became of the work, and status 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"interrupted: {consequence}")
        raise typer.Exit(130) from None


def _plain(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
