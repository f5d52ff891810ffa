"""What a person types, as the values the library takes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import typer

from memgpt.errors import InputError

STDIN: Final = "-"
"""As a text or a file: standard input."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def text(value: str) -> str:
    """A text as it is, or all of standard input, without the line's end that commands put there."""
    return value if value != STDIN else _read().removesuffix("\n")


def lines(key: str) -> list[dict[str, Any]]:
    """Standard input as mappings: JSON Lines if the first line is a JSON object, else each line a text under ``key``.

    Empty lines are left out.
    """
    numbered = [(n, line) for n, line in enumerate(_read().splitlines(), 1) if line.strip()]
    if numbered and _is_object(numbered[0][1]):
        return [_parsed(line, f"line {n}") for n, line in numbered]
    return [{key: line} for _, line in numbered]


def json_object(value: str | None, what: str) -> dict[str, Any] | None:
    """A JSON object typed as an option."""
    return None if value is None else _parsed(value, what)


def duration(value: str, what: str) -> timedelta:
    """``30d``, ``12h``, ``1.5w`` as a time span."""
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise InputError(f"{what} is not a duration: {value!r}; write 90s, 30m, 12h, 30d or 2w")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise InputError(f"{what} is too long: {value!r}") from None


def confirmed(question: str, yes: bool) -> None:
    """Ask before something that nothing brings back; without a terminal, only ``--yes`` is an answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody is there to ask: repeat the command with --yes")
    typer.confirm(question, abort=True, err=True)


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


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise InputError(f"{where} is nested too deeply") from None
    if not isinstance(value, dict):
        raise InputError(f'{where} is not a JSON object such as {{"key": "value"}}')
    return value
