"""Options that several commands have, and the settings they make."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import SecretStr

from memgpt.config import Settings, settings

Dsn = Annotated[
    str | None,
    typer.Option("--dsn", help="PostgreSQL connection string; else DATABASE_URL, else the embedded server."),
]
Schema = Annotated[str | None, typer.Option("--schema", help="Schema of memgpt's tables; else MEMGPT_SCHEMA.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def chosen(dsn: str | None = None, schema: str | None = None) -> Settings:
    """The settings of the environment, with what the command line says instead."""
    changes: dict[str, object] = {}
    if dsn is not None:
        changes["database_url"] = SecretStr(dsn)
    if schema is not None:
        changes["db_schema"] = schema
    return settings().model_copy(update=changes)
