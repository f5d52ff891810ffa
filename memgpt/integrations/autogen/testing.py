"""A pytest plug-in that lets AutoGen's own tests of its memory over Chroma run against this one, unmodified.

Load it in a checkout of AutoGen, beside ``autogen-ext[chromadb]``; ``DATABASE_URL`` names a database, which is
migrated; absent, the embedded server's is used::

    cd autogen/python/packages/autogen-ext
    python -m pytest -p memgpt.integrations.autogen.testing tests/memory/test_chroma_memory.py

The class that the tests import, ``ChromaDBVectorMemory``, stands for a memory of this package, of an agent for each
directory. Tests about Chroma's own servers and embeddings, ``ABOUT_CHROMA``, are not run.
"""

from __future__ import annotations

from typing import Any, Final

import autogen_ext.memory.chromadb as upstream
import pytest

from memgpt.integrations.autogen.agent_memory import MemgptMemory
from memgpt.integrations.testing import leave_out, memory_of

ABOUT_CHROMA: Final = ("embedding_function", "http_config", "component_serialization")
"""Parts of names of tests about Chroma's embeddings, servers and configuration."""


class LocalVectorMemory(MemgptMemory):
    """A memory in the place of AutoGen's, for the agent of a directory."""

    def __init__(self, config: upstream.PersistentChromaDBVectorMemoryConfig) -> None:
        options: dict[str, Any] = {"min_score": config.score_threshold, "kinds": ["archival"]}
        memory = memory_of(config.persistence_path)
        super().__init__(memory, name=config.collection_name, limit=config.k, options=options)
        self.collection_name = self.name

    reset = MemgptMemory.clear


def pytest_configure() -> None:
    """Put our memory in the place of theirs, before the tests import it."""
    upstream.ChromaDBVectorMemory = LocalVectorMemory  # type: ignore[misc,assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests about Chroma."""
    leave_out(ABOUT_CHROMA, config, items)
