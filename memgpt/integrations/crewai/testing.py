"""CrewAI's own tests of its LanceDB storage, run against ours: a plug-in for pytest.

``pytest -p memgpt.integrations.crewai.testing tests/memory`` in a checkout of crewAI, with ``DATABASE_URL`` naming a
database, which is migrated. The storage that their tests import stands for one of this package; each of their
directories is an agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import crewai.memory.storage.lancedb_storage as upstream

from memgpt.integrations.crewai.crew_storage import MemgptStorage
from memgpt.integrations.testing import memory_of


class DirectoryStorage(MemgptStorage):
    """A storage for a directory: the same one for the same directory."""

    def __init__(self, path: str | Path | None = None, **_: Any) -> None:
        super().__init__(memory_of(path))


def pytest_configure() -> None:
    """Put our storage in the place of theirs, before the tests import it."""
    upstream.LanceDBStorage = DirectoryStorage
