"""The database's health, and what it is busy with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from memgpt.database.admin.migrate import MigrationStatus
from memgpt.database.admin.verify import SchemaVerification
from memgpt.database.slow_queries import SlowStatement
from memgpt.models import Job, JobStatus
from memgpt.reembed import ReembedStatus
from memgpt.reembed.doctor import Finding
from memgpt.server.api import pages
from memgpt.server.api.routes.admin.operating import Operating
from memgpt.server.operations import StatementStatistics, StorageReport

router = APIRouter()


@router.get("/doctor")
def examine(operations: Operating) -> Sequence[Finding]:
    """Models, vectors, indexes and roles, as `memgpt doctor` examines them; `action` is the remedy."""
    return operations.findings()


@router.get("/migrations")
def get_migrations(operations: Operating) -> MigrationStatus:
    """Which migrations are applied, pending, edited or unknown."""
    return operations.migrations()


@router.get("/migrations/drift")
def get_drift(operations: Operating) -> SchemaVerification:
    """Compare the live schema with what the migrations define, as `memgpt db verify` does: each difference with its
    remedy."""
    return operations.drift()


@router.get("/indexes")
def get_indexes(operations: Operating) -> StorageReport:
    """Tables and indexes with their sizes and use, those that are not whole first, and the care that runs now."""
    return operations.storage()


@router.get("/model")
def get_model(operations: Operating) -> ReembedStatus:
    """Tell the embedding model and the last switch with its progress. A switch is a job of the agent `*`: `reembed`,
    then `reembed-finish` or `reembed-rollback`."""
    return operations.model()


@router.get("/slow-queries")
def slow_queries(operations: Operating) -> Sequence[SlowStatement]:
    """List the latest statements that took longer than `memgpt serve --explain-slower-than`, with their plans, newest
    first."""
    return operations.slow()


@router.get("/statements")
def list_statements(operations: Operating, limit: pages.Limit = 50) -> Sequence[StatementStatistics]:
    """List the statements on which PostgreSQL spent the most time, where it has pg_stat_statements."""
    return operations.statements(limit=limit)


@router.get("/jobs")
def list_all_jobs(
    request: Request,
    response: Response,
    operations: Operating,
    status: Annotated[JobStatus | None, Query(description="Only those.")] = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Job]:
    """Jobs of every agent, newest first."""
    last = pages.after(after, pages.Position)
    rows = operations.jobs(status=status, limit=limit + 1, before=last.id if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))
