"""The languages of texts that were written before each was stemmed in its own (migration 023), agent by agent.

A run that ends early is gone on with: agents that are done are known, and so are texts that changed. Each batch is a
transaction of its own, and searches go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import psycopg

from memgpt import validation
from memgpt.config import Settings, settings
from memgpt.database import languages, queries
from memgpt.reembed.session import ReembedSession
from memgpt.reembed.tables import EmbeddedTable, tables

SQL = queries.beside(__name__)

AT_ONCE: Final = 500
"""Texts of a batch; those that do not tell their language are taken for what most others of it are."""


@dataclass(frozen=True, slots=True)
class LanguagesReport:
    """What a run has read and changed."""

    agents: int = 0
    texts: int = 0
    changed: int = 0
    """Texts that are in another language than they were taken for."""


Progress: TypeAlias = Callable[[str, LanguagesReport], None]


def read_languages(
    dsn: str | None = None,
    *,
    agent: str | None = None,
    options: Settings | None = None,
    progress: Progress | None = None,
) -> LanguagesReport:
    """Find the language of every text that is in English only because it was written before migration 023.

    Args:
        agent: only this one, also if its texts were read before.
        progress: called after each batch with the agent and the report so far. What it raises ends the run.
    """
    options = options or settings()
    report = LanguagesReport()
    with ReembedSession(dsn, options) as session:
        current = _next(session, "") if agent is None else validation.agent_id(agent)
        while current is not None:
            for table in tables(options.db_schema):
                report = _table(session, table, current, report, progress)
            with session.database.transaction() as connection:
                connection.execute(SQL.read, {"agent_id": current})
            report = replace(report, agents=report.agents + 1)
            current = _next(session, current) if agent is None else None
    return report


def texts_unread(connection: psycopg.Connection[Any], table: EmbeddedTable) -> int:
    """Count the texts of a table that nobody has looked at for their language."""
    row = connection.execute(table.compose(SQL.texts_unread), {"language": languages.DEFAULT}).fetchone()
    return int(row[0]) if row else 0


def _next(session: ReembedSession, after: str) -> str | None:
    with session.database.transaction() as connection:
        row = connection.execute(SQL.unread, {"after": after}).fetchone()
    return str(row[0]) if row else None


def _table(
    session: ReembedSession, table: EmbeddedTable, agent: str, report: LanguagesReport, progress: Progress | None
) -> LanguagesReport:
    parameters = {"agent_id": agent, "language": languages.DEFAULT, "after": 0, "limit": AT_ONCE}
    while True:
        with session.database.transaction() as connection:
            rows = connection.execute(table.compose(SQL.texts), parameters).fetchall()
            owns = languages.configurations([row[1] for row in rows], session.options.language)
            others = [(row[0], own, row[2]) for row, own in zip(rows, owns, strict=True) if own != languages.DEFAULT]
            changed = _set(connection, table, agent, others) if others else 0
        if not rows:
            return report
        parameters["after"] = rows[-1][0]
        report = replace(report, texts=report.texts + len(rows), changed=report.changed + changed)
        if progress is not None:
            progress(agent, report)


def _set(
    connection: psycopg.Connection[Any], table: EmbeddedTable, agent: str, others: list[tuple[int, str, object]]
) -> int:
    ids, owns, hashes = (list(column) for column in zip(*others, strict=True))
    connection.execute(languages.SQL.note, {"agent_id": agent, "noted": languages.noted(owns)})
    parameters = {"agent_id": agent, "language": languages.DEFAULT, "ids": ids, "owns": owns, "hashes": hashes}
    return connection.execute(table.compose(SQL.set_languages), parameters).rowcount
