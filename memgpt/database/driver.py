"""The kind of connection memgpt uses: it waits within bounds, carries a request's scope, and stays with its process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import Transaction
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from memgpt.database import forks, isolation, queries
from memgpt.database.cancellation import interruptible
from memgpt.database.failures import translation
from memgpt.database.isolation import IsolatedConnection, Tenancy
from memgpt.errors import DatabaseError

T = TypeVar("T")

ARRAYS: Final = frozenset({"@>", "&&"})
TEXTS_AND_ARRAYS: Final = frozenset({"@@", "@>", "&&"})
CLUSTER: Final = frozenset({"cluster"})
"""A cluster finds the shard of an agent by a plain comparison only."""
SCANNED: Final = CLUSTER | {"scan"}
"""There no function of the owner reads tables: for a request the rows of the agent are tested one by one."""


@contextmanager
def translated() -> Iterator[None]:
    """Let no exception of the driver out: each leaves as one of memgpt's, with the driver's as its cause."""
    try:
        yield
    except psycopg.Error as error:
        raise translation(error) from error


class Connection(IsolatedConnection):
    """A psycopg connection that does not wait for ever, and fetches in binary, which no DateStyle or TimeZone changes.

    A server that is stopped or cut off keeps no ``statement_timeout``. ``deadline`` (seconds for one exchange,
    None for no limit) is kept by this side: the query is cancelled if possible and the connection closed.

    The driver's exceptions become memgpt's where the block ends that the connection was opened or lent for.
    """

    in_binary = True
    """False: statements may be several in one string, which PostgreSQL takes in text only."""
    deadline: float | None = None
    inherited = False
    """Whether this process was forked from the one that opened it."""
    _scoped_factory: type[psycopg.Cursor[TupleRow]] | None = None
    """Made once: instrumented connections have a kind of cursor of their own each."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        forks.register(self)

    def after_fork(self) -> None:
        """Let go of the parent's socket without a word to the server: its session goes on.

        The descriptor then leads nowhere, rather than being free for another file that libpq would write to.
        """
        self.inherited = True
        self.lock = threading.Lock()
        if self.pgconn.status == psycopg.pq.ConnStatus.OK:
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, self.pgconn.socket, inheritable=False)
            os.close(nowhere)

    @property
    def closed(self) -> bool:
        return self.inherited or super().closed

    if not TYPE_CHECKING:  # the types stay those of psycopg

        def cursor(self, name: str = "", *, binary: bool | None = None, **options: Any) -> Any:
            return super().cursor(name, binary=self.in_binary if binary is None else binary, **options)

    @contextmanager
    def scoped(self, scope: Tenancy | None) -> Iterator[None]:
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
    def one_flush(self) -> Iterator[None]:
        """Send the statements inside together: one round trip and, outside of a transaction, one transaction."""
        with self.pipeline():
            if self.scope is not None and self.info.transaction_status == TransactionStatus.IDLE:
                isolation.enter(self)
            yield

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Run fixed statements of ours as the owner, in the transaction of a request that may not run them itself."""
        if self.scope is not None:
            self.execute(isolation.SQL.leave)
        yield
        if self.scope is not None:
            isolation.enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translated():
            super().__exit__(kind, error, trace)
        if isinstance(error, psycopg.Error):
            raise translation(error) from error

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Transaction]:
        with ExitStack() as stack:
            block = Transaction(self, savepoint_name, force_rollback)
            if self.scope is None or self.info.transaction_status != TransactionStatus.IDLE:
                stack.enter_context(block)
            else:
                with self.pipeline():
                    stack.enter_context(block)
                    isolation.enter(self)
            try:
                yield block
            finally:
                if self.inherited:
                    stack.pop_all()  # its end is the parent's business
        self._check_process()

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        self._check_process()
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            with interruptible(partial(self.cancel_safe, timeout=5.0)):
                return super().wait(gen, interval, self.deadline)
        except psycopg.errors._WaitTimeout:
            self._abandon()
            raise DatabaseError(
                f"PostgreSQL did not answer within {self.deadline:g} s, so the connection was closed; "
                "look at the server, or raise MEMGPT_STATEMENT_TIMEOUT"
            ) from None

    def _check_process(self) -> None:
        if self.inherited:
            raise DatabaseError(
                "this transaction belongs to the process from which this one was forked, and ends there: "
                "fork outside of transactions, and begin one of your own here"
            )

    def _abandon(self) -> None:
        try:
            self.cancel_safe(timeout=1.0)
        except psycopg.Error:
            pass  # the server that does not answer need not answer this either
        finally:
            self.pgconn.finish()


def execute_long(
    connection: psycopg.Connection[Any], statement: bytes, parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """Return the rows of a long statement with named parameters, in binary, without splitting it at each call."""
    numbered = queries.numbered(statement)
    factory: Any = connection.cursor_factory
    with _numbered(factory)(connection, row_factory=tuple_row) as cursor:
        return cursor.execute(numbered, [parameters[name] for name in numbered.names], binary=True).fetchall()


@cache
def _numbered(factory: Any) -> type[psycopg.Cursor[Any]]:
    """Return the same kind of cursor for statements with numbers, made once for each kind."""
    return type("NumberedCursor", (psycopg.RawCursor, factory), {})


def hidden_operators(connection: psycopg.Connection[Any]) -> frozenset[str]:
    """Return the operators that a policy keeps from the indexes, so that functions of the owner look up in their place.

    Those of arrays for every request; ``@@`` where no superuser has declared that it tells nothing.
    """
    if not isinstance(connection, Connection):
        return frozenset()
    if connection.citus:
        return CLUSTER if connection.scope is None else SCANNED
    if connection.scope is None:
        return frozenset()
    return ARRAYS if connection.leakproof else TEXTS_AND_ARRAYS
