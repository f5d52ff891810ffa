"""The process that owns one PostgreSQL server: ``python supervisor.py``, standard library only.

What it is to run comes as JSON on standard input, because every local user may read a process's arguments.

It is started by whoever needs the server first and belongs to nobody: it detaches, so neither the death of
the starter nor a Ctrl-C in its terminal reaches PostgreSQL. Every process that uses the server holds a shared
``flock`` on ``owners.lock``; the kernel drops it however the process dies. The supervisor waits for the
exclusive lock: when it gets it nobody is left, and it stops the server. That replaces any list of pids.
Told to stay (SIGUSR1), it is such a process itself until it is told to leave (SIGUSR2).

It restarts a postmaster that was killed, bounds the log, and on Linux asks the kernel to stop PostgreSQL
should the supervisor itself be killed.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any, BinaryIO

LOG_BYTES = 4 * 1024 * 1024
"""Size at which ``postgres.log`` becomes ``postgres.log.1``: at most twice this is kept."""

MOST_RESTARTS = 5
"""Restarts of a killed postmaster within `STEADY_SECONDS`; more means that restarting does not help."""

STEADY_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_STALE_MEMORY = b"pre-existing shared memory block"


class Supervisor:
    """Runs one postmaster until nobody needs it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.log_path = Path(spec["log"])
        self.stopping = False
        self.saw_stale_memory = False
        self.child: subprocess.Popen[bytes] | None = None
        self.staying: BinaryIO | None = None
        """Its own claim on the server."""
        self.libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGUSR1, self._on_stay)
        signal.signal(signal.SIGUSR2, self._on_leave)
        threading.Thread(target=self._wait_for_last_owner, daemon=True).start()
        code, restarts, started = 0, 0, time.monotonic()
        while not self.stopping:
            code = self._run_once()
            if time.monotonic() - started > STEADY_SECONDS:
                restarts = 0
            # Killed by a signal, or refused because backends of the killed one are still leaving: try again.
            # Any other exit is a decision (pg_ctl stop) or a fault that a restart will not mend.
            if not (code < 0 or self.saw_stale_memory) or restarts >= MOST_RESTARTS:
                break
            restarts, started = restarts + 1, time.monotonic()
            time.sleep(0.2 * restarts)
        Path(self.spec["staying"]).unlink(missing_ok=True)
        shutil.rmtree(self.spec["socket_dir"], ignore_errors=True)
        return code

    def _run_once(self) -> int:
        """Start the postmaster, in the main thread (PR_SET_PDEATHSIG is tied to it), and wait for its end."""
        self.saw_stale_memory = False
        spec = self.spec
        with subprocess.Popen(
            spec["argv"],
            cwd=spec["cwd"],
            env=spec["env"],
            user=spec["uid"],
            group=spec["gid"],
            extra_groups=None if spec["uid"] is None else [],
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=self._die_with_supervisor if self.libc else None,
        ) as child:
            self.child = child
            if self.stopping:
                child.send_signal(signal.SIGINT)
            assert child.stdout is not None  # noqa: S101 - for the type checker
            self._copy_log(child.stdout)
        return child.returncode

    def _die_with_supervisor(self) -> None:
        assert self.libc is not None  # noqa: S101 - for the type checker
        self.libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)

    def _copy_log(self, stream: IO[bytes]) -> None:
        """Copy what PostgreSQL prints into the log until it closes its end; a full file is put aside."""
        log = _open_log(self.spec)
        try:
            for line in iter(stream.readline, b""):
                self.saw_stale_memory |= _STALE_MEMORY in line
                try:
                    log.write(line)
                    if log.tell() > LOG_BYTES:
                        log.close()
                        self.log_path.replace(self.log_path.with_name(self.log_path.name + ".1"))
                        log = _open_log(self.spec)
                except OSError:
                    continue  # a full disk must not block the server on its own log
        finally:
            log.close()

    def _wait_for_last_owner(self) -> None:
        with open(self.spec["owners_lock"], "rb") as owners:
            fcntl.flock(owners, fcntl.LOCK_EX)
            self._stop()
            # Keep the lock: who comes now waits until the server is down, and then starts a new one.
            threading.Event().wait()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _on_stay(self, _number: int, _frame: FrameType | None) -> None:
        if self.staying is not None:
            return
        claim = open(self.spec["owners_lock"], "rb")  # noqa: SIM115 - held until it is told to leave
        try:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()  # it is stopping
            return
        self.staying = claim
        _touch(self.spec, "staying")

    def _on_leave(self, _number: int, _frame: FrameType | None) -> None:
        if self.staying is not None:
            Path(self.spec["staying"]).unlink(missing_ok=True)
            self.staying.close()
            self.staying = None

    def _stop(self) -> None:
        """Fast shutdown: sessions are ended, transactions rolled back, everything committed is on disk."""
        self.stopping = True
        if self.child is not None and self.child.returncode is None:
            self.child.send_signal(signal.SIGINT)


def _open_log(spec: dict[str, Any]) -> BinaryIO:
    return os.fdopen(_open_own(spec, "log"), "ab", buffering=0)


def _touch(spec: dict[str, Any], which: str) -> None:
    os.close(_open_own(spec, which))


def _open_own(spec: dict[str, Any], which: str) -> int:
    """Open a file of the server's, made for its account where it is not there."""
    descriptor = os.open(spec[which], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if spec["uid"] is not None:
        os.fchown(descriptor, spec["uid"], spec["gid"])
    return descriptor


def main() -> int:
    spec = json.load(sys.stdin.buffer)
    supervisor_lock = open(spec["supervisor_lock"], "rb")  # noqa: SIM115 - held until this process ends
    try:
        fcntl.flock(supervisor_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("a supervisor is already running", file=sys.stderr)
        return 3
    # The lock belongs to the open file, so it passes to the child; the starter is told when it is held.
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.chdir("/")
    return Supervisor(spec).run()


if __name__ == "__main__":
    sys.exit(main())
