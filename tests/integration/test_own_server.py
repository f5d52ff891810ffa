"""A memory without any database named: the embedded server, ready without a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from memgpt import Agents, Memory
from memgpt.config import Settings
from memgpt.database.admin import migrate
from memgpt.errors import DatabaseError


@pytest.fixture
def options(server_directory: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Settings:
    for name in ("DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    return Settings(data_dir=server_directory / request.node.name)


def test_first_use_migrates_the_private_database(options: Settings) -> None:
    with Memory("first", options=options) as memory:
        memory.core["human"].append("Prefers metric units.")
    with Memory("first", options=options) as memory:
        assert memory.core["human"].value == "Prefers metric units."
    status = migrate.status(options=options)
    assert status.pending == 0
    assert status.model == migrate.ModelSpec("wordllama-l2-supercat-256", 256)


def test_a_database_somebody_named_is_left_alone(options: Settings, empty_dsn: str) -> None:
    with Memory("first", dsn=empty_dsn, options=options) as memory, pytest.raises(DatabaseError, match="db migrate"):
        memory.core.list()
    assert migrate.status(empty_dsn, options=options).pending > 0


def test_agents_may_be_the_first_use(options: Settings) -> None:
    with Agents(options=options) as agents:
        assert agents.list() == []
