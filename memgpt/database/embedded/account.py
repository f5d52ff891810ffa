"""The operating-system account that runs the server, and the files it can reach.

PostgreSQL refuses to run as root. A root process therefore runs it as the owner of the directory or, where
that is root too, as a number nobody else uses: a shared account such as ``nobody`` would give every other
process of that account the data. No account is created.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_UNUSED = range(60706, 61184)
"""User numbers that Linux distributions leave unassigned (systemd's table); small enough for containers."""


@dataclass(frozen=True)
class Account:
    """The account that owns the server's files; `switch` says that we are root and must become it."""

    uid: int
    gid: int
    switch: bool

    def switch_to(self) -> tuple[int | None, int | None, list[int] | None]:
        """User, group and other groups for `subprocess`; None where the process keeps ours."""
        return (self.uid, self.gid, []) if self.switch else (None, None, None)

    def has_name(self) -> bool:
        """Tell whether the account is in the user database; ``initdb`` insists."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True

    def own(self, path: Path) -> None:
        """Give `path` to the account, if we made it as root."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, path: Path) -> None:
        """Give `path` and all below it to the account."""
        if self.switch:
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    self.own(Path(folder, name))
            self.own(path)

    def reaches(self, path: Path) -> bool:
        """Tell whether the account may enter every directory above `path`."""
        return not self.switch or all(self._enters(parent) for parent in path.resolve().parents)

    def reads(self, path: Path) -> bool:
        """Tell whether the account may read and run the file `path`, in a directory it can enter."""
        return not self.switch or path.stat().st_mode & 0o005 == 0o005

    def _enters(self, folder: Path) -> bool:
        info = folder.stat()
        if info.st_uid == self.uid:
            return bool(info.st_mode & stat.S_IXUSR)
        if info.st_gid == self.gid:
            return bool(info.st_mode & stat.S_IXGRP)
        return bool(info.st_mode & stat.S_IXOTH)


def account_for(home: Path) -> Account:
    """Return the account for the server whose private directory is, or will be, `home`."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    info = nearest.stat()
    if info.st_uid != 0:
        return Account(info.st_uid, info.st_gid, switch=True)
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    unused = next(number for number in _UNUSED if number not in taken)
    return Account(unused, unused, switch=True)


def named_account() -> Account:
    """Return an account with a name and no rights, for ``initdb``, which insists that its user has a name."""
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid, switch=True)
