"""Starting the server of a cluster, waiting for it, and stopping it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from memgpt.database.embedded import supervisor
from memgpt.database.embedded.cluster import SUPERUSER, Cluster, check_settings, environment
from memgpt.database.embedded.locks import Deadline, FileLock
from memgpt.errors import ServerError


def supervised(cluster: Cluster) -> bool:
    """Tell whether a supervisor runs the server of the cluster."""
    path = cluster.home / "supervisor.lock"
    if not path.exists():
        return False
    with FileLock(path, cluster.account) as lock:
        return not lock.try_take()


def start(cluster: Cluster, version: int, settings: Mapping[str, str], deadline: Deadline) -> None:
    """Start the server and wait until it accepts connections.

    Raises:
        ServerError: it does not start; with the end of the log.
    """
    _start_supervisor(cluster, version, settings)
    if not ready(cluster, deadline):
        raise ServerError(
            f"the embedded server of {cluster.home} does not start: fix what the log says, or set "
            f"DATABASE_URL; the end of {cluster.log}:\n{cluster.log_tail()}"
        )


def _start_supervisor(cluster: Cluster, version: int, settings: Mapping[str, str]) -> None:
    check_settings(settings)
    cluster.forget_reused_pid()
    cluster.staying.unlink(missing_ok=True)  # of a server that was killed
    socket_dir = cluster.socket_dir()
    cluster.write_state({"version": version, "socket_dir": str(socket_dir), "settings": dict(settings)})
    spec = cluster.command(version, socket_dir, settings) | {
        "socket_dir": str(socket_dir),
        "log": str(cluster.log),
        "staying": str(cluster.staying),
        "owners_lock": str(cluster.home / "owners.lock"),
        "supervisor_lock": str(cluster.home / "supervisor.lock"),
    }
    with FileLock(cluster.home / "supervisor.lock", cluster.account):
        pass  # made here, so that it belongs to the account
    result = subprocess.run(
        [sys.executable, "-I", "-S", supervisor.__file__],
        env=environment(),
        input=json.dumps(spec).encode(),  # not an argument: those are everybody's to read
        capture_output=True,
        check=False,
    )
    if result.returncode:
        output = result.stderr.decode("utf-8", "replace").strip()
        raise ServerError(f"cannot start the embedded server of {cluster.home}: {output}")


def ready(cluster: Cluster, deadline: Deadline) -> bool:
    """Wait until the server accepts connections, as its supervisor starts or restarts it; False if it ended.

    Raises:
        ServerError: the deadline passed; with the end of the log.
    """
    while True:
        running = cluster.postmaster()
        if running is not None and running.ready:
            try:
                psycopg.connect(dsn(cluster, "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                deadline.pause(f"the server of {cluster.home} to accept connections ({error})")
                continue
            return True
        if not supervised(cluster):
            return False
        deadline.pause(
            f"the server of {cluster.home} to start; allow more time if it recovers from a crash; "
            f"the end of {cluster.log}:\n{cluster.log_tail()}"
        )


def stop(cluster: Cluster, deadline: Deadline) -> None:
    """Stop the server, and one that lost its supervisor, and wait until both are gone."""
    while supervised(cluster) or cluster.postmaster() is not None:
        running = cluster.postmaster()
        if running is not None:
            try:
                os.kill(running.pid, signal.SIGINT)
            except ProcessLookupError:
                continue
            except PermissionError:
                raise ServerError(
                    f"process {running.pid}, the server of {cluster.home}, belongs to another user; "
                    "stop it as that user"
                ) from None
        deadline.pause(f"the server of {cluster.home} to stop; see {cluster.log}")


def stay(cluster: Cluster, deadline: Deadline) -> None:
    """Have the supervisor keep the server up, whoever uses it. The caller holds a claim on it."""
    while not cluster.staying.exists():
        _tell_supervisor(cluster, signal.SIGUSR1)
        deadline.pause(f"the supervisor of {cluster.home} to keep the server up; see {cluster.log}")


def leave(cluster: Cluster, deadline: Deadline) -> None:
    """Have the supervisor stop the server with the last process that uses it."""
    while cluster.staying.exists() and supervised(cluster):
        _tell_supervisor(cluster, signal.SIGUSR2)
        deadline.pause(f"the supervisor of {cluster.home} to let go of the server; see {cluster.log}")


def _tell_supervisor(cluster: Cluster, number: signal.Signals) -> None:
    running = cluster.postmaster()
    if running is None:
        return  # being restarted
    try:
        os.kill(psutil.Process(running.pid).ppid(), number)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    except PermissionError:
        raise ServerError(f"the server of {cluster.home} was started by another user: do this as that user") from None


def dsn(cluster: Cluster, dbname: str) -> str:
    """Return the connection string of the superuser."""
    running = cluster.postmaster()
    return make_conninfo(
        host=str(cluster.state().get("socket_dir", "")),
        port=running.port if running else 5432,
        user=SUPERUSER,
        dbname=dbname,
        connect_timeout=10,
    )
