"""Real PostgreSQL for every test: one server a worker, a migrated template database, a clone of it per test.

``MEMGPT_TEST_POSTGRES=16`` runs everything on PostgreSQL 16 instead of 18.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memgpt.database.admin import migrate
from memgpt.database.embedded import EmbeddedServer, binaries

POSTGRES = int(os.environ.get("MEMGPT_TEST_POSTGRES", "18"))
PASSWORD = "only-for-tests"
TEMPLATE = "memgpt_template"
MODEL = migrate.ModelSpec("wordllama-l2-supercat-256", 256)
"""The offline default: the size of the embedding columns in ``dsn``."""

# What a script starts in its background ignores Ctrl-C, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Server:
    """A test server, reached over TCP so that any client can."""

    embedded: EmbeddedServer
    port: int

    def dsn(self, database: str = "postgres", **changes: str) -> str:
        given = {"host": "127.0.0.1", "port": str(self.port), "user": "postgres", "password": PASSWORD}
        return make_conninfo(**(given | {"dbname": database} | changes))

    def create(self, template: str | None = None) -> str:
        """A new database, empty or a clone; its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.dsn(), autocommit=True) as admin:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def program(self, name: str) -> str:
        """The path of one of the server's own programs, such as ``pg_dump``."""
        return str(binaries(POSTGRES) / name)


def start_server(directory: Path, **settings: str) -> Server:
    port = free_port()
    given = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "60",
    }
    embedded = EmbeddedServer.open(directory, version=POSTGRES, settings=given | settings)
    with psycopg.connect(embedded.dsn_for("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(PASSWORD)))
    return Server(embedded, port)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A directory that the server's own account can reach; pytest's are closed to it when run as root."""
    directory = Path(tempfile.mkdtemp(prefix="memgpt-tests-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def server(server_directory: Path) -> Iterator[Server]:
    """The server of this worker."""
    started = start_server(server_directory / "server")
    yield started
    started.embedded.close()


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The name of a database with every migration applied, sized for the offline model; nobody connects to it."""
    name = server.create()
    migrate.apply(server.dsn(name), model=MODEL)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def database(server: Server) -> Iterator[Callable[..., str]]:
    """Makes databases that go away with the test: ``database()`` or ``database(template)`` gives a DSN."""
    names: list[str] = []

    def create(template: str | None = None) -> str:
        names.append(server.create(template))
        return server.dsn(names[-1])

    yield create
    for name in names:
        server.drop(name)


@pytest.fixture
def dsn(database: Callable[..., str], template: str) -> str:
    """A migrated database of this test's own."""
    return database(template)


@pytest.fixture
def empty_dsn(database: Callable[..., str]) -> str:
    """An empty database of this test's own, without pgvector."""
    return database()


@pytest.fixture(scope="session")
def pooler(server: Server, server_directory: Path) -> Iterator[int]:
    """The port of a pgbouncer in transaction mode in front of the server."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        reason = "pgbouncer is not on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    port = free_port()
    config = server_directory / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres password={PASSWORD}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 10\nserver_idle_timeout = 2\n"
    )
    config.chmod(0o644)
    account = 65534 if os.geteuid() == 0 else None  # pgbouncer refuses to run as root
    with (server_directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([str(program), str(config)], user=account, stdout=log, stderr=log)
    wait_for_port(port, process)
    yield port
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:  # it waits for clients a failed test left behind
        process.kill()
        process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(f"ended with status {process.returncode}: {process.args!r}")


def through(pooler: int, dsn: str) -> str:
    """The same database through the pooler."""
    return make_conninfo(dsn, port=str(pooler), password="unused")


@pytest.fixture
def pooled_dsn(dsn: str, pooler: int) -> str:
    """``dsn`` through a pgbouncer in transaction mode."""
    return through(pooler, dsn)


@pytest.fixture
def empty_pooled_dsn(empty_dsn: str, pooler: int) -> str:
    """``empty_dsn`` through a pgbouncer in transaction mode."""
    return through(pooler, empty_dsn)


@pytest.fixture
def own_server(server_directory: Path) -> Iterator[Server]:
    """A server of this test's own, to be killed."""
    started = start_server(server_directory / f"own-{uuid.uuid4().hex[:8]}", synchronous_commit="on")
    yield started
    started.embedded.close()


@pytest.fixture(scope="session")
def dump(server: Server) -> Callable[..., str]:
    """The schema of a database as the server's own pg_dump writes it, without what differs from run to run."""

    def schema(dsn: str, *flags: str) -> str:
        command = [server.program("pg_dump"), "--schema-only", "--no-owner", *flags, "--dbname", dsn]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        noise = ("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config")
        lines = [line for line in text.splitlines() if not line.startswith(noise)]
        return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip() + "\n"

    return schema
