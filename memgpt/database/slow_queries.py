"""Plans of statements that took too long, when an operator asks for them.

The statement is explained on the connection it ran on, as the same role, in the same scope, with the same
parameters: what only reads is run once more for real times and buffers, what writes is planned only. Kept and logged
are no parameters: a plan is kept with its literals cut out.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow

from memgpt.database import forks, queries
from memgpt.database.isolation import IsolatedConnection
from memgpt.database.queries import NumberedStatement

SQL = queries.beside(__name__)
log = logging.getLogger("memgpt.slow")

MOST_KEPT: Final = 100
EXPLAINED_EVERY: Final = 60.0
"""Seconds between two plans of one statement: explaining runs it again."""

_LITERAL: Final = re.compile(r"E?'(?:[^'\\]|''|\\.)*+(?:'|\\?\Z)", re.DOTALL)
"""One that does not end goes to the end of the text."""
_WRITES: Final = re.compile(
    rb"\b(?:INSERT|UPDATE|DELETE|MERGE|CALL|COPY|DO|pg_advisory\w*|setval|nextval|set_config)\b", re.IGNORECASE
)
_EXPLAINABLE: Final = re.compile(rb"\A\s*+(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)

Factory = type[psycopg.Cursor[TupleRow]]


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """One statement that took too long."""

    at: datetime
    ms: float
    agent_id: str | None
    statement: str
    """With placeholders, as it is in the code."""
    analyzed: bool
    """Whether the plan has real times, rows and buffers."""
    plan: Sequence[str]
    """Lines of ``EXPLAIN``, without literals; empty where it was explained less than a minute before."""


class SlowStatements:
    """The latest slow statements of a process. Threads may share it."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self._kept: deque[SlowStatement] = deque(maxlen=MOST_KEPT)
        self._explained: dict[bytes, float] = {}
        self._lock = forks.lock()

    def latest(self) -> Sequence[SlowStatement]:
        """Newest first."""
        with self._lock:
            return [*reversed(self._kept)]

    def note(self, connection: IsolatedConnection, statement: bytes, parameters: Any, seconds: float) -> None:
        """Keep a statement that took so long, with its plan where there is none yet."""
        analyzed = _WRITES.search(statement) is None
        plan = _explain(connection, statement, parameters, analyzed) if self._is_due(statement) else []
        agent_id = connection.scope.agent_id if connection.scope else None
        slow = SlowStatement(
            datetime.now(UTC), round(seconds * 1000, 1), agent_id, statement.decode(), analyzed and bool(plan), plan
        )
        with self._lock:
            self._kept.append(slow)
        log.warning("a statement took %.0f ms: %s", slow.ms, " ".join(slow.statement.split())[:200])

    def _is_due(self, statement: bytes) -> bool:
        if not _EXPLAINABLE.match(statement):
            return False
        with self._lock:
            now = time.monotonic()
            self._explained = {s: at for s, at in self._explained.items() if now - at < EXPLAINED_EVERY}
            if statement in self._explained or len(self._explained) >= MOST_KEPT:
                return False
            self._explained[statement] = now
            return True


def timed(factory: Factory, slow: SlowStatements) -> Factory:
    """Return a kind of cursor that measures each statement."""

    class TimedCursor(factory):  # type: ignore[misc, valid-type]
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            started = time.perf_counter()
            answer = super().execute(query, params, **options)
            seconds = time.perf_counter() - started
            if seconds * 1000 >= slow.milliseconds and isinstance(query, bytes):
                if isinstance(query, NumberedStatement):  # as it was written
                    query, params = query.named, dict(zip(query.names, params, strict=True))
                slow.note(self.connection, query, params, seconds)
            return answer

    return TimedCursor


def _explain(connection: IsolatedConnection, statement: bytes, parameters: Any, analyzed: bool) -> list[str]:
    """In a transaction, or a savepoint, of its own: what fails here fails nothing else."""
    usable = (TransactionStatus.IDLE, TransactionStatus.INTRANS)
    if connection.info.transaction_status not in usable or connection.info.pipeline_status != PipelineStatus.OFF:
        return []
    how = SQL.explain_analyzed if analyzed else SQL.explain
    try:
        with connection.transaction():
            cursor = psycopg.Cursor(connection)
            lines = cursor.execute(queries.compose(how, statement=statement), parameters, prepare=False).fetchall()
    except psycopg.Error as error:
        log.warning("a slow statement could not be explained: %s", type(error).__name__)
        return []
    # as one text: a literal with line breaks goes over several lines
    return without_literals("\n".join(line for (line,) in lines)).split("\n")


def without_literals(text: str) -> str:
    """Cut what a statement or a plan quotes."""
    return _LITERAL.sub("'…'", text)
