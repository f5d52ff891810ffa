"""Connections to PostgreSQL: where the server is, what it is, a pool, and deadlines the client itself keeps."""

from __future__ import annotations

import copy
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from memgpt.config import Settings, settings
from memgpt.database import forks, numbers, times
from memgpt.database.caches import AgentCaches
from memgpt.database.driver import Connection, translated
from memgpt.database.isolation import Tenancy
from memgpt.database.server_facts import SESSION, Server, check_encoding, describe, register_types
from memgpt.database.slow_queries import SlowStatements, timed
from memgpt.errors import ConfigurationError, ContentionError, DatabaseError, UnavailableError

__all__ = [
    "Connection",
    "Database",
    "PoolUse",
    "connect",
    "conninfo",
    "get_db_connection",
    "locate",
]

OLDEST_SERVER: Final = 160000
T = TypeVar("T")


class Attachment(Protocol):
    """Companion of a pool that has something to finish before the pool is closed."""

    def close(self) -> None: ...


A = TypeVar("A", bound=Attachment)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Use of a pool's connections at this moment."""

    connections: dict[str, int]
    """How many are ``used`` and how many ``idle``."""
    waiting: int
    """Calls that wait for one."""


def locate(options: Settings | None = None) -> str:
    """Return the connection string: ``DATABASE_URL``, libpq's variables, else the embedded server, started if need
    be."""
    options = options or settings()
    if options.database_url is not None:
        return options.database_url.get_secret_value()
    if not options.uses_embedded_server:
        return ""
    from memgpt.database.embedded import EmbeddedServer  # not loaded by those who run a server of their own

    return EmbeddedServer.open(options.data_dir).dsn


def connect(
    dsn: str | None = None,
    *,
    options: Settings | None = None,
    autocommit: bool = False,
    deadline: float | None = None,
    vectors: bool = True,
) -> Connection:
    """Open a single connection, safe behind a transaction pooler: nothing is prepared, nothing set for the session.

    ``vectors=False`` also accepts a database without pgvector, as the first migration must.

    Raises:
        DatabaseError: no connection, a server older than PostgreSQL 16, or one without pgvector.
    """
    options = options or settings()
    connection = _open(locate(options) if dsn is None else dsn, options, autocommit=autocommit)
    try:
        with translated():
            if vectors:
                register_types(connection, describe(connection))
    except BaseException:
        connection.close()
        raise
    connection.deadline = deadline
    connection.role = options.db_role
    return connection


def get_db_connection() -> Connection:
    """Open a connection to the configured database, in a transaction of its own: ``commit()`` keeps the work."""
    connection = connect(vectors=False)
    connection.in_binary = False
    return connection


def _open(dsn: str, options: Settings, *, autocommit: bool) -> Connection:
    try:
        connection = Connection.connect(conninfo(dsn, options), autocommit=autocommit, prepare_threshold=None)
        times.register(connection)
        numbers.register(connection)
    except psycopg.Error as error:
        raise UnavailableError(f"cannot connect to PostgreSQL: {_reason(error)}") from error
    if connection.info.server_version < OLDEST_SERVER:
        version = connection.info.server_version
        connection.close()
        raise DatabaseError(f"PostgreSQL {version // 10000} is too old: memgpt needs 16 or newer")
    return connection


def conninfo(dsn: str, options: Settings) -> str:
    """Complete a connection string: how long to wait, our name, and UTF-8 in any case."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "the connection string cannot be read; it looks like postgresql://user:password@host:5432/database"
        ) from None
    defaults = {"connect_timeout": str(max(2, round(options.connect_timeout))), "application_name": "memgpt"}
    return make_conninfo(dsn, client_encoding="UTF8", **{k: v for k, v in defaults.items() if k not in parts})


def _reason(error: psycopg.Error) -> str:
    """Return the server's words on one line, with what usually helps."""
    text = " ".join(str(error).split())
    hints = {
        "password authentication failed": "check the user and password in DATABASE_URL",
        "does not exist": "create it first, or check the name in DATABASE_URL",
        "Connection refused": "is the server running at that address?",
        "could not translate host name": "check the host name in DATABASE_URL",
        "failed to resolve host": "check the host name in DATABASE_URL",
        "too many clients": "lower MEMGPT_POOL_SIZE or put a pooler in front",
    }
    hint = next((h for words, h in hints.items() if words in text), "check DATABASE_URL")
    return f"{text} ({hint})"


class _Pool:
    """The connections of this process to one database, opened when first needed, and anew in a forked child."""

    def __init__(self, dsn: str, options: Settings, slow: SlowStatements | None) -> None:
        self.dsn = dsn
        self.options = options
        self.pooled = False
        self._slow = slow
        self._lock = forks.lock()
        self._server: Server | None = None
        self._connections = self._unopened()
        forks.register(self)

    def after_fork(self) -> None:
        """Leave the parent its connections: what they are connected by has let go of their sockets by itself."""
        if not self._connections.closed:
            self._connections._closed = True  # its threads are the parent's: nothing is to wait for them
            self._server, self._connections = None, self._unopened()

    @property
    def server(self) -> Server:
        if self._server is None:
            self._connect_once()
        assert self._server is not None  # noqa: S101 - set by _connect_once
        return self._server

    @contextmanager
    def lease(self) -> Iterator[Connection]:
        """Lend the caller a connection of its own."""
        self._connect_once()
        connections = self._connections
        with translated():
            connection = connections.getconn()
            try:
                with connection:
                    yield connection
            finally:
                if not connection.inherited:
                    connections.putconn(connection)

    def drain(self) -> None:
        self._connections.drain()

    def use(self) -> PoolUse:
        stats = self._connections.get_stats()
        idle = stats.get("pool_available", 0)
        return PoolUse({"used": stats.get("pool_size", 0) - idle, "idle": idle}, stats.get("requests_waiting", 0))

    def close(self) -> None:
        self._connections.close()

    def set_session(self, *, local: bool) -> sql.Composed | None:
        """Return the statement that gives a session what our SQL relies on; None where it has all of that."""
        wanted: dict[str, sql.Composable] = {name: sql.SQL(SESSION[name]) for name in self.server.settings}
        schemas, vector_schema = self.server.schemas, self.server.vector_schema
        if self.options.db_schema != (schemas[0] if schemas else None) or vector_schema not in schemas:
            path = dict.fromkeys((self.options.db_schema, vector_schema or "public"))
            wanted["search_path"] = sql.SQL(", ").join(map(sql.Identifier, path))
        scope = sql.SQL("SET LOCAL" if local else "SET")
        words = [sql.SQL("{} {} TO {}").format(scope, sql.Identifier(name), value) for name, value in wanted.items()]
        return sql.SQL("; ").join(words) if words else None

    def _unopened(self) -> ConnectionPool[Connection]:
        return ConnectionPool(
            conninfo(self.dsn, self.options),
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=self.options.pool_size,
            timeout=self.options.connect_timeout,
            reconnect_timeout=self.options.connect_timeout,
            configure=self._configure,
            check=_check,
            open=False,
        )

    def _connect_once(self) -> None:
        """Open the first connection outside the pool, which would hide the reason of a failure behind a time-out."""
        if self._server is not None:
            return
        with self._lock:
            if self._server is not None:
                return
            first = _open(self.dsn, self.options, autocommit=True)
            with first:
                server = describe(first)
                check_encoding(server.encoding)
                register_types(first, server)
                self.pooled = first.info.backend_pid != server.backend_pid
            self._server = server
            self._connections.open()

    def _configure(self, connection: Connection) -> None:
        register_types(connection, self.server)
        connection.deadline = self.options.statement_timeout
        connection.role = self.options.db_role
        connection.citus = self.server.citus
        connection.leakproof = self.server.leakproof
        if self._slow is not None:
            connection.cursor_factory = timed(connection.cursor_factory, self._slow)
        if not self.pooled:
            connection.prepare_threshold = 5
            if (statement := self.set_session(local=False)) is not None:
                connection.cursor(binary=False).execute(statement)


class Database:
    """A pool of connections to one database. Threads and forked processes may share it.

    Direct connections keep prepared statements; where a transaction pooler sits in between, nothing is prepared and the
    schema is set for each transaction.
    """

    def __init__(
        self, dsn: str | None = None, *, options: Settings | None = None, slow: SlowStatements | None = None
    ) -> None:
        self._options = options or settings()
        self._pool = _Pool(locate(self._options) if dsn is None else dsn, self._options, slow)
        self._scope: Tenancy | None = None
        self._attached: dict[type[Attachment], Attachment] = {}
        self.caches = AgentCaches()
        """What this process remembers of agents' texts; :meth:`close` drops it."""

    @property
    def server(self) -> Server:
        """Describe the server; connects on first use."""
        return self._pool.server

    @property
    def schema(self) -> str:
        return self._options.db_schema

    @property
    def dsn(self) -> str:
        """The connection string; it may hold a password, so it is never logged."""
        return self._pool.dsn

    def isolated(self, scope: Tenancy) -> Database:
        """Return the same pool for one request: its role and scope go with every transaction."""
        twin = copy.copy(self)
        twin._scope = scope
        return twin

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit: each statement is a transaction and one round trip."""
        with self._pool.lease() as connection, connection.scoped(self._scope):
            statement = self._pool.set_session(local=True) if self._pool.pooled else None
            if statement is None:
                yield connection
                return
            with connection.transaction():
                connection.cursor(binary=False).execute(statement)
                yield connection

    @contextmanager
    def as_owner(self) -> Iterator[Connection]:
        """Lend a connection in autocommit to statements of ours that no request may run: outside of any scope."""
        with self._pool.lease() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection in one transaction: everything is committed at the end, or nothing is."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a connection; repeated once on a new one when the server was restarted or its schema changed."""
        assert self.server  # noqa: S101 - who cannot connect at all is told at once
        try:
            with self.connection() as connection:
                return work(connection)
        except (UnavailableError, ContentionError) as error:
            if isinstance(error.__cause__, PoolTimeout):
                raise
            # the connection was lost: its successor is checked before it is handed out
        except DatabaseError as error:
            if not isinstance(error.__cause__, psycopg.errors.FeatureNotSupported):  # a plan of an older schema
                raise
            self._pool.drain()
        with self.connection() as connection:
            return work(connection)

    def attached(self, kind: type[A]) -> A:
        """Return the one object of that kind which works with this pool; it is closed before the pool."""
        return cast(A, self._attached.setdefault(kind, kind()))

    def pool_use(self) -> PoolUse:
        return self._pool.use()

    def close(self) -> None:
        for attachment in self._attached.values():
            attachment.close()
        self._pool.close()
        self.caches.clear()


def _check(connection: Connection) -> None:
    """Find a connection the server has closed, without a round trip: its socket has something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if selector.select(0):
            ConnectionPool.check_connection(connection)
