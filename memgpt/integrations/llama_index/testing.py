"""LlamaIndex's own tests of its in-memory vector store, run against ours: a plug-in for pytest.

``pytest -p memgpt.integrations.llama_index.testing tests/vector_stores/test_simple.py`` in ``llama-index-core`` of a
checkout, with ``DATABASE_URL`` naming a database, which is migrated. The store that their tests import stands for one
of this package, for an agent of its own; tests of files on a disk, ``ABOUT_A_DISK``, are not run.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from llama_index.core import vector_stores as upstream

from memgpt.integrations.llama_index.node_vectors import MemgptNodeVectorStore
from memgpt.integrations.testing import leave_out, memory_of

ABOUT_A_DISK: Final = ("test_from_persist_dir", "test_from_namespaced_persist_dir")


class InMemoryStore(MemgptNodeVectorStore):
    """The store in the place of LlamaIndex's."""

    def __init__(self, **_: Any) -> None:
        super().__init__(memory_of())


def pytest_configure() -> None:
    """Put our store in the place of theirs, before the tests import it."""
    upstream.SimpleVectorStore = InMemoryStore  # type: ignore[misc,assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests about a disk."""
    leave_out(ABOUT_A_DISK, config, items)
