"""A rehearsal: the pending migrations on a copy of the database, which is dropped afterwards."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memgpt.config import Settings, settings
from memgpt.database.admin import migrate, verify
from memgpt.database.admin.backup import backup, restore
from memgpt.database.admin.progress import MigrationProgress
from memgpt.database.connection import connect, locate
from memgpt.database.dimensions import ModelSpec
from memgpt.errors import DatabaseError

Method = Literal["template", "dump"]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Outcome of the migrations on the copy."""

    copied_by: Method
    copy_seconds: float
    report: migrate.MigrationReport
    drifts: tuple[verify.Drift, ...]


def stage(
    dsn: str | None = None,
    *,
    options: Settings | None = None,
    target: str | None = None,
    model: ModelSpec | None = None,
    on_progress: Callable[[MigrationProgress], None] | None = None,
) -> Rehearsal:
    """Copy the database, migrate and verify the copy, drop it. The database itself is only read.

    Raises:
        DatabaseError: this role may not create databases; MigrationError: as ``apply`` would raise.
    """
    options = options or settings()
    dsn = locate(options) if dsn is None else dsn
    name = f"memgpt_stage_{uuid.uuid4().hex[:8]}"
    copy = make_conninfo(dsn, dbname=name)
    started = time.monotonic()
    try:
        method = _copy(dsn, copy, name, options)
        seconds = time.monotonic() - started
        report = migrate.apply(copy, options=options, target=target, model=model, on_progress=on_progress)
        return Rehearsal(method, seconds, report, verify.verify(copy, options=options).drifts)
    finally:
        with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _copy(dsn: str, copy: str, name: str, options: Settings) -> Method:
    """By template when nobody else is connected, which is fastest; else by dump and restore."""
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        source = connection.info.dbname
        try:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(source)))
            return "template"
        except psycopg.errors.ObjectInUse:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier("template0")))
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"staging needs a role that may create databases and copy {source!r}: ALTER ROLE … CREATEDB, "
                "or restore a backup into a database of your own and migrate that"
            ) from error
    with tempfile.TemporaryDirectory(prefix="memgpt-stage-") as folder:
        file = Path(folder, "copy.dump")
        backup(file, dsn, options=options)
        restore(file, copy, options=options)
    return "dump"
