"""Checks of a memory's health. Each looks at one thing and says what to do about it.

A check is a function from an :class:`Examination` to findings; a new one is added to ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg

from memgpt import installation
from memgpt.config import NO_MODEL, Settings, settings
from memgpt.database import isolation, queries
from memgpt.database.admin.migration import discover
from memgpt.database.dimensions import column, index_statements
from memgpt.reembed.backfill import texts_unread
from memgpt.reembed.record import Switch, at_work, current
from memgpt.reembed.session import ReembedSession
from memgpt.reembed.tables import EmbeddedTable, tables

SQL = queries.beside(__name__)

Level = Literal["ok", "note", "problem"]

_MANY_PAGES: Final = 500
_VISIBLE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check; ``action`` is what to run, empty where nothing is to be done."""

    check: str
    level: Level
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that a check may look at."""

    connection: psycopg.Connection[Any]
    options: Settings
    tables: list[EmbeddedTable]
    model: str | None
    dimensions: int
    switch: Switch | None


def examine(dsn: str | None = None, *, options: Settings | None = None) -> list[Finding]:
    """Run every check; only reads."""
    options = options or settings()
    with ReembedSession(dsn, options) as session, session.alone() as connection:
        row = connection.execute(SQL.active).fetchone()
        model, dimensions = row if row else (None, 0)
        about = Examination(connection, options, tables(options.db_schema), model, dimensions, current(connection))
        return [finding for check in CHECKS for finding in check(about)]


def installed(about: Examination) -> Iterator[Finding]:  # noqa: ARG001 - the same for every database
    """Is the package whole, and alone under its name?"""
    problems = installation.problems()
    for problem in problems:
        what, _, action = problem.rpartition(": ")
        yield Finding("installation", "problem", what, action)
    if not problems:
        yield Finding("installation", "ok", f"{installation.DISTRIBUTION} {installation.version()}")


def configured_model(about: Examination) -> Iterator[Finding]:
    """Is the model of the settings that of the memory?"""
    if about.model is None:
        yield Finding("model", "problem", "no embedding model is recorded", "memgpt db migrate")
        return
    configured = about.options.embedding_model
    names = {configured, configured.partition(":")[2] if configured.startswith("openai:") else configured}
    if configured != NO_MODEL and about.model not in names:
        yield Finding(
            "model",
            "note",
            f"the memory holds vectors of {about.model}, the settings name {configured}",
            f"set MEMGPT_EMBEDDING_MODEL={about.model}, or: memgpt reembed --to {configured}",
        )
        return
    yield Finding("model", "ok", f"{about.model}, {about.dimensions} dimensions")


def vectors(about: Examination) -> Iterator[Finding]:
    """Rows of other models, rows without a vector, rows a search by meaning cannot see."""
    for table in about.tables:
        counts: dict[str | None, int] = {}
        hidden = 0
        for model, rows, without_code in about.connection.execute(table.compose(SQL.models)).fetchall():
            counts[model] = rows
            hidden += without_code
        missing = counts.pop(None, 0)
        right = counts.pop(about.model, 0)
        repair = f"memgpt reembed --to {about.model}"
        for model, rows in counts.items():
            what = f"{rows:,} rows of {table.name} have vectors of {model or 'an unnamed model'}, not of {about.model}"
            yield Finding("vectors", "problem", what, repair)
        if missing:
            what = f"{missing:,} texts of {table.name} have no vector: search finds them by their words only"
            yield Finding("vectors", "note", what, repair if about.model != NO_MODEL else "")
        if hidden:
            what = f"{hidden:,} rows of {table.name} have a vector without its code, which search looks at first"
            yield Finding("vectors", "problem", what, repair)
        if right and not (counts or missing or hidden):
            yield Finding("vectors", "ok", f"{right:,} rows of {table.name}, all of {about.model}")


def indexes(about: Examination) -> Iterator[Finding]:
    """Are the indexes over the embeddings there, whole, and worth reading alone?"""
    wanted = index_statements(discover(), column(about.dimensions)) if about.model else {}
    for table in about.tables:
        parameters = {"schema": table.schema, "table": table.identifier.as_string(about.connection)}
        there = dict(about.connection.execute(SQL.indexes, parameters).fetchall())
        for name, (owner, statement) in wanted.items():
            if owner == table.name and name not in there:
                yield Finding("indexes", "problem", f"index {name} is missing", " ".join(statement.split()))
        for name, valid in there.items():
            if not valid:
                again = f"REINDEX INDEX CONCURRENTLY {name}"
                rest = "memgpt reembed --status: a run builds it again" if name.endswith("_next") else again
                yield Finding("indexes", "problem", f"index {name} is not valid: its build was interrupted", rest)
        row = about.connection.execute(SQL.visibility, parameters).fetchone()
        if row and row[1] > _MANY_PAGES and row[2] < _VISIBLE * row[1]:
            share = f"{row[2] / row[1]:.0%} of the pages of {table.name} are known to be visible to all"
            yield Finding("indexes", "note", f"{share}: searches also read the table", "memgpt db vacuum")
    yield Finding("indexes", "ok", f"{len(wanted)} indexes over embeddings expected")


def text_languages(about: Examination) -> Iterator[Finding]:
    """Texts that were stemmed in English because nobody asked for their language yet."""
    unread = {table.name: texts_unread(about.connection, table) for table in about.tables}
    for name, texts in unread.items():
        if texts:
            what = f"{texts:,} texts of {name} were never looked at for their language: searches take them for English"
            yield Finding("languages", "note", what, "memgpt db languages")
    if not any(unread.values()):
        yield Finding("languages", "ok", "each text was looked at for its language")


def switch(about: Examination) -> Iterator[Finding]:
    """Is a change of the model under way, or waiting for somebody?"""
    current = about.switch
    if current is None:
        return
    if current.state == "switched":
        what = f"the vectors of {current.from_model} are still kept since {current.switched_at:%Y-%m-%d %H:%M}"
        yield Finding("switch", "note", what, "memgpt reembed --finish, or --rollback to go back to them")
    elif at_work(about.connection, about.options.db_schema):
        what = f"a switch to {current.to_model} is under way: {current.rows_done:,} of {current.rows_total:,} rows"
        yield Finding("switch", "ok", what)
    else:
        what = (
            f"a switch to {current.to_model} was interrupted after {current.rows_done:,} of {current.rows_total:,} rows"
        )
        go_on = "memgpt reembed --rollback" if current.backward else f"memgpt reembed --to {current.to_model}"
        yield Finding("switch", "problem", what, f"{go_on} goes on")


def cache(about: Examination) -> Iterator[Finding]:
    """Report what is cached so that it is not paid for again."""
    for model, count, size in about.connection.execute(SQL.cache).fetchall():
        summary = f"{count:,} vectors of {model} in the cache ({size / 1e6:.1f} MB)"
        if model == about.model or (about.switch and model in (about.switch.from_model, about.switch.to_model)):
            yield Finding("cache", "ok", summary)
        else:
            action = f"DELETE FROM embedding_cache WHERE model = '{model}'"  # noqa: S608 - shown, not executed
            yield Finding("cache", "note", f"{summary}, which is not used any more", action)


def role(about: Examination) -> Iterator[Finding]:
    """Can requests of the service run as the role that keeps them apart?"""
    name = about.options.db_role
    row = about.connection.execute(isolation.SQL.role, {"role": name}).fetchone()
    there, usable, named = row or (False, False, False)
    if not there:
        grant = f"as an administrator: CREATE ROLE {name} NOLOGIN; GRANT {name} TO this user; then memgpt db migrate"
        yield Finding("role", "note", f"requests of the service run as {name}, and there is no such role", grant)
    elif not usable:
        remedy = (
            f"MEMGPT_DB_ROLE=another name, then memgpt db migrate; or as an administrator: GRANT {name} TO this user"
        )
        yield Finding("role", "problem", f"the role {name} belongs to somebody else: the service cannot start", remedy)
    elif not named:
        what = f"the policies are for another role than {name}: the service cannot start"
        yield Finding("role", "problem", what, "memgpt db migrate")
    else:
        yield Finding("role", "ok", f"requests of the service run as {name}")


CHECKS: Final[tuple[Callable[[Examination], Iterator[Finding]], ...]] = (
    installed,
    configured_model,
    vectors,
    text_languages,
    indexes,
    switch,
    cache,
    role,
)
