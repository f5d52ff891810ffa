"""What the pytest plug-ins share that let other projects' own tests run against this package, unmodified.

``DATABASE_URL`` names a database, which is migrated; absent, the embedded server's is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from memgpt.config import settings
from memgpt.database.connection import Database
from memgpt.memory import Memory
from memgpt.scope.opening import open_database, prepare_database


def memory_of(place: str | Path | None = None) -> Memory:
    """Return the memory that stands for a file or a directory; without one, a memory nobody else has."""
    name = uuid4().hex if place is None else hashlib.sha256(str(place).encode()).hexdigest()
    return Memory(f"conformance-{name}", database=_database())


def leave_out(about: Sequence[str], config: pytest.Config, items: list[pytest.Item]) -> None:
    """Do not run the tests in whose names one of these is."""
    left_out = [item for item in items if any(part in item.name for part in about)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@cache
def _database() -> Database:
    options = settings()
    prepare_database(None, options)
    return open_database(options=options)
