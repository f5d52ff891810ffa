"""What an operator asks of a running service: its keys and audit log, and the health of its database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from memgpt import reembed, validation
from memgpt.database import queries
from memgpt.database.admin import maintenance, migrate, verify
from memgpt.database.admin.maintenance import RunningMaintenance
from memgpt.database.admin.migrate import MigrationStatus
from memgpt.database.admin.verify import SchemaVerification
from memgpt.database.connection import Connection
from memgpt.database.slow_queries import SlowStatement, without_literals
from memgpt.errors import ForbiddenError, NotFoundError
from memgpt.jobs import Jobs
from memgpt.jobs.store import JobStore
from memgpt.models import JOB_STATUSES, Job, JobStatus, Key, Permission
from memgpt.reembed import ReembedStatus, doctor
from memgpt.reembed.doctor import Finding
from memgpt.server.keys import NewKey
from memgpt.server.keys_store import AuditFilter, AuditLine, KeyStore
from memgpt.server.service import Caller, Service

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class TableHealth:
    """Room and care of one table."""

    table: str
    rows: int
    """As the planner estimates them."""
    dead_rows: int
    table_bytes: int
    index_bytes: int
    vacuumed_at: datetime | None
    analyzed_at: datetime | None


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """Room and use of one index."""

    table: str
    index: str
    method: str
    bytes: int
    valid: bool
    """False where its build was interrupted: no search reads it."""
    scans: int
    last_scan_at: datetime | None


@dataclass(frozen=True, slots=True)
class StorageReport:
    """Tables and indexes of the memory, and the care of them that runs at this moment."""

    tables: Sequence[TableHealth]
    indexes: Sequence[IndexHealth]
    running: Sequence[RunningMaintenance]


@dataclass(frozen=True, slots=True)
class StatementStatistics:
    """Time that PostgreSQL spent on one statement, as pg_stat_statements counts it."""

    statement: str
    """Without literals."""
    calls: int
    rows: int
    total_ms: float
    mean_ms: float
    most_ms: float


class Operations:
    """Operation of a service, for a caller with `admin` for every agent.

    Raises:
        ForbiddenError: the key of the caller may not do this.
    """

    def __init__(self, service: Service, caller: Caller) -> None:
        caller.require("admin")
        if "*" not in caller.agents:
            raise ForbiddenError(
                "this needs a key for every agent ('*'): it shows and changes what concerns all of them"
            )
        self._service = service
        self._caller = caller
        self._database = service.database
        self._options = service.options

    def keys(self) -> Sequence[Key]:
        """Return every key, oldest first, the revoked and expired ones included."""
        return self._service.keys.list()

    def create_key(
        self,
        name: str = "",
        *,
        permissions: Iterable[Permission] = ("read", "write"),
        agents: Iterable[str] = ("*",),
        requests_per_minute: int | None = None,
        expires_at: datetime | str | None = None,
    ) -> NewKey:
        """Create a key; its token cannot be had again.

        Raises:
            ForbiddenError: it would have a permission that the caller has not.
        """
        wanted = [*permissions]
        self._check_held(wanted)
        return self._service.keys.create(
            name,
            permissions=wanted,
            agents=agents,
            requests_per_minute=requests_per_minute,
            expires_at=expires_at,
        )

    def rotate_key(self, key_id: str, *, grace: timedelta = timedelta(0)) -> NewKey:
        """Replace a key by a new one of the same scope; the old one works for ``grace`` more.

        Raises:
            ForbiddenError: it has a permission that the caller has not.
            NotFoundError: there is no such key.
        """
        old = next((key for key in self.keys() if key.key_id == key_id), None)
        if old is not None:
            self._check_held(old.permissions)
        return self._service.keys.rotate(key_id, grace=grace)

    def revoke_key(self, key_id: str) -> Key:
        """End a key now.

        Raises:
            NotFoundError: there is no such key.
        """
        return self._service.keys.revoke(key_id)

    def audit(self, chosen: AuditFilter, *, limit: int = 50, before: int | None = None) -> Sequence[AuditLine]:
        """Return lines of the audit log, newest first; ``before`` is the id of the last one seen."""
        limit, before = validation.limit(limit), validation.optional_id(before, "before")
        return self._database.read(lambda connection: KeyStore(connection).audited(chosen, limit=limit, before=before))

    def findings(self) -> Sequence[Finding]:
        """Examine the memory, as `memgpt doctor` does."""
        return doctor.examine(options=self._options)

    def migrations(self) -> MigrationStatus:
        """Return which migrations are applied, pending, edited or unknown."""
        return migrate.status(options=self._options)

    def drift(self) -> SchemaVerification:
        """Compare the live schema with what the migrations define, as `memgpt db verify` does."""
        return verify.verify(options=self._options)

    def storage(self) -> StorageReport:
        """Measure tables and indexes."""
        parameters = {"schema": self._options.db_schema}

        def work(connection: Connection) -> StorageReport:
            def rows(kind: type[Any], statement: bytes) -> Sequence[Any]:
                with connection.cursor(row_factory=class_row(kind)) as cursor:
                    return cursor.execute(statement, parameters).fetchall()

            return StorageReport(
                rows(TableHealth, SQL.tables),
                rows(IndexHealth, SQL.indexes),
                rows(RunningMaintenance, maintenance.SQL.running),
            )

        return self._database.read(work)

    def model(self) -> ReembedStatus:
        """Return the memory's embedding model, the last switch and its progress."""
        return reembed.status(options=self._options)

    def slow(self) -> Sequence[SlowStatement]:
        """Return the latest statements that took longer than the service was told to note, newest first.

        Raises:
            NotFoundError: none are noted.
        """
        if self._service.slow is None:
            raise NotFoundError("slow statements are not noted: start with `memgpt serve --explain-slower-than MS`")
        return self._service.slow.latest()

    def statements(self, *, limit: int = 50) -> Sequence[StatementStatistics]:
        """Return the statements on which PostgreSQL spent the most time.

        Raises:
            NotFoundError: the server does not count them.
        """
        limit = validation.limit(limit)

        def work(connection: Connection) -> Sequence[StatementStatistics]:
            there = connection.execute(SQL.statistics).fetchone()
            if there is None:
                raise NotFoundError(
                    "PostgreSQL does not count statements here: add pg_stat_statements to shared_preload_libraries, "
                    "restart it, and as an administrator: CREATE EXTENSION pg_stat_statements"
                )
            view = queries.identifier(there[0], "pg_stat_statements")
            with connection.cursor(row_factory=class_row(StatementStatistics)) as cursor:
                rows = cursor.execute(queries.compose(SQL.statements, view=view), {"limit": limit}).fetchall()
            return [_quiet(row) for row in rows]

        return self._database.read(work)

    def jobs(self, *, status: JobStatus | None = None, limit: int = 50, before: int | None = None) -> Sequence[Job]:
        """Return jobs of every agent, newest first; ``before`` is the id of the last one seen."""
        chosen: Any = None if status is None else validation.choice(status, JOB_STATUSES, "status")
        limit, before = validation.limit(limit), validation.optional_id(before, "before")
        return self._database.read(
            lambda connection: JobStore(connection, "").list_all(status=chosen, limit=limit, before=before)
        )

    def jobs_of(self, agent_id: str) -> Jobs:
        """Open the jobs of one agent, or of ``*``."""
        return self._service.jobs(self._caller, agent_id, "admin")

    def _check_held(self, permissions: Iterable[Permission]) -> None:
        """Who administers can read metrics; nobody gives what they have not."""
        held = None if self._caller.key is None else {*self._caller.key.permissions, "metrics"}
        if held is not None and (more := sorted({*permissions} - held)):
            raise ForbiddenError(f"this key has no {more[0]!r} permission, so it cannot give it to another")


def _quiet(row: StatementStatistics) -> StatementStatistics:
    return StatementStatistics(
        without_literals(row.statement), row.calls, row.rows, row.total_ms, row.mean_ms, row.most_ms
    )
