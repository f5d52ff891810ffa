"""The work itself: new columns, batches, indexes, verification, the switch. Each step can be killed and repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from typing import Final

import psycopg
from pgvector import Vector
from psycopg import sql

from memgpt.database.connection import Connection
from memgpt.database.dimensions import column
from memgpt.embeddings import EmbeddingModel
from memgpt.embeddings.cache import record, unaccounted
from memgpt.errors import ConflictError, EmbeddingError
from memgpt.reembed import checks, tables
from memgpt.reembed.checks import SavedQuery, VectorComparison
from memgpt.reembed.record import SQL as RECORD_SQL
from memgpt.reembed.record import Guard, activate, advance, current, verified
from memgpt.reembed.rows import Batches, PendingRow, counted
from memgpt.reembed.session import ReembedSession, Retry, rate_limited
from memgpt.reembed.tables import EmbeddedTable

_NEARLY_DONE: Final = 100
"""Rows left at which a switch is worth trying; writers make some all the time."""
_PASSES: Final = 1_000
_PATIENCE_UNDER_LOCK: Final = 3.0
"""Seconds the last few rows may take to embed while everybody waits."""
_ROWS_BETWEEN_VACUUMS: Final = 2_000
"""At least. A search reads the table for every row of its agent that moved since the last one."""
_SHARE_BETWEEN_VACUUMS: Final = 0.05
"""Of the rows done so far: every vacuum looks at all of them again."""


@dataclass(frozen=True, slots=True)
class ReembedProgress:
    """Progress of a run: rows of the phase, or no total where that is not known."""

    phase: str
    done: int
    total: int


class ReembedRun:
    """One run of a switch to ``model``, by the process that has the guard."""

    def __init__(
        self,
        session: ReembedSession,
        guard: Guard,
        model: EmbeddingModel,
        *,
        batch: int,
        rate: float | None,
        on_progress: Callable[[ReembedProgress], None] | None,
    ) -> None:
        self._session = session
        self._guard = guard
        self._model = model
        self._batch = batch
        self._pause = rate_limited(rate)
        self._on_progress = on_progress or (lambda _: None)
        self._size = column(model.dimensions)
        self._tables = tables.tables(session.options.db_schema)
        self.embedded = 0
        self._done_before = self._total = 0

    def prepare(self) -> None:
        """Begin, or find that it has begun: the record and the columns in one transaction, then the partial indexes."""

        def begin(connection: Connection) -> None:
            if current(connection) is None:
                name, dimensions = self._model.name, self._model.dimensions
                connection.execute(RECORD_SQL.begin, {"to_model": name, "to_dimensions": dimensions})
                for table in self._tables:
                    tables.add_columns(connection, table, self._size)

        with self._session.database.transaction() as connection:
            begun = current(connection) is not None
        if not begun:
            self._session.locked(begin)
        self._phase("preparing")
        with self._session.alone() as connection:
            for table in self._tables:
                self._drop_invalid(connection, table)
                connection.execute(tables.index_missing(table))
            total = sum(missing for _, _, missing in counted(connection, self._tables))
            under_way = current(connection)
            self._done_before = under_way.rows_done if under_way else 0
            self._total = total + self._done_before
            connection.execute(RECORD_SQL.total, {"rows": self._total})

    def embed(self, phase: str = "embedding") -> None:
        """Embed whatever lacks a vector, until a whole pass finds next to nothing."""
        self._phase(phase)
        for _ in range(_PASSES):
            rows = sum(self._pass(Batches(table, self._model), phase) for table in self._tables)
            if rows <= _NEARLY_DONE:
                return
        raise ConflictError(
            f"rows are written faster than {self._model.name} embeds them: try again when less is going on"
        )

    def index(self) -> None:
        """Build the indexes of the new vectors, and let searches read them without the table."""
        for table in self._tables:
            for name, statement in tables.next_indexes(table, self._size):
                self._phase(f"building {name}")
                with self._session.alone(dimensions=self._model.dimensions) as connection:
                    self._drop_invalid(connection, table)
                    self._build(connection, table, statement)
            with self._session.alone() as connection:
                self._phase(f"vacuuming {table.name}")
                connection.execute(table.compose(tables.SQL.vacuum))

    def verify(
        self, old: EmbeddingModel | None, saved: Sequence[SavedQuery], minimum: float | None
    ) -> VectorComparison:
        """Compare old and new, record it, and refuse what would be worse."""
        self._phase("verifying")
        with self._session.alone() as connection:
            comparison = checks.verify(connection, self._tables, old, self._model, saved)
            verified(connection, dataclasses.asdict(comparison))
        checks.check(comparison, minimum)
        return comparison

    def switch(self) -> None:
        """Make the new vectors the live ones, for everybody at once."""
        self._phase("switching")

        def exchange(connection: Connection) -> None:
            for table in self._tables:
                self._last_rows(connection, table)
                tables.exchange(connection, table, self._size)
            connection.execute(tables.SQL.renew_function)
            activate(connection, self._model.name, self._model.dimensions)
            connection.execute(RECORD_SQL.switched)

        def attempt(connection: Connection) -> None:
            try:
                exchange(connection)
            except TooSlow:
                raise Retry from None

        self._guard.keep()
        self._session.locked(attempt, between=lambda: self.embed("catching up"))

    def mend(self) -> int:
        """Fill the gaps of the live vectors: rows without one, or with another model's."""
        batches = [Batches(table, self._model, mending=True) for table in self._tables]
        return sum(self._pass(each, "mending") for each in batches)

    def _pass(self, batches: Batches, phase: str) -> int:
        """Once through a table; answers how many rows were found."""
        last: PendingRow | None = None
        total = moved = 0
        while True:
            with self._session.database.connection() as connection:
                rows = batches.after(connection, last, self._batch)
            if moved >= (max(_ROWS_BETWEEN_VACUUMS, _SHARE_BETWEEN_VACUUMS * self.embedded) if rows else _NEARLY_DONE):
                moved = 0
                with self._session.alone() as connection:
                    connection.execute(batches.table.compose(tables.SQL.vacuum_lightly))
            if not rows:
                return total
            total += len(rows)
            moved += self._store(batches, rows)
            last = rows[-1]
            self._report(phase)
            self._pause(len(rows))

    def _store(self, batches: Batches, rows: Sequence[PendingRow]) -> int:
        """One batch: embedded outside any transaction, stored in one. Killed in between, only it is embedded again."""
        self._guard.keep()
        vectors = batches.embed(rows)
        with self._session.database.transaction() as connection:
            connection.execute("SET LOCAL synchronous_commit = off")  # a lost batch is embedded again
            stored = self._keep(connection, batches, rows, vectors)
        self.embedded += stored
        return stored

    def _keep(
        self, connection: Connection, batches: Batches, rows: Sequence[PendingRow], vectors: Sequence[Vector]
    ) -> int:
        stored = batches.store(connection, rows, vectors)
        used = dataclasses.replace(unaccounted(self._model), texts=len(rows))
        record(connection, "", self._model.name, used)
        advance(connection, stored, used)
        return stored

    def _last_rows(self, connection: Connection, table: EmbeddedTable) -> None:
        """Embed what was written since the last pass, while nobody writes; not when it takes long."""
        batches = Batches(table, self._model)
        rows = batches.after(connection, None, 10 * _NEARLY_DONE)
        if not rows:
            return
        if len(rows) == 10 * _NEARLY_DONE:
            raise TooSlow
        pool = ThreadPoolExecutor(1)
        try:
            vectors = pool.submit(batches.embed, rows).result(_PATIENCE_UNDER_LOCK)
        finally:
            pool.shutdown(wait=False)
        if self._keep(connection, batches, rows, vectors) != len(rows):
            raise EmbeddingError(f"rows of {table.name} changed under a lock: this should not happen, please report it")

    def _build(self, connection: Connection, table: EmbeddedTable, statement: sql.SQL) -> None:
        try:
            connection.execute(statement)
        except psycopg.errors.ProgramLimitExceeded:
            # IVFFlat and a pooler, through which a session cannot be given the memory. memgpt's searches do not need
            # this index; `memgpt doctor` tells how to build it.
            self._drop_invalid(connection, table)

    def _drop_invalid(self, connection: Connection, table: EmbeddedTable) -> None:
        for name in tables.invalid_indexes(connection, table):
            index = sql.Identifier(table.schema, name)
            connection.execute(table.compose(tables.SQL.drop_index_concurrently, index=index))

    def _phase(self, phase: str) -> None:
        with self._session.database.transaction() as connection:
            connection.execute(RECORD_SQL.phase, {"phase": phase})
        self._report(phase)

    def _report(self, phase: str) -> None:
        done = self._done_before + self.embedded
        self._on_progress(ReembedProgress(phase, done, max(done, self._total)))
