"""Backups with the server's own pg_dump: an older client's is refused by the server, or silently leaves things out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memgpt.config import Settings, settings
from memgpt.database import isolation, queries
from memgpt.database.admin import schema_migrations
from memgpt.database.connection import connect, locate
from memgpt.database.embedded import binaries
from memgpt.database.embedded.binaries import VERSIONS
from memgpt.errors import DatabaseError, InputError, ServerError

SQL = queries.beside(__name__)

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_SHARED = re.compile(
    r" (?:(?P<made>SCHEMA|EXTENSION) - |(?:ACL|COMMENT) - (?P<about>SCHEMA|EXTENSION) )(?P<name>.+) \S*$", re.MULTILINE
)
_PASSWORD = "password"  # noqa: S105 - the name of a connection parameter
_SECRETS = ("sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
"""Parameters that no variable of libpq stands for."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A dump that was written or read."""

    path: Path
    bytes: int
    database: str


def backup(path: Path, dsn: str | None = None, *, options: Settings | None = None, replace: bool = False) -> Backup:
    """Dump the whole database to ``path`` (pg_dump's custom format). The file appears only when it is complete.

    Raises:
        InputError: the file exists; DatabaseError: pg_dump failed, or none that is new enough is found.
    """
    options = options or settings()
    dsn = locate(options) if dsn is None else dsn
    if path.exists() and not replace:
        raise InputError(f"{path} exists already: choose another name, or replace it with --force")
    database, version = _server(dsn, options)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds every memory
    try:
        with os.fdopen(descriptor, "wb") as out:
            run(program("pg_dump", version), ["--format=custom", *_policies(dsn, options)], dsn, stdout=out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Backup(path, path.stat().st_size, database)


def restore(path: Path, dsn: str | None = None, *, options: Settings | None = None, replace: bool = False) -> Backup:
    """Restore a dump in one transaction: into a database without memgpt's tables or, with ``replace``, over them.

    Raises:
        InputError: there is no such file, or the tables exist; DatabaseError: pg_restore failed, nothing was changed.
    """
    options = options or settings()
    dsn = locate(options) if dsn is None else dsn
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        survey = schema_migrations.survey(connection, options.db_schema)
        schema_migrations.check_writable(survey)
        present = set(connection.execute(SQL.present).fetchall())
        with connection.transaction():
            connection.execute(isolation.SQL.name_role, {"role": options.db_role})
            connection.execute(isolation.SQL.ensure_role)
    if "schema_migrations" in (survey.relations or ()) and not replace:
        raise InputError(
            f"database {survey.database!r} already holds a memory: restore into an empty database, "
            "or replace what is there with --replace"
        )
    database, version = _server(dsn, options)
    command = program("pg_restore", version)
    flags = ["--single-transaction", "--exit-on-error", "--no-owner", *(["--clean", "--if-exists"] if replace else [])]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".list") as contents:
        contents.write(_contents(command, path, present))
        contents.flush()
        run(command, [*flags, "--use-list", contents.name, str(path)], dsn, as_option=True)
    return Backup(path, path.stat().st_size, database)


def _policies(dsn: str, options: Settings) -> Sequence[str]:
    """Return the options that let pg_dump read tables under forced row-level security, for an owner who sees all their
    rows."""
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        owns = connection.execute(SQL.owns).fetchone()
    return ["--enable-row-security"] if owns and owns[0] else []


def _contents(command: str, path: Path, present: set[tuple[str, str]]) -> str:
    """Return the table of contents of a dump without the schemas and extensions that exist already."""
    done = subprocess.run([command, "--list", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DatabaseError(f"{path} cannot be read as a dump: {' '.join(done.stderr.split())}")
    return "".join(
        line
        for line in done.stdout.splitlines(keepends=True)
        if not (match := _SHARED.search(line)) or (match["made"] or match["about"], match["name"]) not in present
    )


def program(name: str, version: int) -> str:
    """Return a client program for the server's major version: the wheel's of that version, else one on PATH that is not
    older, else a newer one of the wheel.

    Raises:
        DatabaseError: none of these is there.
    """
    if (bundled := _bundled(name, version, version)) is not None:
        return bundled
    path = shutil.which(name)
    if path is not None:
        printed = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        match = _VERSION.search(printed)
        if match is not None and int(match[1]) >= version:
            return path
        reason = f"the {name} on PATH is older ({printed.strip()})"
    else:
        reason = f"no {name} is on PATH"
    if (bundled := _bundled(name, version, VERSIONS[-1])) is not None:
        return bundled
    raise DatabaseError(f"the server is PostgreSQL {version} and {reason}: install postgresql-client-{version}")


def _bundled(name: str, oldest: int, newest: int) -> str | None:
    """Return the wheel's oldest program of these versions."""
    for version in VERSIONS:
        if oldest <= version <= newest:
            with suppress(ServerError):  # the wheel is not installed
                return str(binaries(version) / name)
    return None


def run(command: str, flags: Sequence[str], dsn: str, *, stdout: int | None = None, as_option: bool = False) -> None:
    """Run a client program against a database; nothing secret shows in the process list."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop(_PASSWORD, None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    if any(name in parts for name in _SECRETS):
        raise InputError(
            f"{', '.join(name for name in _SECRETS if name in parts)} would show in the process list: put it into a "
            "service file (PGSERVICEFILE) and name that with service= in the connection string"
        )
    target = make_conninfo(**parts)  # type: ignore[arg-type]  # what conninfo_to_dict gave
    arguments = [command, *(["--dbname", target or "dbname="] if as_option or target else []), *flags]
    done = subprocess.run(arguments, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DatabaseError(f"{Path(command).name} failed: {' '.join(lines[:3]) or done.returncode}")


def _server(dsn: str, options: Settings) -> tuple[str, int]:
    with connect(dsn, options=options, autocommit=True, vectors=False) as connection:
        return connection.info.dbname, connection.info.server_version // 10000
