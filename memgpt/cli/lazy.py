"""Commands whose modules are slow to import: loaded when one of them is run, not to be listed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Final = {
    "db": ("memgpt.cli.care", "Migrations, checks, backups and care of the database."),  # care adds to db's app
    "embeddings": ("memgpt.cli.embeddings", "Embedding models and what they cost."),
    "graph": ("memgpt.cli.graph", "The knowledge graph: statements, neighbourhoods, paths, files."),
    "proposals": ("memgpt.cli.proposals", "Proposed changes: look at them, apply, reject, revert."),
    "sleep": (
        "memgpt.cli.sleep",
        "Look for what can be put in order in a memory; propose it, or do it.",
    ),
    "key": ("memgpt.cli.key", "Keys of the service (memgpt serve)."),
    "serve": ("memgpt.cli.serve", "Serve the memory over HTTP (REST under /v1, MCP under /mcp) until Ctrl-C."),
    "worker": ("memgpt.cli.worker", "Do the jobs on the queue, several at a time, until Ctrl-C."),
    "jobs": ("memgpt.cli.jobs", "Long work in the background."),
    "mcp": ("memgpt.cli.mcp", "Serve the memory to an assistant on this machine, over stdio."),
    "reembed": (
        "memgpt.cli.reembed",
        "Switch to another embedding model while the memory is in use; resumable and reversible.",
    ),
    "chat": (
        "memgpt.cli.chat",
        "Talk to an agent that manages its own memory; without a model, the memory quotes what it knows.",
    ),
    "import-transcript": (
        "memgpt.cli.transcript",
        "Keep messages of OpenAI, Anthropic or a ChatGPT export: all of them or, if one is bad, none.",
    ),
    "doctor": ("memgpt.cli.doctor", "Examine the memory: models, vectors, indexes; status 1 when there is a problem."),
}
"""By name: the module with the ``app``, and the line the list of commands shows."""


class LazyGroup(TyperGroup):
    """A group that also has ``COMMANDS``."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or what a list of commands needs to know of one that is not loaded."""
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            return args[0], load(args[0]), args[1:]
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """The command itself."""
    command = typer.main.get_command(import_module(COMMANDS[name][0]).app)
    command.name = name
    return command
