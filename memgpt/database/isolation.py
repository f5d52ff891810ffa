"""Isolation kept by the database: requests run as a role that owns nothing, inside the agents their key may touch.

Role and scope last for one transaction, so that nothing leaks through a pooler, and travel in the same flush as the
statement they are for, so that they cost no round trip. The policies are in the migrations.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Params, Query
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from memgpt.database import queries
from memgpt.errors import DatabaseError

SQL = queries.beside(__name__)

LAST_CHARACTER = chr(sys.maxunicode)
"""Comes behind every character."""


@dataclass(frozen=True, slots=True)
class AgentRanges:
    """Ranges of agent ids in a scope."""

    bounds: Sequence[tuple[str, str]]
    """First and last ids."""
    anywhere: bool
    """Whether there may be more of them beside these."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Agents that one request may touch."""

    agents: tuple[str, ...]
    """Agents of the caller's key: exact names, or beginnings that end in ``*``."""
    agent_id: str = ""
    """The agent of the request; the rows of no other are seen. Empty: only the list of the key's agents is."""

    def allows(self, agent_id: str) -> bool:
        """Tell whether the request may touch an agent; the same rule as the policies'."""
        return any(
            agent_id == pattern or (pattern.endswith("*") and agent_id.startswith(pattern[:-1]))
            for pattern in self.agents
        )

    def narrowed(self, prefix: str) -> Tenancy:
        """Return the scope of those of its agents whose ids begin so."""
        narrower = (
            pattern if pattern.startswith(prefix) else f"{prefix}*"
            for pattern in self.agents
            if pattern.startswith(prefix) or (pattern.endswith("*") and prefix.startswith(pattern[:-1]))
        )
        return Tenancy(tuple(narrower), self.agent_id)

    def ranges(self, *, by_code_point: bool) -> AgentRanges:
        """Return where its agents are in the order of their ids. What begins with a text is a range of it only in a
        database that orders texts by code points."""
        exact = {(pattern, pattern) for pattern in self.agents if not pattern.endswith("*")}
        beginnings = [pattern[:-1] for pattern in self.agents if pattern.endswith("*")]
        if by_code_point:
            exact |= {(beginning, f"{beginning}{LAST_CHARACTER}") for beginning in beginnings}
        return AgentRanges(sorted(exact), bool(beginnings) and not by_code_point)


class IsolatedConnection(psycopg.Connection[TupleRow]):
    """A connection that can work for one request at a time, inside of the agents that request may touch."""

    scope: Tenancy | None = None
    """What the request this connection works for may touch; None: the owner's connection."""
    role = "memgpt_agent"
    """As whom a request runs."""
    citus = False
    leakproof = True
    """Whether a policy lets ``@@`` reach an index."""


class ScopedCursor(psycopg.Cursor[TupleRow]):
    """A cursor of an isolated connection: a statement outside a transaction brings role and scope along."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> ScopedCursor:
        connection: IsolatedConnection = self.connection  # type: ignore[assignment]
        if connection.info.transaction_status != TransactionStatus.IDLE:
            return super().execute(query, *args, **kwargs)
        with connection.pipeline():  # one implicit transaction, ended by the flush
            enter(connection)
            super().execute(query, *args, **kwargs)
        return self

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        self._refuse_outside_transaction()
        super().executemany(query, params_seq, returning=returning)

    @contextmanager
    def copy(self, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        self._refuse_outside_transaction()
        with super().copy(*args, **kwargs) as copy:
            yield copy

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        self._refuse_outside_transaction()
        return super().stream(*args, **kwargs)

    def _refuse_outside_transaction(self) -> None:
        if self.connection.info.transaction_status == TransactionStatus.IDLE:
            raise DatabaseError("on an isolated connection this needs a transaction, which carries role and scope")


def scoped(factory: type[psycopg.Cursor[TupleRow]]) -> type[psycopg.Cursor[TupleRow]]:
    """Return the kind of cursor for the statements of a request. One that traces goes around the whole round trip."""
    if factory is psycopg.Cursor:
        return ScopedCursor
    return type("ScopedCursor", (factory, ScopedCursor), {})


def enter(connection: IsolatedConnection) -> None:
    """Give the transaction that is beginning its role and scope."""
    scope = connection.scope
    assert scope is not None  # noqa: S101 - only isolated connections get here
    settings = {
        "memgpt.scope": json.dumps(scope.agents),
        "memgpt.agent_id": scope.agent_id,
        "role": connection.role,
    }
    cursor = psycopg.Cursor(connection)
    if not connection.citus:
        cursor.execute(SQL.enter, {name.rpartition(".")[2]: value for name, value in settings.items()})
        return
    # set_config() stays on the coordinator; SET LOCAL reaches the shards where Citus is told to pass it on.
    for name, value in {"citus.propagate_set_commands": "local", **settings}.items():
        words = sql.SQL("SET LOCAL {} TO {}")
        cursor.execute(words.format(sql.Identifier(*name.split(".")), sql.Literal(value)))
