"""Locks between processes (``flock``), and the deadline that bounds every wait for one."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from memgpt.database.embedded.account import Account
from memgpt.errors import ServerError

_PAUSE = 0.01


class Deadline:
    """A moment after which waiting is an error."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def pause(self, what: str) -> None:
        """Wait a moment for `what`.

        Raises:
            ServerError: the moment has passed.
        """
        if time.monotonic() > self._end:
            raise ServerError(f"waited {self.seconds:g} s for {what}")
        time.sleep(_PAUSE)


class FileLock:
    """One ``flock`` on one file; the kernel releases it when the process dies, however it dies."""

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(path, flags, 0o600)
            if account.switch:
                os.fchown(self._descriptor, account.uid, account.gid)
        except OSError as error:
            raise ServerError(
                f"cannot open {path}: {error.strerror}; choose a writable directory with MEMGPT_DATA_DIR"
            ) from error

    def try_take(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody is in the way; where this fails, whatever was held before is gone."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def take(self, deadline: Deadline, *, shared: bool = False) -> None:
        """Wait for the lock."""
        while not self.try_take(shared=shared):
            deadline.pause(f"another process to let go of {self.path}")

    def close(self) -> None:
        """Let go; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
