"""Command-line arguments, converted to library values."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import typer

from memgpt.errors import InputError

STDIN: Final = "-"
"""As a text or a file: standard input."""


def text(value: str) -> str:
    """Return a text as it is, or all of standard input, without the line's end that commands put there."""
    return value if value != STDIN else _read().removesuffix("\n")


def lines(key: str) -> list[dict[str, Any]]:
    """Read standard input as mappings: JSON Lines if the first line is a JSON object, else each line a text under
    ``key``.

    Empty lines are left out.
    """
    numbered = [(n, line) for n, line in enumerate(_read().splitlines(), 1) if line.strip()]
    if numbered and _is_object(numbered[0][1]):
        return [_parsed(line, f"line {n}") for n, line in numbered]
    return [{key: line} for _, line in numbered]


def json_object(value: str | None, what: str) -> dict[str, Any] | None:
    """Parse an option as a JSON object."""
    return None if value is None else _parsed(value, what)


def row(value: str | None, what: str) -> tuple[str, int] | None:
    """Parse an option that names a row by kind and id, as ``message:12``."""
    if value is None:
        return None
    kind, _, id = value.partition(":")
    if not id.isdecimal():
        raise InputError(f"{what} is not a kind and an id: {value!r}; write message:12")
    return kind, int(id)


def json_list(value: str | None, what: str) -> list[dict[str, Any]] | None:
    """Parse an option as a JSON list of objects."""
    if value is None:
        return None
    values = _decoded(value, what)
    if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
        raise InputError(f'{what} is not a JSON list of objects such as [{{"key": "value"}}]')
    return values


def confirmed(question: str, yes: bool) -> None:
    """Ask before something that nothing brings back; without a terminal, only ``--yes`` is an answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody is there to ask: repeat the command with --yes")
    typer.confirm(question, abort=True, err=True)


def new_file(path: str | Path) -> Path:
    """Return the path of a file to write, in a directory that exists."""
    file = Path(path)
    if not file.parent.is_dir():
        raise InputError(f"cannot write {file}: there is no directory {file.parent}; make it first")
    if file.is_dir():
        raise InputError(f"cannot write {file}: it is a directory")
    return file


def existing_file(path: str | Path) -> Path:
    """Return the path of a file to read."""
    file = Path(path)
    if not file.exists():
        raise InputError(f"there is no file {file}")
    return file


def completing(choices: Sequence[str]) -> Callable[[str], list[str]]:
    """Completes one of a few words in the shell."""
    return lambda incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def _read() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 at byte {error.start}: convert it first") from None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(line: str, where: str) -> object:
    try:
        value: object = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise InputError(f"{where} is nested too deeply") from None
    return value


def _parsed(line: str, where: str) -> dict[str, Any]:
    value = _decoded(line, where)
    if not isinstance(value, dict):
        raise InputError(f'{where} is not a JSON object such as {{"key": "value"}}')
    return value
