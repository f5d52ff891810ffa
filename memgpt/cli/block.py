"""``memgpt block``: core memory."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from typing import Annotated, Any, TypeAlias

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import Agent, Dsn, Json, JsonLines, opened
from memgpt.models import Block

app = typer.Typer(help="Core memory: the labelled blocks that are always in context.", no_args_is_help=True)

Label = Annotated[str, typer.Argument(help="human, persona, context or any other.")]
NewText = Annotated[str, typer.Argument(help="The text; - reads standard input.")]
Description = Annotated[str | None, typer.Option("--description", help="What the block is for.")]
CharacterLimit = Annotated[int | None, typer.Option("--limit", help="Most characters it may have.")]
Version = Annotated[int | None, typer.Option("--expected-version", help="Edit only this version of it.")]
Digest = Annotated[str | None, typer.Option("--expected-sha256", help="Edit only the value of this SHA-256.")]

Edit: TypeAlias = Callable[..., Block]
"""Called with a block of core memory and what the caller expects to find in it."""


def _edits(function: Callable[..., Edit]) -> Callable[..., None]:
    """Make a command that edits one block: add the options that all edits have."""

    def command(
        label: Label,
        expected_version: Version = None,
        expected_sha256: Digest = None,
        agent: Agent = None,
        dsn: Dsn = None,
        as_json: Json = False,
        **own: Any,
    ) -> None:
        edit = function(**own)
        with opened(agent, dsn) as memory:
            block = edit(memory.core[label], expected_version=expected_version, expected_sha256=expected_sha256)
        _show(block, as_json)

    first, *others, _ = signature(command, eval_str=True).parameters.values()
    parameters = [first, *signature(function, eval_str=True).parameters.values(), *others]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return command


@app.command("list")
def list_command(
    as_of: Annotated[str | None, typer.Option("--as-of", help="The agent's own, as they were then.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show every block the agent sees."""
    with opened(agent, dsn) as memory:
        blocks = memory.core.list() if as_of is None else memory.as_of(as_of).blocks()
    output.show_list(
        blocks,
        ("label", "value", "characters", "version", "updated"),
        lambda b: (b.label, b.value, f"{len(b.value)}/{b.limit}", b.version, b.updated_at),
        as_json=as_json,
    )


@app.command()
def get(
    label: Label,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As it was at this ISO 8601 time.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Print the text of a block; with --json also its version, limit, description."""
    with opened(agent, dsn) as memory:
        block = memory.core[label].block if as_of is None else memory.as_of(as_of).block(label)
    if as_json:
        output.show_json(block)
    else:
        output.show_text(block.value)


@app.command()
def blame(label: Label, agent: Agent = None, dsn: Dsn = None, as_json: JsonLines = False) -> None:
    """Show who wrote each line of a block, when and in which version."""
    with opened(agent, dsn) as memory:
        lines = memory.core[label].blame()
    output.show_list(
        lines,
        ("version", "who", "when", "line", "text"),
        lambda one: (one.version, one.actor, one.changed_at, one.line, one.text),
        as_json=as_json,
    )


@app.command()
def create(
    label: Label,
    value: Annotated[str, typer.Argument(help="Its first text; - reads standard input.")] = "",
    description: Description = None,
    limit: Annotated[int, typer.Option("--limit", help="Most characters it may have.")] = 5000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Its value may not be edited.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Make a block."""
    text = arguments.text(value)
    with opened(agent, dsn) as memory:
        block = memory.core.create(label, text, description=description, limit=limit, read_only=read_only)
    _show(block, as_json)


@app.command()
@_edits
def append(text: NewText) -> Edit:
    """Add a text on a new line at the end."""
    new = arguments.text(text)
    return lambda block, **expected: block.append(new, **expected)


@app.command()
@_edits
def replace(
    old: Annotated[str, typer.Argument(help="Must occur exactly once.")],
    new: Annotated[str, typer.Argument(help="What stands there instead; empty removes it; - reads standard input.")],
) -> Edit:
    """Put one text in the place of another."""
    text = arguments.text(new)
    return lambda block, **expected: block.replace(old, text, **expected)


@app.command()
@_edits
def insert(
    text: NewText,
    line: Annotated[int | None, typer.Option("--line", help="Where it begins, from 1; else at the end.")] = None,
) -> Edit:
    """Insert a text at a line."""
    new = arguments.text(text)
    return lambda block, **expected: block.insert(new, line, **expected)


@app.command()
@_edits
def rethink(value: NewText) -> Edit:
    """Replace the whole text."""
    text = arguments.text(value)
    return lambda block, **expected: block.rethink(text, **expected)


@app.command()
@_edits
def describe(
    description: Description = None,
    limit: CharacterLimit = None,
    read_only: Annotated[bool | None, typer.Option("--read-only/--editable", help="May its value be edited?")] = None,
) -> Edit:
    """Change what a block is for, its limit, whether it may be edited."""
    return lambda block, **expected: block.describe(description, limit=limit, read_only=read_only, **expected)


@app.command()
def share(
    label: Label,
    agents: Annotated[list[str], typer.Argument(help="Who is to see it.")],
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Let other agents see a block, and edit it unless it is read-only."""
    with opened(agent, dsn) as memory:
        block = memory.core[label].share_with(*agents)
    _show(block, as_json)


@app.command()
def unshare(
    label: Label,
    agents: Annotated[list[str] | None, typer.Argument(help="Who is to see it no more; else nobody.")] = None,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Take a block out of other agents' context."""
    with opened(agent, dsn) as memory:
        block = memory.core[label].unshare(*(agents or ()))
    _show(block, as_json)


@app.command()
def delete(
    label: Label,
    expected_version: Version = None,
    expected_sha256: Digest = None,
    agent: Agent = None,
    dsn: Dsn = None,
) -> None:
    """Remove a block; undo brings it back."""
    with opened(agent, dsn) as memory:
        memory.core.delete(label, expected_version=expected_version, expected_sha256=expected_sha256)
    output.say(f"✓ block {label} deleted; memgpt undo brings it back")


def _show(block: Block, as_json: bool) -> None:
    if as_json:
        output.show_json(block)
        return
    output.say(f"✓ block {block.label}, version {block.version}, {len(block.value)} of {block.limit} characters")
