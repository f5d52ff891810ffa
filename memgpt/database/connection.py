"""Connections to PostgreSQL: where the server is, what it is, a pool, and deadlines the client itself keeps."""

from __future__ import annotations

import copy
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from pgvector.psycopg.vector import register_vector_info
from psycopg import Transaction, sql
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, class_row
from psycopg.types import TypeInfo
from psycopg_pool import ConnectionPool, PoolTimeout

from memgpt.config import Settings, settings
from memgpt.database import isolation, queries
from memgpt.database.caches import AgentCaches
from memgpt.database.isolation import RequestScope
from memgpt.database.slow import SlowStatements, timed
from memgpt.errors import ConfigurationError, DatabaseError, ReadOnlyError

SQL = queries.beside(__name__)

OLDEST_SERVER: Final = 160000
T = TypeVar("T")
Types: TypeAlias = dict[str, tuple[int, int]]


class Connection(psycopg.Connection[TupleRow]):
    """A psycopg connection that does not wait for ever.

    A server that is stopped or cut off keeps no ``statement_timeout``. ``deadline`` (seconds for one exchange,
    None for no limit) is kept by this side: the query is cancelled if possible and the connection closed.
    """

    deadline: float | None = None
    scope: RequestScope | None = None
    """What the request this connection works for may touch; None: the owner's connection."""
    citus = False
    _scoped_factory: type[psycopg.Cursor[TupleRow]] | None = None
    """Made once: instrumented connections have a kind of cursor of their own each."""

    @contextmanager
    def scoped(self, scope: RequestScope | None) -> Iterator[None]:
        """Everything inside runs isolated, if there is a scope."""
        if scope is None:
            yield
            return
        plain = self.cursor_factory
        if self._scoped_factory is None:
            self._scoped_factory = isolation.scoped(plain)
        self.scope, self.cursor_factory = scope, self._scoped_factory
        try:
            yield
        finally:
            self.scope, self.cursor_factory = None, plain

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """What a request may not do itself, done for it in its transaction: fixed statements of ours."""
        if self.scope is not None:
            self.execute(isolation.SQL.leave)
        yield
        if self.scope is not None:
            isolation.enter(self)

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Transaction]:
        if self.scope is None or self.info.transaction_status != TransactionStatus.IDLE:
            with super().transaction(savepoint_name, force_rollback) as transaction:
                yield transaction
            return
        with ExitStack() as stack:
            with self.pipeline():
                transaction = stack.enter_context(Transaction(self, savepoint_name, force_rollback))
                isolation.enter(self)
            yield transaction

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if timeout is not None or self.deadline is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.deadline)
        except psycopg.errors._WaitTimeout:
            self._abandon()
            raise DatabaseError(
                f"PostgreSQL did not answer within {self.deadline:g} s, so the connection was closed; "
                "look at the server, or raise MEMGPT_STATEMENT_TIMEOUT"
            ) from None

    def _abandon(self) -> None:
        try:
            self.cancel_safe(timeout=1.0)
        except psycopg.Error:
            pass  # the server that does not answer need not answer this either
        finally:
            self.pgconn.finish()


@dataclass(frozen=True, slots=True)
class PoolUse:
    """What a pool's connections do at this moment."""

    connections: dict[str, int]
    """How many are ``used`` and how many ``idle``."""
    waiting: int
    """Calls that wait for one."""


@dataclass(frozen=True, slots=True)
class Server:
    """What one look at a server told."""

    version: int
    backend_pid: int
    standby: bool
    citus: bool
    schemas: list[str]
    vector_schema: str | None
    vector_version: str | None
    types: dict[str, list[int]] | None


def locate(options: Settings | None = None) -> str:
    """The connection string: ``DATABASE_URL``, libpq's variables, else the embedded server, started if need be."""
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
    """A single connection, safe behind a transaction pooler: nothing is prepared, nothing set for the session.

    ``vectors=False`` also accepts a database without pgvector, as the first migration must.

    Raises:
        DatabaseError: no connection, a server older than PostgreSQL 16, or one without pgvector.
    """
    options = options or settings()
    connection = _open(locate(options) if dsn is None else dsn, options, autocommit=autocommit)
    try:
        if vectors:
            register_types(connection, describe(connection))
    except BaseException:
        connection.close()
        raise
    connection.deadline = deadline
    return connection


def get_db_connection() -> Connection:
    """A new connection to the configured database, in a transaction of its own: ``commit()`` keeps the work."""
    return connect(vectors=False)


def _open(dsn: str, options: Settings, *, autocommit: bool) -> Connection:
    try:
        connection = Connection.connect(_conninfo(dsn, options), autocommit=autocommit, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise DatabaseError(f"cannot connect to PostgreSQL: {_reason(error)}") from error
    if connection.info.server_version < OLDEST_SERVER:
        version = connection.info.server_version
        connection.close()
        raise DatabaseError(f"PostgreSQL {version // 10000} is too old: memgpt needs 16 or newer")
    return connection


def _conninfo(dsn: str, options: Settings) -> str:
    """The connection string with what it leaves open: how long to wait, and our name."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "the connection string cannot be read; it looks like postgresql://user:password@host:5432/database"
        ) from None
    defaults = {"connect_timeout": str(max(2, round(options.connect_timeout))), "application_name": "memgpt"}
    return make_conninfo(dsn, **{k: v for k, v in defaults.items() if k not in given})


def _reason(error: psycopg.Error) -> str:
    """The server's words on one line, with what usually helps."""
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


def describe(connection: psycopg.Connection[Any]) -> Server:
    """What this server is. One round trip."""
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        server = cursor.execute(SQL.describe_server).fetchone()
    assert server is not None  # noqa: S101 - the statement always gives one row
    return server


def register_types(connection: psycopg.Connection[Any], server: Server) -> None:
    """Teach a connection to send and read vectors in binary."""
    if not server.types:
        raise DatabaseError("pgvector is not installed in this database: run `memgpt db migrate`")
    register_vector_info(connection, TypeInfo("vector", *server.types["vector"]))
    if "halfvec" in server.types:
        register_halfvec_info(connection, TypeInfo("halfvec", *server.types["halfvec"]))


class Database:
    """A pool of connections to one database. Threads may share it.

    Direct connections keep prepared statements; where a transaction pooler sits in between, nothing is prepared and the
    schema is set for each transaction.
    """

    def __init__(
        self, dsn: str | None = None, *, options: Settings | None = None, slow: SlowStatements | None = None
    ) -> None:
        self._options = options or settings()
        self._slow = slow
        self._dsn = locate(self._options) if dsn is None else dsn
        self._server: Server | None = None
        self._pooled = False
        self._scope: RequestScope | None = None
        self._lock = threading.Lock()
        self.caches = AgentCaches()
        """What this process remembers of agents' texts; :meth:`close` drops it."""
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            _conninfo(self._dsn, self._options),
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=self._options.pool_size,
            timeout=self._options.connect_timeout,
            reconnect_timeout=self._options.connect_timeout,
            configure=self._configure,
            check=_check,
            open=False,
        )

    @property
    def server(self) -> Server:
        """What the server is; connects on first use."""
        if self._server is None:
            self._connect_once()
        assert self._server is not None  # noqa: S101 - set by _connect_once
        return self._server

    @property
    def schema(self) -> str:
        return self._options.db_schema

    @property
    def dsn(self) -> str:
        """The connection string; it may hold a password, so it is never logged."""
        return self._dsn

    def isolated(self, scope: RequestScope) -> Database:
        """The same pool for one request: its role and scope go with every transaction."""
        assert self.server  # noqa: S101 - connected before the pool is shared
        twin = copy.copy(self)
        twin._scope = scope
        return twin

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit: each statement is a transaction and one round trip."""
        self._connect_once()
        try:
            lease = self._pool.connection()
            connection = lease.__enter__()
        except PoolTimeout as error:
            raise DatabaseError(
                f"no connection to PostgreSQL within {self._options.connect_timeout:g} s: {error}"
            ) from error
        try:
            with connection.scoped(self._scope):
                if self._search_path_each_time:
                    with connection.transaction():
                        connection.execute(self._set_search_path(local=True))
                        yield connection
                else:
                    yield connection
        except BaseException as error:
            lease.__exit__(type(error), error, error.__traceback__)
            _explain(error)
            raise
        else:
            lease.__exit__(None, None, None)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in one transaction: everything is committed at the end, or nothing is."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a connection; repeated once on a new one when the server was restarted or its schema changed."""
        try:
            with self.connection() as connection:
                return work(connection)
        except psycopg.OperationalError:
            pass  # the connection was lost: its successor is checked before it is handed out
        except psycopg.errors.FeatureNotSupported as error:
            if "cached plan" not in str(error):
                raise
            self._pool.drain()
        with self.connection() as connection:
            return work(connection)

    def pool_use(self) -> PoolUse:
        found = self._pool.get_stats()
        idle = found.get("pool_available", 0)
        return PoolUse({"used": found.get("pool_size", 0) - idle, "idle": idle}, found.get("requests_waiting", 0))

    def close(self) -> None:
        self._pool.close()
        self.caches.clear()

    def _connect_once(self) -> None:
        """Open the first connection outside the pool, which would hide the reason of a failure behind a time-out."""
        if self._server is not None:
            return
        with self._lock:
            if self._server is not None:
                return
            first = _open(self._dsn, self._options, autocommit=True)
            with first:
                server = describe(first)
                register_types(first, server)
                self._pooled = first.info.backend_pid != server.backend_pid
            self._server = server
            self._pool.open()

    def _configure(self, connection: Connection) -> None:
        register_types(connection, self.server)
        connection.deadline = self._options.statement_timeout
        connection.citus = self.server.citus
        if self._slow is not None:
            connection.cursor_factory = timed(connection.cursor_factory, self._slow)
        if not self._pooled:
            connection.prepare_threshold = 5
            if self._needs_search_path:
                connection.execute(self._set_search_path(local=False))

    @property
    def _needs_search_path(self) -> bool:
        schemas = self.server.schemas
        return self.schema != (schemas[0] if schemas else None) or self.server.vector_schema not in schemas

    @property
    def _search_path_each_time(self) -> bool:
        return self._pooled and self._needs_search_path

    def _set_search_path(self, *, local: bool) -> sql.Composed:
        path = [self.schema, self.server.vector_schema or "public"]
        words = sql.SQL("SET LOCAL search_path TO {}") if local else sql.SQL("SET search_path TO {}")
        return words.format(sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(path))))


def _check(connection: Connection) -> None:
    """Find a connection the server has closed, without a round trip: its socket has something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if selector.select(0):
            ConnectionPool.check_connection(connection)


def _explain(error: BaseException) -> None:
    """Turn the driver's words for a standby or a missing table into what to do."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        raise ReadOnlyError("this server is a read-only standby; write to the primary") from error
    if isinstance(error, psycopg.errors.UndefinedObject) and "text search configuration" in str(error):
        raise ConfigurationError(
            f"{str(error).splitlines()[0]}: set MEMGPT_LANGUAGE to one of pg_ts_config, such as english or simple"
        ) from error
    if isinstance(error, psycopg.errors.UndefinedTable):
        raise DatabaseError(f"{str(error).splitlines()[0]}: run `memgpt db migrate` first") from error
