"""``memgpt proposals``: changes that wait for somebody to decide."""

from __future__ import annotations

from typing import Annotated

import typer

from memgpt.cli import output
from memgpt.cli.options import Agent, Dsn, Json, JsonLines, Limit, opened
from memgpt.models import Proposal

app = typer.Typer(help="Proposed changes: look at them, apply, reject, revert.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="The proposal's id.")]


@app.command("list")
def list_command(
    status: Annotated[
        str | None,
        typer.Option("--status", help="proposed, applied, rejected or reverted; else all.", show_default=False),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Such as merge or duplicates; else all.", show_default=False)
    ] = None,
    about: Annotated[
        str | None, typer.Option("--about", help="The row they are about, such as entity:4.", show_default=False)
    ] = None,
    limit: Limit = 50,
    agent: Agent = None,
    dsn: Dsn = None,
    as_json: JsonLines = False,
) -> None:
    """Show proposals, newest first."""
    with opened(agent, dsn) as memory:
        listed = memory.proposals.list(status, kind=kind, about=about, limit=limit)
    output.show_list(
        listed,
        ("id", "kind", "status", "score", "reason", "made"),
        lambda p: (p.id, p.kind, p.status, p.score, p.reason, p.created_at),
        as_json=as_json,
    )


@app.command()
def show(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show one proposal: why it is made, and what it would do."""
    with opened(agent, dsn) as memory:
        proposal = memory.proposals.get(id)
    output.show_json(proposal) if as_json else output.show_fields(proposal)


@app.command()
def apply(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Do what is proposed, as one change; revert takes it back."""
    with opened(agent, dsn) as memory:
        _tell(memory.proposals.apply(id), as_json)


@app.command()
def reject(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Decide against a proposal; the same is never proposed again."""
    with opened(agent, dsn) as memory:
        _tell(memory.proposals.reject(id), as_json)


@app.command()
def revert(id: Id, agent: Agent = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Take back what applying a proposal did."""
    with opened(agent, dsn) as memory:
        _tell(memory.proposals.revert(id), as_json)


def _tell(proposal: Proposal, as_json: bool) -> None:
    if as_json:
        output.show_json(proposal)
    else:
        output.say(f"✓ proposal {proposal.id} is {proposal.status}: {proposal.reason}")
