"""A pytest plug-in that lets the Agents SDK's own tests of its SQLite session run against this one, unmodified.

Load it in a checkout of openai-agents-python; ``DATABASE_URL`` names a database, which is migrated; absent,
the embedded server's is used::

    cd openai-agents-python
    python -m pytest -p memgpt.integrations.openai_agents.testing tests/memory/test_session.py

The class that the tests import, ``SQLiteSession``, stands for a session of this package; a file's name is an agent's.
Tests about SQLite itself, ``ABOUT_SQLITE``, are not run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import agents
import pytest

from memgpt.integrations.openai_agents.agent_session import MemgptSession
from memgpt.integrations.testing import leave_out, memory_of

ABOUT_SQLITE: Final = (
    "await_mutation",
    "close_closes_worker",
    "closed_rejects",
    "corrupt",
    "file_lock",
    "failed_",
    "rollback_failure",
    "quarantined",
    "post_commit",
)
"""Parts of names of tests about connections, locks and damaged rows of SQLite, and about coroutines of that class."""


class LocalSession(MemgptSession):
    """A session in the place of theirs, for the agent of a file."""

    def __init__(self, session_id: str, db_path: str | Path = ":memory:", *, session_settings: Any = None) -> None:
        memory = memory_of(None if str(db_path) == ":memory:" else db_path)
        super().__init__(session_id, memory, session_settings=session_settings)

    def close(self) -> None:
        """Close nothing: the database is shared."""


def pytest_configure() -> None:
    """Put our session in the place of theirs, before the tests import it."""
    agents.SQLiteSession = LocalSession  # type: ignore[misc,assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests about SQLite."""
    leave_out(ABOUT_SQLITE, config, items)
