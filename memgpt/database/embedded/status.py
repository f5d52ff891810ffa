"""Facts about an embedded server that can be read without starting it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from memgpt.database.embedded.cluster import DATABASE, Cluster
from memgpt.database.embedded.running import dsn, supervised


@dataclass(frozen=True)
class ServerStatus:
    """The state of the embedded server of one data directory."""

    data_dir: Path
    running: bool
    pid: int | None
    """The postmaster's, when it runs."""
    dsn: str | None
    """Connection string, when it runs; there is no password."""
    stays: bool
    """Whether it runs on when nobody uses it any more."""
    owners: tuple[int, ...]
    """Processes that use the server, as far as this account may see them."""
    version: int | None
    """PostgreSQL's major version on disk; None before the first start."""
    size: int
    """Bytes on disk, without `kept`."""
    kept: tuple[Path, ...]
    """Clusters of older versions, kept after an upgrade; they may be deleted."""
    log_path: Path


def status(data_dir: Path) -> ServerStatus:
    """Look at the server of `data_dir`; starts, creates and changes nothing.

    Raises:
        ServerError: the directory holds something else, or cannot be read.
    """
    data_dir = Path(data_dir).expanduser().resolve()
    cluster = Cluster.at(data_dir)
    cluster.check_owner()
    running = cluster.postmaster() if supervised(cluster) else None
    return ServerStatus(
        data_dir=data_dir,
        running=running is not None,
        pid=running.pid if running else None,
        dsn=dsn(cluster, DATABASE) if running else None,
        stays=running is not None and cluster.staying.exists(),
        owners=owners(cluster),
        version=cluster.version(),
        size=cluster.size(),
        kept=tuple(sorted(cluster.home.glob("cluster-*"))),
        log_path=cluster.log,
    )


def owners(cluster: Cluster) -> tuple[int, ...]:
    """Return the processes that have ``owners.lock`` open, but for the supervisor, which waits for it."""
    lock = str(cluster.home / "owners.lock")
    running = cluster.postmaster()
    supervisor = psutil.Process(running.pid).ppid() if running else None
    pids = []
    for process in psutil.process_iter():
        try:
            if process.pid != supervisor and any(file.path == lock for file in process.open_files()):
                pids.append(process.pid)
        except psutil.Error:
            continue  # ended meanwhile, or another user's
    return tuple(sorted(pids))
