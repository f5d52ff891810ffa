"""Opening, sharing and closing the embedded server."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType

import psycopg
from psycopg import sql

from memgpt.database import forks
from memgpt.database.embedded import running
from memgpt.database.embedded.cluster import DATABASE, Cluster
from memgpt.database.embedded.locks import Deadline, FileLock
from memgpt.database.embedded.status import owners
from memgpt.database.embedded.upgrade import finish, upgrade
from memgpt.errors import ServerError

_STOP_SECONDS = 60.0
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass
class _Claim:
    """This process's one claim on a server; all handles of the process on that directory share it."""

    cluster: Cluster
    owners: FileLock
    handles: int = 0
    heir: FileLock | None = None
    """The claim of the child that is being forked."""


class _Registry:
    """The claims of this process, by data directory. A forked child has claims of its own on the same servers, from
    before the fork on: so they go on running for it when the parent ends first."""

    def __init__(self) -> None:
        self.lock = forks.rlock()
        self.claims: dict[Path, _Claim] = {}
        forks.hand_on(self)

    def before_fork(self) -> None:
        """Claim once more: the lock of an open file is one, however many processes have the file open."""
        for claim in list(self.claims.values()):
            with suppress(ServerError):  # somebody removed the directory
                claim.heir = FileLock(claim.cluster.home / "owners.lock", claim.cluster.account)
                claim.heir.try_take(shared=True)

    def after_fork_in_parent(self) -> None:
        """Leave the new claims to the child."""
        for claim in list(self.claims.values()):
            if claim.heir is not None:
                claim.heir.close()
                claim.heir = None

    def after_fork(self) -> None:
        """Take the claims meant for this process, and let go of the parent's."""
        for data_dir, claim in list(self.claims.items()):
            claim.owners.close()
            if claim.heir is None:
                del self.claims[data_dir]
            else:
                claim.owners, claim.heir = claim.heir, None


_registry = _Registry()


class EmbeddedServer:
    """A running PostgreSQL of our own, shared with every other process that opens the same directory.

    Use it as a context manager or call `close`; the last process out stops the server, however it ends.
    Should the server crash, its supervisor restarts it; should that be gone too, the next `open` does.
    """

    def __init__(self, data_dir: Path, cluster: Cluster, version: int) -> None:
        self.data_dir = data_dir
        self.version = version
        self.log_path = cluster.log
        self._cluster = cluster
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

        `settings` are PostgreSQL's own. They apply when this call starts the server; a server that runs
        with others is an error. Over TCP (``listen_addresses``) a role needs a password, and none has one.
        An upgrade takes as long as it takes; `timeout` bounds every other wait.

        Raises:
            ServerError: it does not run within `timeout` seconds; the message has the reason and the remedy.
        """
        data_dir = Path(data_dir).expanduser().resolve()
        deadline = Deadline(timeout)
        with _registry.lock:
            open_claim = _registry.claims.get(data_dir)
            claim = open_claim or _claim(data_dir, deadline)
            try:
                _ensure_running(claim.cluster, version, settings, deadline)
            except BaseException:
                if open_claim is None:
                    claim.owners.close()
                raise
            _registry.claims[data_dir] = claim
            claim.handles += 1
            return cls(data_dir, claim.cluster, version)

    @property
    def dsn(self) -> str:
        """Connection string of the superuser for the database ``memgpt``."""
        return self.dsn_for(DATABASE)

    def dsn_for(self, dbname: str) -> str:
        """Return the superuser's connection string for another database of the server."""
        return running.dsn(self._cluster, dbname)

    @property
    def pid(self) -> int:
        """Process number of the postmaster; a restart changes it.

        Raises:
            ServerError: it is down.
        """
        running = self._cluster.postmaster()
        if running is None:
            raise ServerError(f"the server of {self._cluster.home} is down; open it again to restart it")
        return running.pid

    def stay(self) -> None:
        """Keep the server up when nobody uses it any more, until :func:`stop` is called."""
        running.stay(self._cluster, Deadline(_STOP_SECONDS))

    def close(self) -> None:
        """Give up this handle. The last one of the last process stops the server and waits for its end."""
        with _registry.lock:
            if self._closed:
                return
            self._closed = True
            claim = _registry.claims.get(self.data_dir)
            if claim is None:
                return
            claim.handles -= 1
            if claim.handles == 0:
                del _registry.claims[self.data_dir]
                _release(claim)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stop(data_dir: Path) -> tuple[int, ...]:
    """Stop a server that stays up or, where processes still use it, let it stop with the last of them.

    Returns:
        Those processes.
    """
    cluster, deadline = Cluster.at(Path(data_dir).expanduser().resolve()), Deadline(_STOP_SECONDS)
    cluster.check_owner()
    if not running.supervised(cluster):
        return ()
    # Asked while the server surely runs: a supervisor that is stopping could not be told from one who uses it.
    users = tuple(pid for pid in owners(cluster) if pid != os.getpid())
    running.leave(cluster, deadline)
    with FileLock(cluster.home / "owners.lock", cluster.account) as claim:
        while running.supervised(cluster):
            if claim.try_take():
                running.stop(cluster, deadline)
            elif users:
                return users
            else:
                deadline.pause(f"the server of {cluster.home} to stop; see {cluster.log}")
    return ()


def _claim(data_dir: Path, deadline: Deadline) -> _Claim:
    if (data_dir / "PG_VERSION").exists():
        raise ServerError(
            f"{data_dir} is itself a PostgreSQL data directory; memgpt keeps its own in a folder 'postgres' "
            "of the directory you name: choose another MEMGPT_DATA_DIR"
        )
    cluster = Cluster.at(data_dir)
    cluster.prepare()
    owners = FileLock(cluster.home / "owners.lock", cluster.account)
    try:
        # Waits only while a supervisor, left by everybody, stops the server.
        owners.take(deadline, shared=True)
    except BaseException:
        owners.close()
        raise
    return _Claim(cluster, owners)


def _ensure_running(cluster: Cluster, version: int, settings: Mapping[str, str], deadline: Deadline) -> None:
    with FileLock(cluster.home / "opening.lock", cluster.account) as opening:
        opening.take(deadline)
        attached = False
        if running.supervised(cluster):
            _check_running(cluster, version, settings)
            attached = running.ready(cluster, deadline)
        if not attached:
            running.stop(cluster, deadline)
            finish(cluster)
            on_disk = cluster.version()
            if on_disk is None:
                cluster.create(version)
            elif on_disk != version:
                upgrade(cluster, version, deadline.seconds)
            running.start(cluster, version, settings, deadline)
        _ensure_database(cluster)


def _check_running(cluster: Cluster, version: int, settings: Mapping[str, str]) -> None:
    state = cluster.state()
    if state.get("version") != version:
        raise ServerError(
            f"the server of {cluster.home} is running as PostgreSQL {state.get('version')}, {version} was "
            "asked for; close every process that uses it first"
        )
    running = state.get("settings")
    used = running if isinstance(running, dict) else {}
    others = dict(settings.items() - used.items())
    if others:
        raise ServerError(
            f"the server of {cluster.home} is running with other settings than {others}; "
            "close every process that uses it first"
        )


def _ensure_database(cluster: Cluster) -> None:
    with psycopg.connect(running.dsn(cluster, "postgres"), autocommit=True) as connection:
        exists = connection.execute("SELECT FROM pg_database WHERE datname = %s::name", (DATABASE,))
        if exists.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _release(claim: _Claim) -> None:
    """Give up the claim; where it was the last, stop the server and wait, so the directory may be removed."""
    deadline = Deadline(_STOP_SECONDS)
    try:
        if not claim.cluster.home.exists():
            return  # somebody removed the directory; the supervisor still stops the server
        if claim.owners.try_take():
            running.stop(claim.cluster, deadline)
        else:
            # Others use the server, or its supervisor is stopping it: only then does this wait.
            claim.owners.take(deadline, shared=True)
    finally:
        claim.owners.close()


@atexit.register
def _close_all() -> None:
    with _registry.lock:
        while _registry.claims:
            _release(_registry.claims.popitem()[1])
