"""The one place where the driver's exceptions become memgpt's."""

from __future__ import annotations

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from memgpt.errors import (
    ConfigurationError,
    ConflictError,
    ContentionError,
    DatabaseError,
    DeniedError,
    InputError,
    MemgptError,
    ReadOnlyError,
    UnavailableError,
)


def translation(error: psycopg.Error) -> MemgptError:
    """Translate an error of the driver to one of memgpt. Of rows and values it keeps PostgreSQL's first line."""
    words = _words(error)
    specific = _specific(error, words)
    if specific is not None:
        return specific
    match (error.sqlstate or "")[:2]:
        case "08" | "57":
            return UnavailableError(f"the connection to PostgreSQL was lost: {words}; try again")
        case "40":
            return ContentionError(f"somebody else is changing the same rows: {words}; try again")
        case "53":
            return UnavailableError(f"PostgreSQL is out of resources: {words}; look at the server, then try again")
        case "22" | "54":
            return InputError(f"a value cannot be stored: {words}")
        case "23":
            return InputError(f"a rule of the database forbids this: {words}")
        case "58" | "XX":
            return DatabaseError(f"PostgreSQL failed: {words}; its log says more")
        case "":
            return _of_client(error, words)
        case _:
            return DatabaseError(f"PostgreSQL refused a statement: {words}")


def _specific(error: psycopg.Error, words: str) -> MemgptError | None:
    """Errors that need words of their own."""
    match error:
        case errors.ReadOnlySqlTransaction():
            return ReadOnlyError(
                "this server is a read-only standby, or the role's default_transaction_read_only is on: "
                "write to the primary, as a role that may"
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction():
            return DatabaseError(f"{words}: run `memgpt db migrate` first")
        case errors.UndefinedObject() if "text search configuration" in words:
            return ConfigurationError(f"{words}: set MEMGPT_LANGUAGE to one of pg_ts_config, such as english or simple")
        case errors.InsufficientPrivilege():
            return DeniedError(f"the database role may not do this: {words}")
        case errors.UniqueViolation() | errors.ExclusionViolation() | errors.ForeignKeyViolation():
            return ConflictError(f"somebody else changed it first, or it exists already: {words}")
        case errors.LockNotAvailable():
            return ContentionError(f"somebody else holds the rows: {words}; try again")
        case errors.DiskFull():
            return UnavailableError(f"the server's disk is full: {words}; free space, then try again")
        case errors.QueryCanceled():
            return DatabaseError(f"the statement was cancelled: {words}; raise the statement_timeout, or ask for less")
        case _:
            return None


def _of_client(error: psycopg.Error, words: str) -> MemgptError:
    """Errors that no server sent."""
    match error:
        case PoolTimeout() | TooManyRequests():
            return UnavailableError(
                f"no connection to PostgreSQL became free: {words}; raise MEMGPT_POOL_SIZE, or try again"
            )
        case PoolClosed():
            return DatabaseError("this memory's database is closed: open it again")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return UnavailableError(f"the connection to PostgreSQL was lost: {words}; try again")
        case psycopg.InternalError() if "BEGIN" in words:  # a pooler whose server ended
            return UnavailableError(f"the connection to PostgreSQL was lost: {words}; try again")
        case psycopg.DataError():
            return InputError(f"a value cannot be stored: {words}")
        case _:
            return DatabaseError(f"the database driver refused this: {words}")


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
