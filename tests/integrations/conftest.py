"""One database for a module; each test works as an agent of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from memgpt import Memory
from memgpt.database.connection import Database
from tests.conftest import Server


@pytest.fixture(scope="module")
def module_dsn(server: Server, template: str) -> Iterator[str]:
    """A migrated database of this module."""
    name = server.create(template)
    yield server.dsn(name)
    server.drop(name)


@pytest.fixture(scope="module")
def shared_database(module_dsn: str) -> Iterator[Database]:
    database = Database(module_dsn)
    yield database
    database.close()


@pytest.fixture
def open_memory(shared_database: Database, request: pytest.FixtureRequest) -> Callable[..., Memory]:
    """Opens the memory of an agent that only this test has: ``open_memory()``, ``open_memory("other")``."""

    def opened(name: str = "ann", *, isolated: bool = False) -> Memory:
        agent = f"{request.node.nodeid.partition('::')[2][:200]}-{name}".replace("*", "_")
        return Memory(agent, database=shared_database, isolated=isolated)

    return opened


@pytest.fixture
def memory(open_memory: Callable[..., Memory]) -> Memory:
    return open_memory()
