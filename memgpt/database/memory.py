"""The memory an IVFFlat build needs, known before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import psycopg

from memgpt.database import queries
from memgpt.database.dimensions import IN_THE_FILES
from memgpt.database.migration import Migration
from memgpt.database.tracking import Survey
from memgpt.errors import MigrationError

SQL = queries.beside(__name__)

_LISTS = re.compile(r"ivfflat.*lists\s*=\s*(\d+)", re.IGNORECASE | re.DOTALL)
_MEGABYTE: Final = 1024 * 1024


def build_bytes(dimensions: int, lists: int) -> int:
    """What pgvector's k-means asks of ``maintenance_work_mem``: samples, centers and Elkan's bounds (ivfkmeans.c)."""
    samples = max(50 * lists, 10_000)
    vector = 8 + 4 * dimensions
    return 1_048_576 + samples * vector + 3 * lists * vector + 4 * samples * lists + 8 * samples + 4 * lists * lists


def check_memory(connection: psycopg.Connection[Any], found: Survey, pending: Iterable[Migration]) -> None:
    """Refuse a plan whose index builds need more than ``memgpt.maintenance_work_mem_limit`` allows.

    Without that limit everything fits: any role may raise maintenance_work_mem for its transaction.
    """
    if found.memory_limit_bytes is None:
        return
    row = connection.execute(SQL.dimensions, {"schema": found.schema}).fetchone()
    dimensions = (row[0] if row else None) or IN_THE_FILES
    for migration in pending:
        lists = [int(m[1]) for s in migration.statements if (m := _LISTS.search(s.text))]
        needed = max((build_bytes(dimensions, n) for n in lists), default=0)
        if needed > found.memory_limit_bytes:
            raise MigrationError(
                f"{migration.name} builds vector indexes that need {-(-needed // _MEGABYTE)} MB of maintenance_work_mem, "
                f"but memgpt.maintenance_work_mem_limit is {found.memory_limit}: raise that setting to "
                f"{-(-needed // _MEGABYTE)}MB or remove it (nothing smaller fits: pgvector samples 10,000 rows)"
            )
