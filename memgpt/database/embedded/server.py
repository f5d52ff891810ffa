"""Opening, sharing and closing the embedded server."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memgpt.database.embedded import supervisor
from memgpt.database.embedded.cluster import SUPERUSER, Cluster, environment
from memgpt.database.embedded.locks import Deadline, Lock
from memgpt.errors import ServerError

DATABASE = "memgpt"
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass
class _Shared:
    """This process's one claim on a server; every `EmbeddedServer` of the process on that directory shares it."""

    cluster: Cluster
    owners: Lock
    handles: int = 0
    socket_dir: str = ""
    port: int = 5432
    pid: int = 0
    version: int = 0


@dataclass
class _Registry:
    """The claims of this process."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    shared: dict[Path, _Shared] = field(default_factory=dict)


_registry = _Registry()


class EmbeddedServer:
    """A running PostgreSQL of our own, shared with every other process that opens the same directory.

    Use it as a context manager or call `close`; the last process out stops the server, however it ends.
    """

    def __init__(self, data_dir: Path, shared: _Shared) -> None:
        self.data_dir = data_dir
        self._shared = shared
        self._registry = _registry
        self._closed = False

    @classmethod
    def open(
        cls,
        data_dir: Path,
        *,
        version: int = 18,
        settings: Mapping[str, str] = _NO_SETTINGS,
        timeout: float = 60,
    ) -> EmbeddedServer:
        """Attach to the server of `data_dir`, starting, creating, upgrading or restarting it as needed.

        `settings` are PostgreSQL's own; they apply when this call starts the server, and a running server that
        was started with others is an error. Over TCP (``listen_addresses``) a role needs a password.

        Raises:
            ServerError: it does not run within `timeout` seconds; the message has the reason and the remedy.
        """
        data_dir = Path(data_dir).expanduser().resolve()
        deadline = Deadline(timeout)
        with _registry.lock:
            known = _registry.shared.get(data_dir)
            shared = known or _claim(data_dir, deadline)
            try:
                _ensure_running(shared, version, settings, deadline)
            except BaseException:
                if known is None:
                    shared.owners.close()
                raise
            _registry.shared[data_dir] = shared
            shared.handles += 1
            return cls(data_dir, shared)

    @property
    def dsn(self) -> str:
        """Connection string of the superuser for the database ``memgpt``."""
        return self.dsn_for(DATABASE)

    def dsn_for(self, dbname: str) -> str:
        """Connection string of the superuser for another database of the server."""
        return _dsn(self._shared, dbname)

    @property
    def version(self) -> int:
        return self._shared.version

    @property
    def log_path(self) -> Path:
        return self._shared.cluster.log

    @property
    def pid(self) -> int:
        """Process number of the postmaster; a restart changes it."""
        running = self._shared.cluster.postmaster()
        return running[0] if running else self._shared.pid

    def close(self) -> None:
        """Give up this handle; the last handle of the last process stops the server and waits until it is down."""
        with self._registry.lock:
            # A forked child has its own registry: the handles it inherited are its parent's to close.
            if self._closed or self._registry is not _registry:
                return
            self._closed = True
            self._shared.handles -= 1
            if self._shared.handles == 0:
                del _registry.shared[self.data_dir]
                _release(self._shared)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _claim(data_dir: Path, deadline: Deadline) -> _Shared:
    if (data_dir / "PG_VERSION").exists():
        raise ServerError(
            f"{data_dir} is itself a PostgreSQL data directory; memgpt keeps its own in a folder 'postgres' "
            "of the directory you name: choose another MEMGPT_DATA_DIR"
        )
    cluster = Cluster.at(data_dir)
    cluster.prepare()
    owners = Lock(cluster.home / "owners.lock", cluster.account)
    try:
        # Waits only while a supervisor, left by everybody, stops the server.
        owners.take(deadline, shared=True)
    except BaseException:
        owners.close()
        raise
    return _Shared(cluster, owners)


def _ensure_running(shared: _Shared, version: int, settings: Mapping[str, str], deadline: Deadline) -> None:
    cluster = shared.cluster
    with Lock(cluster.home / "opening.lock", cluster.account) as opening:
        opening.take(deadline)
        on_disk = cluster.version()
        if on_disk is not None and on_disk != version:
            raise ServerError(f"version {on_disk} found, {version} wanted")
        if not _supervised(cluster):
            _stop_orphan(cluster, deadline)
            if on_disk is None:
                cluster.create(version, cluster.data)
            _start(cluster, version, settings)
        elif unlike := {k: v for k, v in settings.items() if _settings_of(cluster).get(k) != v}:
            raise ServerError(
                f"the server of {cluster.home} is running with other settings than {unlike}; "
                "close every process that uses it first"
            )
        _wait_until_ready(shared, deadline)
        shared.version = version
        _ensure_database(shared)


def _settings_of(cluster: Cluster) -> dict[str, Any]:
    found = cluster.state().get("settings")
    return found if isinstance(found, dict) else {}


def _supervised(cluster: Cluster) -> bool:
    with Lock(cluster.home / "supervisor.lock", cluster.account) as lock:
        return not lock.try_take()


def _stop_orphan(cluster: Cluster, deadline: Deadline) -> None:
    """Stop a postmaster that lost its supervisor: nothing would ever stop it otherwise."""
    while running := cluster.postmaster():
        try:
            os.kill(running[0], signal.SIGINT)
        except ProcessLookupError:
            return
        except PermissionError:
            raise ServerError(
                f"process {running[0]}, the server of {cluster.home}, belongs to another user"
            ) from None
        deadline.pause(f"the old server of {cluster.home} (process {running[0]}) to stop")


def _start(cluster: Cluster, version: int, settings: Mapping[str, str]) -> None:
    cluster.forget_reused_pid()
    socket_dir = cluster.socket_dir("run")
    cluster.write_state({"version": version, "socket_dir": str(socket_dir), "settings": dict(settings)})
    supervise(cluster, cluster.command(version, cluster.data, socket_dir, settings), socket_dir, "owners")


def supervise(cluster: Cluster, command: Mapping[str, object], socket_dir: Path, owners: str) -> None:
    """Start a supervisor for the server `command` starts; it lives as long as somebody holds the lock `owners`."""
    prefix = "" if owners == "owners" else f"{owners}-"
    spec = dict(command) | {
        "socket_dir": str(socket_dir),
        "log": str(cluster.log),
        "owners_lock": str(cluster.home / f"{owners}.lock"),
        "supervisor_lock": str(cluster.home / f"{prefix}supervisor.lock"),
    }
    result = subprocess.run(
        [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(spec)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise ServerError(
            f"cannot start the embedded server: {result.stderr.decode('utf-8', 'replace').strip()}"
        )


def _wait_until_ready(shared: _Shared, deadline: Deadline) -> None:
    cluster = shared.cluster
    while True:
        running = cluster.postmaster()
        if running is not None and running[2]:
            shared.pid, shared.port = running[0], running[1]
            shared.socket_dir = str(cluster.state().get("socket_dir", ""))
            try:
                psycopg.connect(_dsn(shared, "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                deadline.pause(f"the server of {cluster.home} to accept connections ({error})")
                continue
            return
        if not _supervised(cluster):
            raise ServerError(
                f"the embedded server of {cluster.home} does not start; the end of {cluster.log}:\n"
                f"{cluster.log_tail()}"
            )
        deadline.pause(
            f"the server of {cluster.home} to start; the end of {cluster.log}:\n{cluster.log_tail()}"
        )


def _ensure_database(shared: _Shared) -> None:
    with psycopg.connect(_dsn(shared, "postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s::name", (DATABASE,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _dsn(shared: _Shared, dbname: str) -> str:
    return make_conninfo(
        host=shared.socket_dir, port=shared.port, user=SUPERUSER, dbname=dbname, connect_timeout=10
    )


def _release(shared: _Shared) -> None:
    """Give up the claim; where it was the last, stop the server and wait, so the directory may be removed."""
    cluster = shared.cluster
    deadline = Deadline(60)
    try:
        if shared.owners.try_take():
            running = cluster.postmaster()
            while running is not None and _supervised(cluster):
                os.kill(running[0], signal.SIGINT)
                deadline.pause(f"the server of {cluster.home} to stop")
                running = cluster.postmaster()
            while _supervised(cluster):
                deadline.pause(f"the supervisor of {cluster.home} to end")
        else:
            # Others use the server, or the supervisor is stopping it: only then does this wait.
            shared.owners.take(deadline, shared=True)
    except (ProcessLookupError, FileNotFoundError):
        pass
    finally:
        shared.owners.close()


@atexit.register
def _close_all() -> None:
    with _registry.lock:
        for shared in _registry.shared.values():
            _release(shared)
        _registry.shared.clear()


def _forget_after_fork() -> None:
    """In a forked child: drop the parent's claims (its locks stay: they belong to the parent's open files too)."""
    global _registry
    inherited, _registry = _registry, _Registry()
    for shared in inherited.shared.values():
        shared.owners.close()


os.register_at_fork(after_in_child=_forget_after_fork)
