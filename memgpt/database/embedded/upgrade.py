"""Moving a cluster to a newer major version by dump and restore.

``pg_upgrade`` would be faster on big data, but it wants equal checksum settings and plain paths, and it
cannot be resumed. Here the old cluster is only read. The new one is built aside, compared, and moved into
place; the old one stays as ``cluster-16`` until its owner deletes it.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import IO

import psycopg
from psycopg import sql

from memgpt.database.embedded import running
from memgpt.database.embedded.binaries import binaries
from memgpt.database.embedded.cluster import SUPERUSER, Cluster, environment
from memgpt.database.embedded.locks import Deadline, FileLock
from memgpt.errors import ServerError

_OWN_ROLE = f"CREATE ROLE {SUPERUSER};\n".encode()

Contents = dict[str, dict[str, int]]
"""Rows of each table, by database."""


def upgrade(cluster: Cluster, version: int, timeout: float) -> None:
    """Replace the cluster by a copy in `version`. The caller holds ``opening.lock``; nobody runs the server.

    Raises:
        ServerError: the copy failed or differs; the old cluster is as it was.
    """
    old = cluster.version()
    if old is None or old > version:
        raise ServerError(
            f"{cluster.data} was made by PostgreSQL {old}, newer than the {version} asked for; "
            f"use a memgpt that brings PostgreSQL {old}, or another MEMGPT_DATA_DIR"
        )
    needed, free = cluster.size(), shutil.disk_usage(cluster.home).free
    if free < needed:
        raise ServerError(
            f"upgrading {cluster.data} from PostgreSQL {old} to {version} needs {needed >> 20} MiB of free "
            f"disk, {free >> 20} MiB are there; nothing was changed"
        )
    fresh = Cluster(cluster.home / "upgrade", cluster.account)
    _clear(fresh, timeout)
    fresh.prepare()
    with FileLock(fresh.home / "owners.lock", fresh.account) as owners:
        owners.take(Deadline(timeout), shared=True)
        try:
            fresh.create(version)
            for each, number in ((cluster, old), (fresh, version)):
                running.start(each, number, {}, Deadline(timeout))
            _copy(cluster, fresh, version)
            before, after = _contents(cluster), _contents(fresh)
            if before != after:
                raise ServerError(
                    f"the copy of {cluster.data} in PostgreSQL {version} differs from the original: {before} "
                    f"became {after}; the original was not changed"
                )
        finally:
            for each in (cluster, fresh):
                running.stop(each, Deadline(timeout))
    (fresh.home / "verified").touch()
    finish(cluster)


def finish(cluster: Cluster) -> None:
    """Move a verified copy into place; resumes where an interrupted call stopped."""
    staged = cluster.home / "upgrade"
    if not (staged / "verified").exists():
        return
    if (staged / "cluster").exists():
        old = cluster.version()
        if old is not None:
            previous = cluster.home / f"cluster-{old}"
            if previous.exists():
                shutil.rmtree(previous)
            cluster.data.rename(previous)
        (staged / "cluster").rename(cluster.data)
    shutil.rmtree(staged)


def _clear(fresh: Cluster, timeout: float) -> None:
    """Remove what an interrupted upgrade left, once its server is down."""
    if fresh.home.exists():
        running.stop(fresh, Deadline(timeout))
        shutil.rmtree(fresh.home)


def _copy(old: Cluster, new: Cluster, version: int) -> None:
    folder = binaries(version)
    dump = [str(folder / "pg_dumpall"), "-d", running.dsn(old, "postgres")]
    restore = [str(folder / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", running.dsn(new, "postgres")]
    faults = new.home / "copy.log"
    with (
        faults.open("wb") as log,
        subprocess.Popen(dump, stdout=subprocess.PIPE, stderr=log, env=environment()) as reader,
        subprocess.Popen(
            restore, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, env=environment()
        ) as writer,
    ):
        assert reader.stdout is not None and writer.stdin is not None  # noqa: S101, PT018 - for the type checker
        try:
            _pass_on(reader.stdout, writer.stdin)
            writer.stdin.close()
        except BrokenPipeError:
            reader.kill()  # the writer stopped at an error, which its log tells
    if reader.returncode or writer.returncode:
        reason = faults.read_text("utf-8", "replace").strip()[-2000:]
        raise ServerError(
            f"cannot upgrade {old.data} to PostgreSQL {version}, it was not changed: {reason or 'pg_dumpall died'}"
        )


def _pass_on(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy the dump without its first ``CREATE ROLE postgres``: the new cluster has that role already."""
    for line in source:
        if line == _OWN_ROLE:
            break
        target.write(line)
    shutil.copyfileobj(source, target)


def _contents(cluster: Cluster) -> Contents:
    contents: Contents = {}
    with psycopg.connect(running.dsn(cluster, "postgres")) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")
        databases = [str(name) for (name,) in names]
    for database in databases:
        with psycopg.connect(running.dsn(cluster, database)) as connection:
            tables = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
            ).fetchall()
            contents[database] = {}
            for schema, table in tables:
                count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
                row = connection.execute(count).fetchone()
                contents[database][f"{schema}.{table}"] = row[0] if row else 0
    return contents
