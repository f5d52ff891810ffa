"""LlamaIndex's own tests of its in-memory vector store, run against ours: a plug-in for pytest.

``pytest -p memgpt.integrations.llama_index.testing tests/vector_stores/test_simple.py`` in ``llama-index-core`` of a
checkout, with ``DATABASE_URL`` naming a migrated database. The store that their tests import stands for one of this
package, for an agent of its own; tests of files on a disk, ``ABOUT_A_DISK``, are not run.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import uuid4

import pytest
from llama_index.core import vector_stores as upstream

from memgpt.config import settings
from memgpt.database.connection import Database
from memgpt.integrations.llama_index.node_vectors import MemgptNodeVectorStore
from memgpt.memory import Memory
from memgpt.scope.opening import open_database, prepare_database

ABOUT_A_DISK: Final = ("test_from_persist_dir", "test_from_namespaced_persist_dir")


@cache
def _database() -> Database:
    options = settings()
    if not options.uses_embedded_server:
        prepare_database(None, options)
    return open_database(options=options)


class InMemoryStore(MemgptNodeVectorStore):
    """The store in the place of LlamaIndex's."""

    def __init__(self, **_: Any) -> None:
        super().__init__(Memory(f"conformance-{uuid4().hex}", database=_database()))


def pytest_configure() -> None:
    """Put our store in the place of theirs, before the tests import it."""
    upstream.SimpleVectorStore = InMemoryStore  # type: ignore[misc,assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests about a disk."""
    left_out = [item for item in items if item.name.startswith(ABOUT_A_DISK)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
