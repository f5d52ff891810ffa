"""``memgpt import``: exported agents, other memories and transcripts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from memgpt.cli import arguments, output
from memgpt.cli.options import Dsn, Json, OnErrorOption, agents, opened
from memgpt.errors import InputError

EXPORT: Final = "agent"
"""What ``memgpt export`` wrote, among the kinds."""

_EXPORTED: Final = b'{"format": "memgpt-agent"'


def import_command(
    source: Annotated[
        str, typer.Argument(help="What export wrote (- is standard input), another memory, or a transcript.")
    ] = arguments.STDIN,
    kind: Annotated[
        str | None, typer.Option("--kind", help="What it is, where that is not to be found out.", show_default=False)
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="Of a postgresql:// source with several.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would come.")] = False,
    on_error: OnErrorOption = "replace",
    reembed: Annotated[
        bool, typer.Option("--reembed", help="Of an exported agent, embed anew what another model embedded.")
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="Into whose memory; else the exported agent's, MEMGPT_AGENT or 'default'."),
    ] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Take over an exported agent, another memory or a transcript; again, what is new in it.

    It finds out by itself what a source is. An exported agent is read whole or, if a line is bad, not at all."""
    is_address = source.startswith(("postgresql://", "postgres://"))
    if source != arguments.STDIN and not is_address:
        arguments.existing_file(source)
    if kind == EXPORT or source == arguments.STDIN or (kind is None and not is_address and _is_export(Path(source))):
        if dry_run:
            raise InputError("--dry-run is for other memories; an exported agent is read whole or not at all")
        _import_agent(source, agent, dsn, reembed=reembed, as_json=as_json)
        return

    from memgpt.integrations import importers

    consequence = "what was imported stays; the same command goes on from there"
    with output.interruptible(consequence), opened(agent, dsn) as memory, output.counting("items") as progress:
        done = importers.import_memory(
            memory, source, kind, table=table, on_error=on_error, dry_run=dry_run, progress=progress
        )
    if as_json:
        output.show_json(done)
        return
    output.show_problems(done.problems)
    would = "would be " if dry_run else ""
    if done.items or done.transcript is None:
        counts = done.counts
        output.say(
            f"✓ {done.kind}: {counts['new']:,} items {would}imported, {counts['merged']:,} merged, "
            f"{counts['there']:,} there already, {counts['problem']:,} with problems"
        )
    if done.transcript is not None:
        output.show_problems(done.transcript.problems)
        output.say(
            f"✓ {done.transcript.messages:,} messages of {done.transcript.sessions:,} conversations {would}imported, "
            f"{done.transcript.skipped:,} skipped (empty, bad or there already)"
        )


def _is_export(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(200).lstrip().startswith(_EXPORTED)


def _import_agent(source: str, agent: str | None, dsn: str | None, *, reembed: bool, as_json: bool) -> None:
    file = sys.stdin if source == arguments.STDIN else Path(source)
    with agents(dsn) as all_agents, output.working("importing"):
        done = all_agents.import_(file, agent, reembed=reembed)
    if as_json:
        output.show_json(done)
        return
    skipped = f", {sum(done.skipped.values()):,} there already" if done.skipped else ""
    output.say(f"✓ {sum(done.inserted.values()):,} rows imported into agent {done.agent_id}{skipped}")
