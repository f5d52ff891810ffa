"""The memory an IVFFlat build needs, known before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import psycopg

from memgpt.database import queries
from memgpt.database.admin.migration import Migration
from memgpt.database.admin.schema_migrations import Survey
from memgpt.database.dimensions import IN_THE_FILES
from memgpt.errors import MigrationError

SQL = queries.beside(__name__)

_LISTS = re.compile(r"\A(?>.*?ivfflat).*lists\s*+=\s*+(\d++)", re.IGNORECASE | re.DOTALL)
_MEGABYTE: Final = 1024 * 1024


def build_bytes(dimensions: int, lists: int, *, rows: bool) -> int:
    """Return the bytes that pgvector's k-means needs of ``maintenance_work_mem``: samples, centers and Elkan's bounds
    (ivfkmeans.c).

    The samples are allocated in full for the first row already; an empty table has none.
    """
    samples = max(50 * lists, 10_000) if rows else 0
    vector = 8 + 4 * dimensions
    return _MEGABYTE + samples * vector + 3 * lists * vector + 4 * samples * lists + 8 * samples + 4 * lists * lists


def check_memory(connection: psycopg.Connection[Any], survey: Survey, pending: Iterable[Migration]) -> None:
    """Refuse a plan whose index builds need more than ``memgpt.maintenance_work_mem_limit`` allows.

    Without that limit everything fits: any role may raise maintenance_work_mem for its transaction.
    """
    if survey.memory_limit_bytes is None:
        return
    row = connection.execute(SQL.dimensions, {"schema": survey.schema}).fetchone()
    exists = row is not None and row[0] is not None
    dimensions = row[0] if row is not None and exists else IN_THE_FILES
    rows = connection.execute(SQL.any_row).fetchone() if exists else None
    for migration in pending:
        lists = [int(m[1]) for s in migration.statements if (m := _LISTS.search(s.text))]
        needed = max((build_bytes(dimensions, n, rows=bool(rows and rows[0])) for n in lists), default=0)
        if needed > survey.memory_limit_bytes:
            size = -(-needed // _MEGABYTE)
            raise MigrationError(
                f"{migration.name} builds vector indexes that need {size} MB of maintenance_work_mem, but "
                f"memgpt.maintenance_work_mem_limit is {survey.memory_limit}: raise that setting to {size}MB or remove "
                "it (fewer lists need hardly less, because pgvector samples 10,000 rows for any lists up to 200)"
            )
