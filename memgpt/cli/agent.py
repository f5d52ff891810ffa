"""``memgpt agent`` and ``memgpt export``: agents as a whole."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from memgpt.cli import arguments, output
from memgpt.cli.memory import show_removed
from memgpt.cli.options import Agent, Dsn, Json, JsonLines, Limit, Metadata, Yes, agents, chosen, opened

if TYPE_CHECKING:
    from memgpt import models

app = typer.Typer(help="Agents: whose memory it is.", no_args_is_help=True)

AgentId = Annotated[str, typer.Argument(help="The agent's id.")]


@app.command("list")
def list_command(
    limit: Limit = 50,
    after: Annotated[
        str | None, typer.Option("--after", help="The last agent of the page before.", show_default=False)
    ] = None,
    prefix: Annotated[str | None, typer.Option("--prefix", help="What the ids begin with.", show_default=False)] = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show agents, by their ids, and how much each holds."""
    with agents(dsn) as all_agents:
        page = all_agents.list(limit=limit, after=after, prefix=prefix)
    if as_json:
        output.show_lines(page)
        return
    columns = ("agent", "description", *_COUNTED, "size", "created", "active")
    rows = [(a.agent_id, a.description, *_counts(a), _megabytes(a.bytes), a.created_at, a.last_active_at) for a in page]
    output.show_table(columns, rows)
    if len(page) == limit:
        same = f" --prefix {shlex.quote(prefix)}" if prefix else ""
        output.note(f"more: memgpt agent list{same} --after {shlex.quote(page[-1].agent_id)}")


@app.command()
def create(
    agent_id: AgentId,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    metadata: Metadata = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", help="Of its people, as Europe/Vienna.")] = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Describe a new agent; not needed before writing, which creates it."""
    about = arguments.json_object(metadata, "--metadata")
    with agents(dsn) as all_agents:
        created = all_agents.create(agent_id, description, about, time_zone=time_zone)
    if as_json:
        output.show_json(created)
    else:
        output.say(f"✓ agent {agent_id} created")


@app.command()
def describe(agent_id: AgentId, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show one agent and how much it holds."""
    with agents(dsn) as all_agents:
        info = all_agents.describe(agent_id)
    if as_json:
        output.show_json(info)
    else:
        output.show_fields(info)


@app.command("time-zone")
def set_time_zone(
    agent_id: AgentId,
    time_zone: Annotated[str, typer.Argument(help="Such as Europe/Vienna, or UTC.")],
    dsn: Dsn = None,
) -> None:
    """Set where an agent's people are: times in its prompts, and "yesterday" in its questions, are theirs."""
    with opened(agent_id, dsn) as memory:
        memory.set_time_zone(time_zone)
    output.say(f"✓ agent {agent_id} has the time zone {time_zone}")


@app.command()
def rename(old: AgentId, new: AgentId, dsn: Dsn = None) -> None:
    """Give an agent's memory, history included, another id."""
    with agents(dsn) as all_agents, output.working(f"renaming {old}"):
        all_agents.rename(old, new)
    output.say(f"✓ agent {old} is {new} now")


@app.command()
def fork(source: AgentId, target: AgentId, dsn: Dsn = None) -> None:
    """Copy an agent's whole memory to a new agent."""
    with agents(dsn) as all_agents, output.working(f"copying {source}"):
        all_agents.fork(source, target)
    output.say(f"✓ agent {target} is a copy of {source}")


@app.command()
def delete(agent_id: AgentId, yes: Yes = False, dsn: Dsn = None, as_json: Json = False) -> None:
    """Remove an agent's whole memory for good, history included. Nothing brings it back."""
    with agents(dsn) as all_agents:
        all_agents.describe(agent_id)
        arguments.confirmed(f"Remove everything of agent {agent_id!r} for good?", yes)
        counts = all_agents.delete(agent_id)
    show_removed(counts, as_json)


def export_command(
    file: Annotated[str, typer.Argument(help="Where to; - is standard output.")] = arguments.STDIN,
    vectors: Annotated[bool, typer.Option("--vectors/--no-vectors", help="With the embeddings?")] = True,
    history: Annotated[bool, typer.Option("--history", help="Also what was changed and removed.")] = False,
    agent: Agent = None,
    dsn: Dsn = None,
) -> None:
    """Write an agent's whole memory, as it is at one moment, as JSON Lines."""
    target = sys.stdout if file == arguments.STDIN else arguments.new_file(file)
    with output.writing(file), agents(dsn) as all_agents, output.working("exporting"):
        counts = all_agents.export(agent or chosen(dsn).agent, target, vectors=vectors, history=history)
    output.note(f"✓ {sum(counts.values()):,} rows exported")


_COUNTED: Final = {
    "memories": ("core_memories", "archival_memories", "documents", "kg_entities", "kg_relationships"),
    "messages": ("conversations",),
    "history": ("memory_history",),
}
"""What a person counts; chunks, mentions and records of work are parts of them."""


def _counts(agent: models.AgentInfo) -> list[str]:
    """Return the agent's row counts under the names that people use; "10,000+" where no more were counted."""
    return [_count(agent, tables) for tables in _COUNTED.values()]


def _count(agent: models.AgentInfo, tables: Sequence[str]) -> str:
    rows = sum(agent.rows.get(table, 0) for table in tables)
    return str(rows) if set(tables).isdisjoint(agent.more_rows) else f"{rows:,}+"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
