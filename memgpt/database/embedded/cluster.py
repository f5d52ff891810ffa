"""The files of an embedded server: where they lie, how a cluster is made, with which settings it runs.

Everything lies in one private directory, ``<data_dir>/postgres`` (mode 0700)::

    cluster/           PostgreSQL's data directory
    cluster-16/        a cluster of an older version, kept after an upgrade
    upgrade/           an upgrade under way, laid out like this directory
    run/               the socket, where the path is short enough
    postgres.log(.1)   what the server printed
    opening.lock       held while a process opens the server: one at a time
    owners.lock        shared by all processes that use the server; exclusive means nobody else does
    supervisor.lock    held by the supervisor, see supervisor.py
    staying            there while the server stays up although nobody uses it
    server.json        what the running server was started with
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from memgpt.database.embedded.account import Account, account_for, named_account
from memgpt.database.embedded.binaries import programs
from memgpt.errors import ServerError

SUPERUSER = "postgres"
DATABASE = "memgpt"

SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("listen_addresses", "", "no TCP: the socket's directory is the only door"),
    ("unix_socket_permissions", "0700", "and only the account itself may use it"),
    ("fsync", "on", "it holds real data"),
    ("full_page_writes", "on", "it holds real data"),
    ("shared_buffers", "128MB", "small enough for a laptop, room for one agent's hot vectors"),
    ("maintenance_work_mem", "256MB", "IVFFlat and HNSW builds fail or crawl with the default 64MB"),
    ("max_connections", "100", "pools of several processes"),
    ("max_wal_size", "1GB", "bulk loads of vectors checkpoint less often"),
    ("min_wal_size", "80MB", "an idle memory stays small on disk"),
    ("random_page_cost", "1.1", "solid-state disks"),
    ("jit", "off", "compiling costs more than these queries take"),
    ("timezone", "UTC", "the same answers on every machine"),
    ("log_timezone", "UTC", "the same answers on every machine"),
    ("lc_messages", "C", "our tools read the log"),
    ("log_line_prefix", "%m [%p] ", "when and who"),
    ("cluster_name", "memgpt", "says in ps whose server this is"),
)
"""Settings that differ from PostgreSQL's defaults, or that its file must not change: name, value, why."""

PASSED_VARIABLES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
)
"""What a program needs to start: where programs, libraries and temporary files are."""

_LONGEST_SOCKET_PATH = 103  # of sun_path: 108 on Linux, 104 on macOS, each with a closing zero
_SOCKET_NAME = ".s.PGSQL.65535"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(frozen=True)
class Postmaster:
    """Content of ``postmaster.pid`` of a running server."""

    pid: int
    port: int
    ready: bool


@dataclass(frozen=True)
class Cluster:
    """The private directory `home` of one server, and the account it belongs to."""

    home: Path
    account: Account

    @classmethod
    def at(cls, data_dir: Path) -> Cluster:
        home = data_dir / "postgres"
        return cls(home, account_for(home))

    @property
    def data(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def staying(self) -> Path:
        return self.home / "staying"

    def version(self) -> int | None:
        """Major version of the cluster on disk; None where there is none yet.

        Raises:
            ServerError: something else lies there.
        """
        try:
            return int((self.data / "PG_VERSION").read_text("ascii"))
        except FileNotFoundError:
            if self.data.exists() and any(self.data.iterdir()):
                raise ServerError(
                    f"{self.data} is not a PostgreSQL data directory (no PG_VERSION) and is not empty; "
                    "move it away or choose another MEMGPT_DATA_DIR"
                ) from None
            return None
        except NotADirectoryError:
            raise ServerError(f"{self.data} is not a directory; move it away") from None
        except ValueError:
            raise ServerError(f"{self.data / 'PG_VERSION'} holds no version; restore a backup") from None

    def prepare(self) -> None:
        """Make the private directory, and whatever is missing above it, for the account.

        Raises:
            ServerError: it cannot be made or used.
        """
        missing = [folder for folder in (self.home, *self.home.parents) if not folder.exists()]
        try:
            for folder in reversed(missing):
                folder.mkdir(mode=0o700, exist_ok=True)
                self.account.own(folder)
            if self.home.stat().st_uid == os.geteuid():
                self.account.own(self.home)
            self.check_owner()
            self.home.chmod(0o700)
        except OSError as error:
            raise ServerError(
                f"cannot use {self.home} for the embedded server: {error.strerror}; "
                "choose a writable directory with MEMGPT_DATA_DIR, or set DATABASE_URL"
            ) from error

    def check_owner(self) -> None:
        """Raise `ServerError` where the private directory is another user's."""
        try:
            owner = self.home.stat().st_uid
        except FileNotFoundError:
            return
        except OSError as error:
            raise ServerError(f"cannot read {self.home}: {error.strerror}; see MEMGPT_DATA_DIR") from error
        if owner != self.account.uid:
            raise ServerError(
                f"{self.home} belongs to another user (uid {owner}); run as that user, or choose another "
                "directory with MEMGPT_DATA_DIR"
            )

    def state(self) -> dict[str, object]:
        """Return the settings with which the server was last started."""
        try:
            state = json.loads((self.home / "server.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def write_state(self, state: Mapping[str, object]) -> None:
        fresh = self.home / "server.json.new"
        fresh.unlink(missing_ok=True)
        fresh.write_text(json.dumps(state), "utf-8")
        self.account.own(fresh)
        fresh.replace(self.home / "server.json")

    def postmaster(self) -> Postmaster | None:
        """Return the running postmaster; None when it is down.

        A number used again by another process, after a reboot or in a container, is not our server: ours is
        called postgres and works in the data directory. (Start times would drift with the wall clock.)
        """
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
            pid, port = int(lines[0]), int(lines[3])
            process = psutil.Process(pid)
            if not process.name().startswith("postgres") or not self.data.samefile(process.cwd()):
                return None
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None
        return Postmaster(pid, port, ready=len(lines) > 7 and lines[7].strip() == "ready")

    def forget_reused_pid(self) -> None:
        """Clear the pid in ``postmaster.pid`` where another program has that number: PostgreSQL would refuse.

        Only the number changes: the line that identifies shared memory stays and still protects the files
        from backends that outlived their postmaster.
        """
        path = self.data / "postmaster.pid"
        if path.exists() and self.postmaster() is None:
            first, _, rest = path.read_text("utf-8").partition("\n")
            if first.strip().isdigit() and psutil.pid_exists(int(first)):
                path.write_text(f"{2**31 - 1}\n{rest}", "utf-8")

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of the log, for messages."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 8192))
                return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def create(self, version: int) -> None:
        """Make an empty cluster: all or nothing, so an interrupted attempt leaves no half cluster."""
        fresh = self.home / "cluster.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        account = self.account
        if account.switch and not account.has_name():
            account = named_account()
        account.own(fresh)
        folder, argument = _where(account, fresh)
        user, group, groups = account.switch_to()
        result = subprocess.run(
            [str(programs(version, account) / "initdb"), "-D", argument, *_initdb_options(version)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            user=user,
            group=group,
            extra_groups=groups,
            umask=0o077,
        )
        if result.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            output = (result.stderr or result.stdout).decode("utf-8", "replace").strip()
            nameless = "" if account.has_name() else " (give this user a name in /etc/passwd, or set DATABASE_URL)"
            raise ServerError(f"cannot create the embedded database in {self.data}: {output}{nameless}")
        self.account.own_tree(fresh)
        if self.data.exists():
            self.data.rmdir()  # empty, `version` has seen to that
        fresh.rename(self.data)

    def command(self, version: int, socket_dir: Path, settings: Mapping[str, str]) -> dict[str, object]:
        """Return the part of the supervisor's instructions that says how to start the server."""
        folder, argument = _where(self.account, self.data)
        chosen = {name: value for name, value, _ in SETTINGS} | {"unix_socket_directories": str(socket_dir)}
        chosen |= settings
        argv = [str(programs(version, self.account) / "postgres"), "-D", argument]
        for name, value in chosen.items():
            argv += ["-c", f"{name}={value}"]
        uid, gid, _ = self.account.switch_to()
        return {"argv": argv, "cwd": str(folder), "env": environment(), "uid": uid, "gid": gid}

    def socket_dir(self) -> Path:
        """Return a private directory for the socket: in `home` if its path suits, else a short temporary one.

        The one used last is used again where it still is: other processes may wait for the server there.
        """
        last = Path(str(self.state().get("socket_dir", "")))
        if last.is_absolute() and self._is_private(last):
            return last
        folder = self.home / "run"
        if self._suits_socket(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = Path(tempfile.mkdtemp(prefix="memgpt-"))
            if not self._suits_socket(folder):
                folder.rmdir()
                folder = Path(tempfile.mkdtemp(prefix="memgpt-", dir="/tmp"))
        folder.chmod(0o700)
        self.account.own(folder)
        return folder

    def _is_private(self, folder: Path) -> bool:
        try:
            info = folder.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(info.st_mode) and info.st_uid == self.account.uid and not info.st_mode & 0o077

    def _suits_socket(self, folder: Path) -> bool:
        short = len(bytes(folder / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH
        return short and bool(_PLAIN_PATH.fullmatch(str(folder))) and self.account.reaches(folder)

    def size(self) -> int:
        """Bytes of the cluster on disk."""
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                try:
                    total += Path(folder, name).lstat().st_size
                except FileNotFoundError:
                    continue  # a running server removes files
        return total


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise `ServerError` for what cannot be the name of a setting, before anything is made."""
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise ServerError(f"{name!r} is not the name of a PostgreSQL setting")


def _initdb_options(version: int) -> Sequence[str]:
    locale = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if version < 17:
        locale = ["--locale=C.UTF-8"]
    return [
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--data-checksums",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--no-instructions",
        *locale,
    ]


def environment() -> dict[str, str]:
    """Return the environment of PostgreSQL and its supervisor: without our variables, which hold keys, and without
    libpq's or a locale's."""
    passed = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
    return passed | {"LC_ALL": "C", "TZ": "UTC"}


def _where(account: Account, data: Path) -> tuple[Path, str]:
    """Working directory and ``-D`` argument for `data`.

    An account that may not enter the directories above (root's home, say) still may use the directory it
    starts in; Linux names that one ``/proc/self/cwd``.
    """
    if account.reaches(data):
        return Path("/"), str(data)
    if Path("/proc/self/cwd").exists():
        return data, "/proc/self/cwd"
    raise ServerError(
        f"the embedded server cannot run as root, and no other account may enter {data}; "
        "choose a directory outside of root's own with MEMGPT_DATA_DIR"
    )
