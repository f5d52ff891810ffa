"""Options that several commands have, and the settings they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from memgpt.agents import Agents
    from memgpt.config import Settings
    from memgpt.memory import Memory

ACTOR = "cli"
"""In whose name the history records what the command line does."""

Agent = Annotated[
    str | None, typer.Option("--agent", help="Whose memory; else MEMGPT_AGENT, else 'default'.", show_default=False)
]
Dsn = Annotated[
    str | None,
    typer.Option("--dsn", help="PostgreSQL connection string; else DATABASE_URL, else the embedded server."),
]
Schema = Annotated[str | None, typer.Option("--schema", help="Schema of memgpt's tables; else MEMGPT_SCHEMA.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for machines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", help="Most results.")]
Tags = Annotated[list[str] | None, typer.Option("--tags", help="A tag; repeatable.", show_default=False)]
Metadata = Annotated[str | None, typer.Option("--metadata", help="A JSON object.", show_default=False)]
Since = Annotated[str | None, typer.Option("--since", help="Not before this ISO 8601 time.", show_default=False)]
Until = Annotated[str | None, typer.Option("--until", help="Before this ISO 8601 time.", show_default=False)]


def chosen(dsn: str | None = None, schema: str | None = None) -> Settings:
    """The settings of the environment, with what the command line says instead."""
    from pydantic import SecretStr

    from memgpt.config import settings

    changes: dict[str, object] = {}
    if dsn is not None:
        changes["database_url"] = SecretStr(dsn)
    if schema is not None:
        changes["db_schema"] = schema
    return settings().model_copy(update=changes)


def opened(agent: str | None, dsn: str | None) -> Memory:
    """The memory a command works on."""
    from memgpt.memory import Memory

    return Memory(agent, options=chosen(dsn), actor=ACTOR)


def agents(dsn: str | None) -> Agents:
    """All the agents of the database a command works on."""
    from memgpt.agents import Agents

    return Agents(options=chosen(dsn), actor=ACTOR)
