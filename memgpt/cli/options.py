"""Options that several commands have, and the settings they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

if TYPE_CHECKING:
    from memgpt.agents.agents import Agents
    from memgpt.config import Settings
    from memgpt.database.connection import Database
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
After = Annotated[
    int | None, typer.Option("--after", help="Id of the oldest of the page before: what is older.", show_default=False)
]
Tags = Annotated[list[str] | None, typer.Option("--tags", help="A tag; repeatable.", show_default=False)]
Metadata = Annotated[str | None, typer.Option("--metadata", help="A JSON object.", show_default=False)]
Since = Annotated[str | None, typer.Option("--since", help="Not before this ISO 8601 time.", show_default=False)]
Now = Annotated[str | None, typer.Option("--now", help="When it is asked: ISO 8601.", show_default=False)]
Until = Annotated[str | None, typer.Option("--until", help="Before this ISO 8601 time.", show_default=False)]

OnErrorOption = Annotated[
    Literal["fail", "skip", "replace"],
    typer.Option(
        "--on-error",
        help="What becomes of a bad one: refuse all, skip it, or replace its bad characters by U+FFFD.",
    ),
]


def chosen(dsn: str | None = None, schema: str | None = None) -> Settings:
    """Return the settings of the environment, overridden by the command line."""
    from pydantic import SecretStr

    from memgpt.config import settings

    changes: dict[str, object] = {}
    if dsn is not None:
        changes["database_url"] = SecretStr(dsn)
    if schema is not None:
        changes["db_schema"] = schema
    return settings().model_copy(update=changes)


@contextmanager
def opened(agent: str | None, dsn: str | None, schema: str | None = None) -> Iterator[Memory]:
    """Open the memory that a command works on."""
    from memgpt.memory import Memory

    options = chosen(dsn, schema)
    with postponed(options) as database, Memory(agent, options=options, actor=ACTOR, database=database) as memory:
        yield memory


@contextmanager
def agents(dsn: str | None) -> Iterator[Agents]:
    """All the agents of the database a command works on."""
    from memgpt.agents.agents import Agents

    options = chosen(dsn)
    with postponed(options) as database, Agents(options=options, actor=ACTOR, database=database) as all_agents:
        yield all_agents


@contextmanager
def postponed(options: Settings) -> Iterator[Database]:
    """Open the database of a command when it is first needed: wrong arguments start no server."""
    database = _Postponed(options)
    try:
        yield cast("Database", database)
    finally:
        database.close()


class _Postponed:
    """Stands for a database that is not open yet."""

    def __init__(self, options: Settings) -> None:
        self._options = options

    @cached_property
    def _database(self) -> Database:
        from memgpt.scope.opening import open_database

        return open_database(None, self._options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def close(self) -> None:
        """Close the database if it was opened."""
        if "_database" in vars(self):
            self._database.close()
