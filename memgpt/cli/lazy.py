"""Commands whose modules are slow to import: loaded when one of them is run, not to be listed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Final = {
    "db": (
        "memgpt.cli.operator.maintenance",
        "Migrations, checks, backups and care of the database.",
    ),  # care adds to db's app
    "embeddings": ("memgpt.cli.operator.embeddings", "Embedding models and what they cost."),
    "files": ("memgpt.cli.files", "Texts at paths, as Claude's memory tool has them."),
    "graph": ("memgpt.cli.graph", "The knowledge graph: facts, neighbourhoods, paths, files."),
    "proposals": ("memgpt.cli.proposals", "Proposed changes: look at them, apply, reject, revert."),
    "sleep": (
        "memgpt.cli.sleep",
        "Look for what can be put in order in a memory; propose it, or do it.",
    ),
    "key": ("memgpt.cli.operator.key", "Keys of the service (memgpt serve)."),
    "console": (
        "memgpt.cli.operator.console",
        "Open the console in the browser: see, search, edit and undo what agents remember.",
    ),
    "serve": (
        "memgpt.cli.operator.serve",
        "Serve the memory over HTTP (console at /, REST under /v1, MCP under /mcp) until Ctrl-C.",
    ),
    "worker": ("memgpt.cli.operator.worker", "Do the jobs on the queue, several at a time, until Ctrl-C."),
    "jobs": ("memgpt.cli.operator.jobs", "Long work in the background."),
    "mcp": ("memgpt.cli.operator.mcp", "Serve the memory to an assistant on this machine, over stdio."),
    "hook": (
        "memgpt.cli.hook",
        "Serve an event of a coding agent: give it context, or keep its transcript.",
    ),
    "reembed": (
        "memgpt.cli.operator.reembed",
        "Switch to another embedding model while the memory is in use; resumable and reversible.",
    ),
    "chat": (
        "memgpt.cli.chat",
        "Talk to an agent that manages its own memory; without a model, the memory quotes what it knows.",
    ),
    "import-transcript": (
        "memgpt.cli.transcript",
        "Keep the conversations of an export, each message once; again, what is new in it.",
    ),
    "doctor": (
        "memgpt.cli.operator.doctor",
        "Examine the memory: models, vectors, indexes; status 1 when there is a problem.",
    ),
}
"""By name: the module with the ``app``, and the line the list of commands shows."""


PANELS: Final = {
    "Remember and find": ("remember", "search", "context", "ingest", "chat", "import-transcript"),
    "What is kept": ("console", "block", "archival", "message", "files", "graph", "stats"),
    "Changes": ("history", "undo", "forget"),
    "Whole agents": ("agent", "export", "import"),
    "In the background": ("sleep", "proposals", "jobs", "worker"),
    "For other programs": ("serve", "mcp", "hook", "key"),
    "The database": ("db", "server", "doctor", "reembed", "embeddings"),
}
"""How the help groups the commands, and in which order."""

_PANEL_OF: Final = {command: panel for panel, commands in PANELS.items() for command in commands}

USAGE: Final[Any] = typer.BadParameter.__mro__[1]
"""What was typed wrong, as the parser says it; typer's newer releases have a parser of their own."""


class LazyGroup(TyperGroup):
    """A group that also has ``COMMANDS``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every command, in the order of the panels."""
        return sorted([*super().list_commands(ctx), *COMMANDS], key=[*_PANEL_OF].index)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or for one that is not loaded what a list of commands needs to know of it."""
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1], rich_help_panel=_PANEL_OF[cmd_name])
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            command.rich_help_panel = _PANEL_OF[cmd_name]
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except USAGE as error:
            if ctx.invoked_subcommand == "hook":
                error.exit_code = 1  # 2 would keep the coding agent from going on
            if hasattr(error, "option_name"):
                _hint_at_texts(error)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            return args[0], load(args[0]), args[1:]
        return super().resolve_command(ctx, args)


def _hint_at_texts(error: Any) -> None:
    """Add to "no such option", where a command takes a text, how one is given that looks like an option."""
    if any(parameter.param_type_name == "argument" for parameter in error.ctx.command.params):
        error.message += " (before a text that begins with -, write --)"


def load(name: str) -> Any:
    """Load a command."""
    command = typer.main.get_command(import_module(COMMANDS[name][0]).app)
    command.name = name
    return command
