"""docs/cli.md describes every command with every argument and option, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from memgpt.cli import app, lazy

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
EVERYWHERE = {"--help", "--agent", "--dsn", "--schema", "--json"}
"""Described once, for all commands."""


def commands(group: Any, path: str = "memgpt") -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(None):
        command = lazy.load(name) if path == "memgpt" and name in lazy.COMMANDS else group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def sections() -> dict[str, str]:
    parts = re.split(r"^#{2,4} (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip((title.strip("`") for title in parts[1::2]), parts[2::2], strict=True))


def words(command: Any) -> set[str]:
    """Options by their names, arguments in capitals."""
    found: set[str] = set()
    for parameter in command.params:
        if parameter.param_type_name == "option":
            found.update([*parameter.opts, *parameter.secondary_opts])
        else:
            found.add(parameter.name.upper())
    return found


def test_every_command_is_documented_and_no_other() -> None:
    described = {title for title in sections() if title.startswith("memgpt ")}
    assert described == {path for path, _ in commands(typer.main.get_command(app))}


def test_every_argument_and_option_is_documented_and_no_other() -> None:
    page = sections()
    for path, command in commands(typer.main.get_command(app)):
        described = set(re.findall(r"^\| `([^`]+)`", page[path], re.MULTILINE))
        described = {word for cell in described for word in cell.split(", ")}
        assert described - EVERYWHERE == words(command) - EVERYWHERE, path


def test_options_of_all_commands_are_documented_once() -> None:
    assert set(re.findall(r"^\| `([^`]+)`", sections()["Options of many commands"], re.MULTILINE)) >= EVERYWHERE


def test_every_command_says_what_it_does() -> None:
    for path, command in commands(typer.main.get_command(app)):
        assert command.help, path
        for parameter in command.params:
            assert parameter.help, (path, parameter.name)


def test_the_lines_of_lazy_commands_are_their_own() -> None:
    for name, (_, line) in lazy.COMMANDS.items():
        assert lazy.load(name).help == line
