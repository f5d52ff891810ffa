"""Opening the database a memory lives in; the embedded server's is migrated on the way."""

from __future__ import annotations

from memgpt import embeddings
from memgpt.config import Settings, settings
from memgpt.database import dimensions
from memgpt.database.admin import migrate
from memgpt.database.connection import Database
from memgpt.database.slow_queries import SlowStatements


def open_database(
    dsn: str | None = None, options: Settings | None = None, slow: SlowStatements | None = None
) -> Database:
    """Open the database of that DSN, else the configured one, else the embedded server's.

    Memories may share it (``Memory(agent, database=...)``); whoever opened it closes it.
    """
    options = options or settings()
    if dsn is None and options.uses_embedded_server:  # nobody else's: any other is migrated by its operator
        prepare_database(None, options)
    return Database(dsn, options=options, slow=slow)


def prepare_database(dsn: str | None, options: Settings) -> None:
    """Migrate a database, and record the configured embedding model where there is none."""
    current = migrate.status(dsn, options=options)
    if current.pending or current.model is None:
        embedder = embeddings.from_settings(options)
        size = embedder.dimensions or dimensions.IN_THE_FILES
        migrate.apply(dsn, options=options, model=dimensions.ModelSpec(embedder.name, size))
