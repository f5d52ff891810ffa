"""The embedded server on the real binaries: sharing, crashes, odd places, accounts, upgrades."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
import pytest

from memgpt.database.embedded import EmbeddedServer, binaries, status
from memgpt.database.embedded.account import Account, account_for
from memgpt.database.embedded.cluster import PASSED_VARIABLES, Cluster
from memgpt.database.embedded.running import supervised
from memgpt.errors import ServerError

ROOT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes accounts")
ORDINARY = 65534
SET_BY_THEM = ("PGDATA", "PGSYSCONFDIR", "PGLOCALEDIR")
LOCALE = ("LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")

HOLD = """
import sys
from pathlib import Path
from memgpt.database.embedded import EmbeddedServer
server = EmbeddedServer.open(Path(sys.argv[1]))
print(server.pid, flush=True)
sys.stdin.read()
"""


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Poll with a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hold(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds the server open; its postmaster."""
    process = python(HOLD, data_dir)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster made once, which the tests copy: initdb is the slow part."""
    folder = tmp_path_factory.mktemp("template")
    EmbeddedServer.open(folder).close()
    return folder


def copy_of(template: Path, target: Path) -> Path:
    account = account_for(target / "postgres")
    shutil.copytree(template / "postgres", target / "postgres")
    account.own_tree(target / "postgres")
    return target


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Iterator[Path]:
    yield copy_of(template, tmp_path / "data")
    assert not supervised(Cluster.at(tmp_path / "data")), "the test left a server"


def ask(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def put(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_first_start_makes_a_database_with_the_promised_properties(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "dir"
    with EmbeddedServer.open(data_dir) as server:
        put(server.dsn, "CREATE EXTENSION vector")
        assert ask(server.dsn, "SELECT current_user || ' ' || current_database()") == "postgres memgpt"
        assert ask(server.dsn, "SHOW data_checksums") == "on"
        assert ask(server.dsn, "SHOW fsync") == "on"
        assert ask(server.dsn, "SHOW full_page_writes") == "on"
        assert ask(server.dsn, "SHOW listen_addresses") == ""
        assert ask(server.dsn, "SHOW server_encoding") == "UTF8"
        assert ask(server.dsn, "SELECT datlocprovider::text || datlocale FROM pg_database LIMIT 1") == "bC.UTF-8"
        assert ask(server.dsn, "SELECT upper('é')") == "É"
        assert server.version == 18
        assert server.data_dir == data_dir
        assert server.log_path.stat().st_size > 0
        assert psutil.Process(server.pid).name() == "postgres"
        pid = server.pid
    server.close()
    assert not psutil.pid_exists(pid), "close waits for the end"


def test_data_survives_and_status_tells(data_dir: Path) -> None:
    before = status(data_dir)
    assert (before.running, before.owners, before.version) == (False, (), 18)
    with EmbeddedServer.open(data_dir) as server:
        put(server.dsn, "CREATE TABLE t AS SELECT 42 AS x")
        now = status(data_dir)
        assert (now.running, now.pid, now.owners) == (True, server.pid, (os.getpid(),))
        assert now.size > 1_000_000
    with EmbeddedServer.open(data_dir) as server:
        assert ask(server.dsn, "SELECT x FROM t") == 42
    assert not status(tmp := data_dir / "nothing").running
    assert not tmp.exists()


def test_handles_of_one_process_share_and_count(data_dir: Path) -> None:
    first, second = EmbeddedServer.open(data_dir), EmbeddedServer.open(data_dir)
    assert first.pid == second.pid
    first.close()
    first.close()
    assert ask(second.dsn, "SELECT 1") == 1
    second.close()
    assert not status(data_dir).running


def test_threads_open_and_close_at_once(data_dir: Path) -> None:
    def visit(_: int) -> object:
        with EmbeddedServer.open(data_dir) as server:
            return ask(server.dsn, "SELECT 1")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(visit, range(24))) == [1] * 24
    assert not status(data_dir).running


def test_processes_open_a_new_directory_at_once(tmp_path: Path) -> None:
    processes = [python(HOLD, tmp_path / "data") for _ in range(4)]
    pids = {process.stdout.readline() for process in processes if process.stdout}
    assert len(pids) == 1
    assert len(status(tmp_path / "data").owners) == 4
    for process in processes:
        finish(process)
    assert not psutil.pid_exists(int(pids.pop()))


def test_last_process_out_stops_the_server(data_dir: Path) -> None:
    other, pid = hold(data_dir)
    with EmbeddedServer.open(data_dir) as server:
        assert server.pid == pid
        finish(other)
        assert ask(server.dsn, "SELECT 1") == 1
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_starter_leaves_others_their_server_and_no_orphan(data_dir: Path, number: signal.Signals) -> None:
    starter, pid = hold(data_dir)
    second, same = hold(data_dir)
    assert same == pid
    starter.send_signal(number)
    starter.wait()
    with EmbeddedServer.open(data_dir) as server:
        assert server.pid == pid
        assert ask(server.dsn, "SELECT 1") == 1
    second.send_signal(number)
    second.wait()
    until(lambda: not supervised(Cluster.at(data_dir)))
    assert not psutil.pid_exists(pid)
    for process in (starter, second):
        process.communicate()


def test_interrupt_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        assert os.getsid(server.pid) != os.getsid(0)
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_killed_postmaster_is_restarted_with_committed_data(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        put(server.dsn, "CREATE TABLE t AS SELECT 42 AS x")
        pid, dsn = server.pid, server.dsn
        os.kill(pid, signal.SIGKILL)
        with EmbeddedServer.open(data_dir) as again:
            assert ask(again.dsn, "SELECT x FROM t") == 42
            assert again.pid != pid
        assert server.dsn == dsn
        assert ask(server.dsn, "SELECT x FROM t") == 42


def test_killed_supervisor_takes_the_server_along_and_open_starts_another(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        put(server.dsn, "CREATE TABLE t AS SELECT 42 AS x")
        dsn, pid = server.dsn, server.pid
        os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
        with EmbeddedServer.open(data_dir) as again:
            assert ask(again.dsn, "SELECT x FROM t") == 42
            assert again.dsn == dsn
            assert again.pid != pid


def test_removed_directory_ends_the_server(data_dir: Path) -> None:
    server = EmbeddedServer.open(data_dir)
    pid = server.pid
    shutil.rmtree(data_dir)
    server.close()
    until(lambda: not psutil.pid_exists(pid))


def test_forked_child_leaves_the_server_to_its_parent(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        fork = (
            "import os, sys\nfrom pathlib import Path\nfrom memgpt.database.embedded import EmbeddedServer\n"
            "server = EmbeddedServer.open(Path(sys.argv[1]))\n"
            "if os.fork() == 0:\n    server.close()\n    sys.exit(0)\n"
            "_, code = os.wait()\nassert code == 0\n"
            "if os.fork() == 0:\n"
            "    with EmbeddedServer.open(Path(sys.argv[1])) as own:\n        print(own.pid, flush=True)\n"
            "    sys.exit(0)\n"
            "_, code = os.wait()\nassert code == 0\nprint(server.pid)"
        )
        pids = python(fork, data_dir).communicate(timeout=60)[0].split()
        assert pids == [str(server.pid)] * 2
    alone = python(fork, data_dir).communicate(timeout=60)[0].split()
    assert len(set(alone)) == 1
    assert len(alone) == 2


@pytest.mark.parametrize("name", ['it\'s & a %d "test"; $HOME, é', "l" * 120, "-D"])
def test_odd_and_long_paths(template: Path, tmp_path: Path, name: str) -> None:
    data_dir = copy_of(template, tmp_path / name)
    with EmbeddedServer.open(data_dir) as server:
        assert ask(server.dsn, "SELECT 1") == 1
        socket_dir = Path(str(psycopg.conninfo.conninfo_to_dict(server.dsn)["host"]))
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
        sockets = [path for path in socket_dir.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
        assert len(sockets) == 1
        assert stat.S_IMODE(sockets[0].stat().st_mode) == 0o700
    assert not socket_dir.exists()


def test_log_is_bounded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer.open(data_dir) as server:
        log = server.log_path
        noise = "DO $$ BEGIN FOR i IN 1..60 LOOP RAISE WARNING '%', repeat('x', 100000); END LOOP; END $$"
        put(server.dsn, "SET client_min_messages = error", noise, noise)
        rotated = log.with_name("postgres.log.1")
        until(rotated.exists)
        assert log.stat().st_size < 5_000_000
        assert rotated.stat().st_size < 5_000_000


def test_settings_apply_and_tcp_wants_a_password(data_dir: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {"listen_addresses": "127.0.0.1", "port": port, "work_mem": "5MB"}
    with EmbeddedServer.open(data_dir, settings=settings) as server:
        assert ask(server.dsn, "SHOW work_mem") == "5MB"
        tcp = f"host=127.0.0.1 port={port} user=postgres dbname=memgpt"
        with pytest.raises(psycopg.OperationalError, match="no password"):
            psycopg.connect(tcp)
        put(server.dsn, "ALTER ROLE postgres PASSWORD 'secret'")
        assert ask(tcp + " password=secret", "SELECT 1") == 1
        EmbeddedServer.open(data_dir).close()
        with pytest.raises(ServerError, match="other settings"):
            EmbeddedServer.open(data_dir, settings={"work_mem": "6MB"})
        with pytest.raises(ServerError, match="running as PostgreSQL 18"):
            EmbeddedServer.open(data_dir, version=16)


def test_bad_settings_show_the_log(data_dir: Path) -> None:
    with pytest.raises(ServerError, match="shared_bufers"):
        EmbeddedServer.open(data_dir, settings={"shared_bufers": "1MB"})
    with pytest.raises(ServerError, match="not the name"):
        EmbeddedServer.open(data_dir, settings={"a b": "1MB"})


def test_reused_process_number_does_not_stop_the_start(data_dir: Path) -> None:
    pid_file = data_dir / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1700000000\n5432\n/tmp\n\n  1 1\nready   \n")
    account_for(data_dir / "postgres").own(pid_file)
    with EmbeddedServer.open(data_dir) as server:
        assert server.pid != os.getpid()


def test_interrupted_creation_is_repeated(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedServer.open(tmp_path / "data") as server:
        assert ask(server.dsn, "SELECT 1") == 1
    assert not half.exists()


def test_foreign_contents_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(ServerError, match="Not a directory"):
        EmbeddedServer.open(tmp_path / "file")
    foreign = tmp_path / "foreign"
    (foreign / "postgres" / "cluster").mkdir(parents=True)
    (foreign / "postgres" / "cluster" / "thesis.txt").write_text("text")
    with pytest.raises(ServerError, match="not a PostgreSQL data directory"):
        EmbeddedServer.open(foreign)
    assert (foreign / "postgres" / "cluster" / "thesis.txt").read_text() == "text"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "PG_VERSION").write_text("18\n")
    with pytest.raises(ServerError, match="itself a PostgreSQL data directory"):
        EmbeddedServer.open(tmp_path / "raw")
    with pytest.raises(ServerError, match="versions 16 and 18"):
        EmbeddedServer.open(tmp_path / "x", version=17)


def test_upgrade_keeps_everything_and_the_old_cluster(tmp_path: Path) -> None:
    data_dir = tmp_path / "it's old"
    with EmbeddedServer.open(data_dir, version=16) as old:
        put(
            old.dsn,
            "CREATE EXTENSION vector",
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, v vector(3), s text)",
            "INSERT INTO t (v, s) SELECT '[1,2,3]', 'CREATE ROLE postgres;' FROM generate_series(1, 500)",
            "CREATE INDEX ON t USING hnsw (v vector_l2_ops)",
            "CREATE ROLE app LOGIN PASSWORD 'x'",
            'CREATE DATABASE "other one"',
        )
        put(old.dsn_for("other one"), "CREATE TABLE u AS SELECT 7 AS x")
        with pytest.raises(ServerError, match="running as PostgreSQL 16"):
            EmbeddedServer.open(data_dir)
    with EmbeddedServer.open(data_dir) as new:
        assert str(ask(new.dsn, "SHOW server_version")).startswith("18")
        assert ask(new.dsn, "SELECT count(*) FROM t WHERE s = 'CREATE ROLE postgres;'") == 500
        assert ask(new.dsn, "INSERT INTO t (v) VALUES ('[0,0,0]') RETURNING id") == 501
        assert ask(new.dsn_for("other one"), "SELECT x FROM u") == 7
        assert ask(new.dsn, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'app'") is True
        assert ask(new.dsn, "SHOW data_checksums") == "on"
    kept = data_dir / "postgres" / "cluster-16"
    assert status(data_dir).kept == (kept,)
    assert (kept / "PG_VERSION").read_text() == "16\n"
    assert not (data_dir / "postgres" / "upgrade").exists()
    with pytest.raises(ServerError, match="newer than"):
        EmbeddedServer.open(data_dir, version=16)


def test_interrupted_swap_of_an_upgrade_is_finished(data_dir: Path) -> None:
    home = data_dir / "postgres"
    staged = home / "upgrade"
    staged.mkdir()
    (home / "cluster").rename(staged / "cluster")
    (staged / "verified").touch()
    account_for(home).own_tree(home)
    with EmbeddedServer.open(data_dir) as server:
        assert ask(server.dsn, "SELECT 1") == 1
    assert not staged.exists()


def test_binaries_have_the_client_programs() -> None:
    for program in ("psql", "pg_dump", "pg_restore", "postgres"):
        assert (binaries() / program).exists()


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A directory an ordinary account can reach, unlike pytest's own, which is private to root."""
    folder = Path(tempfile.mkdtemp(prefix="memgpt-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


USE = """
import sys
from pathlib import Path
from uuid import uuid4
import psycopg
from memgpt.database.embedded import EmbeddedServer
with EmbeddedServer.open(Path(sys.argv[1])) as server:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (x int)")
        connection.execute("INSERT INTO t VALUES (1)")
        print(server.pid, connection.execute("SELECT count(*) FROM t").fetchone()[0], flush=True)
    if len(sys.argv) > 2:
        sys.stdin.read()
"""


def as_ordinary(*arguments: str) -> list[str]:
    """A command line of Python that runs as `ORDINARY`: ours may lie in root's home."""
    known = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")
    for interpreter in known:
        probe = ordinary([interpreter, "-c", "import psycopg, psutil, memgpt.errors"])
        if probe is not None:
            probe.communicate(timeout=60)
            if probe.returncode == 0:
                return [interpreter, "-c", *arguments]
    pytest.skip("no Python that an ordinary account can run")


def ordinary(command: list[str]) -> subprocess.Popen[str] | None:
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    try:
        return subprocess.Popen(
            command,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=ORDINARY,
            group=ORDINARY,
            extra_groups=[],
        )
    except PermissionError:
        return None


def run_ordinary(data_dir: Path) -> str:
    process = ordinary(as_ordinary(USE, str(data_dir)))
    assert process is not None
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.split()[1]


@pytest.fixture
def users_dir(public_dir: Path) -> Path:
    """A data directory in the home of an ordinary account."""
    home = public_dir / "home"
    home.mkdir(mode=0o700)
    os.chown(home, ORDINARY, ORDINARY)
    return home / "share" / "memgpt"


@needs_root
def test_root_in_a_users_home_does_not_lock_the_user_out(users_dir: Path) -> None:
    with EmbeddedServer.open(users_dir) as server:
        put(server.dsn, "CREATE TABLE t (x int)", "INSERT INTO t VALUES (1)")
        assert psutil.Process(server.pid).uids().real == ORDINARY
        assert run_ordinary(users_dir) == "2"
    for path in (users_dir.parent, *users_dir.parent.rglob("*")):
        assert path.lstat().st_uid == ORDINARY, path
    assert run_ordinary(users_dir) == "3"
    with EmbeddedServer.open(users_dir) as server:
        assert ask(server.dsn, "SELECT count(*) FROM t") == 3


@needs_root
def test_root_attaches_to_a_users_server(users_dir: Path) -> None:
    process = ordinary(as_ordinary(USE, str(users_dir), "wait"))
    assert process is not None
    assert process.stdout is not None
    pid = int(process.stdout.readline().split()[0])
    with EmbeddedServer.open(users_dir) as server:
        assert server.pid == pid
        process.communicate(timeout=60)
        assert ask(server.dsn, "SELECT count(*) FROM t") == 1
    assert not psutil.pid_exists(pid)


@needs_root
def test_another_users_and_read_only_directories_are_refused(public_dir: Path, template: Path) -> None:
    shutil.copytree(template / "postgres", public_dir / "postgres")
    for data_dir, reason in ((public_dir, "another user"), (public_dir / "new", "Permission denied")):
        process = ordinary(as_ordinary(USE, str(data_dir)))
        assert process is not None
        _, errors = process.communicate(timeout=60)
        assert "ServerError" in errors
        assert reason in errors
        assert "MEMGPT_DATA_DIR" in errors


@needs_root
def test_binaries_that_the_account_cannot_reach_are_copied(
    data_dir: Path, public_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = binaries().parent.parent
    real_reaches = Account.reaches
    monkeypatch.setattr(Account, "reaches", lambda self, path: package not in path.parents and real_reaches(self, path))
    monkeypatch.setattr(sys.modules["memgpt.database.embedded.binaries"], "_COPIES", public_dir / "cache")
    for _ in range(2):
        with EmbeddedServer.open(data_dir) as server:
            assert psutil.Process(server.pid).exe().startswith(str(public_dir / "cache"))
            put(server.dsn, "CREATE EXTENSION IF NOT EXISTS vector")


@needs_root
def test_root_runs_it_as_an_account_of_its_own(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        uids = psutil.Process(server.pid).uids()
        assert 0 not in uids
        assert ORDINARY not in uids
        assert psutil.Process(server.pid).gids().real != 0
        socket_dir = psycopg.conninfo.conninfo_to_dict(server.dsn)["host"]
        outsider = subprocess.run(
            ["ls", str(socket_dir)], user=ORDINARY, group=ORDINARY, extra_groups=[], capture_output=True
        )
        assert outsider.returncode != 0


def test_no_secret_of_the_starter_is_in_the_process_list(data_dir: Path) -> None:
    """Any local user reads arguments; environments are in crash reports and open to functions of the server."""
    secret = f"sk-{uuid4().hex}"
    starter = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "MEMGPT_CHAT_API_KEY": secret, "SOMEBODY_S_TOKEN": secret},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    postmaster = psutil.Process(int(starter.stdout.readline()))
    supervisor = postmaster.parent()
    assert supervisor is not None
    for process in (supervisor, postmaster, *postmaster.children(recursive=True)):
        assert secret not in " ".join(process.cmdline())
        assert secret not in repr(process.environ())
        assert {name for name in process.environ() if name not in ("LC_ALL", "TZ")} <= {
            *PASSED_VARIABLES,
            *SET_BY_THEM,
            *LOCALE,
        }
    starter.communicate("")
