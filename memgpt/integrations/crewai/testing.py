"""CrewAI's own tests of its LanceDB storage, run against ours: a plug-in for pytest.

``pytest -p memgpt.integrations.crewai.testing tests/memory`` in a checkout of crewAI, with ``DATABASE_URL`` naming a
migrated database. The storage that their tests import stands for one of this package; each of their directories is an
agent.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import crewai.memory.storage.lancedb_storage as upstream

from memgpt.config import settings
from memgpt.database.connection import Database
from memgpt.integrations.crewai.crew_storage import MemgptStorage
from memgpt.memory import Memory
from memgpt.scope.opening import open_database, prepare_database


@cache
def _database() -> Database:
    options = settings()
    if not options.uses_embedded_server:
        prepare_database(None, options)
    return open_database(options=options)


class DirectoryStorage(MemgptStorage):
    """A storage for a directory: the same one for the same directory."""

    def __init__(self, path: str | Path | None = None, **_: Any) -> None:
        place = uuid4().hex if path is None else hashlib.sha256(str(path).encode()).hexdigest()
        super().__init__(Memory(f"conformance-{place}", database=_database()))


def pytest_configure() -> None:
    """Put our storage in the place of theirs, before the tests import it."""
    upstream.LanceDBStorage = DirectoryStorage
