"""Output of all commands: tables for people, JSON for machines, one line for an error."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from memgpt.scope.batches import Problem

from memgpt.errors import InputError

T = TypeVar("T")

console = Console()
_wide = Console(width=1000)
"""Where nobody reads, lines are not cut to the width of a terminal."""
errors = Console(stderr=True)


def show_json(value: object) -> None:
    """One JSON document on standard output; dataclasses become objects."""
    write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def show_lines(values: Iterable[object]) -> None:
    """JSON Lines on standard output: one object per value."""
    for value in values:
        write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")


_KEPT = "\n\t"
_HIDING = frozenset(
    (*map(chr, range(0x200E, 0x2010)), *map(chr, range(0x2028, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u061c")
)
"""Marks that reorder a line or begin another one. Joiners stay: scripts and emoji need them."""


def safe(text: str) -> str:
    """Escape what a terminal would obey in a stored text: control characters and marks of direction, as JSON does."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{ord(c):04x}" if _obeyed(c) else c for c in text)


def _obeyed(character: str) -> bool:
    return character in _HIDING or (unicodedata.category(character) == "Cc" and character not in _KEPT)


def write(text: str) -> None:
    """Write a piece of text to standard output; on a terminal, without what it would obey."""
    sys.stdout.write(safe(text) if sys.stdout.isatty() else text)


def show_text(text: str) -> None:
    """Print a user's text."""
    write(text if text.endswith("\n") else text + "\n")


def show_fields(value: object) -> None:
    """Print the fields of a dataclass, one to a line, without the empty ones."""
    fields = _plain(value)
    assert isinstance(fields, dict)  # noqa: S101 - only dataclasses are shown
    shown = [(name, cell(field)) for name, field in fields.items() if field not in (None, "", [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, field in shown:
        line = Text(f"{name:<{width}}  ", style="bold")
        line.append(safe(field), style="not bold")
        console.print(line, soft_wrap=True)


def cell(value: object) -> str:
    """Format a value for a table."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().isoformat(" ", "minutes")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=_plain, ensure_ascii=False) if value else ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says on a terminal what takes its time; quiet elsewhere."""
    if not errors.is_terminal:
        yield
        return
    with errors.status(Text(safe(what))):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show a running count on a terminal; quiet elsewhere."""
    if not errors.is_terminal:
        yield lambda _: None
        return
    with errors.status(Text(f"0 {what}")) as status:
        yield lambda done: status.update(Text(f"{done:,} {what}"))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table; text of users is printed as it is, never read as markup."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(safe(cell(value))) for value in row))
    (console if console.is_terminal else _wide).print(table)


def show_list(
    values: Sequence[T], columns: Sequence[str], row: Callable[[T], Sequence[object]], *, as_json: bool
) -> None:
    """Print values as a table, one to a row; or as JSON Lines."""
    if as_json:
        show_lines(values)
    else:
        show_table(columns, map(row, values))


def say(line: str, style: str = "") -> None:
    """Print a line on standard output."""
    console.print(Text(safe(line), style=style), soft_wrap=True)


def note(line: str) -> None:
    """Print a line beside the result, on standard error."""
    errors.print(Text(safe(line), style="yellow"), soft_wrap=True)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print what was wrong with which item, on standard error."""
    for problem in problems:
        note(f"item {problem.index} {problem.outcome}: {problem.reason}")


def fail(message: str) -> None:
    """Print the one line of an error, on standard error."""
    line = Text("error: ", style="bold red")
    line.append(safe(" ".join(message.split())), style="red")
    errors.print(line, soft_wrap=True)


@contextmanager
def writing(target: object) -> Iterator[None]:
    """Turn a failure to write a file into an error that says which file and why.

    Raises:
        InputError: the directory is missing, closed to this user, or full.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads on: no error
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error


def failure(error: OSError) -> str:
    """Say which file could not be used, and why."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else f"cannot write the output: {reason}"


def discard() -> None:
    """Let nothing more be written to standard output, which failed."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """Open a new file that only this user can read; it appears under its name when it is complete."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


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
