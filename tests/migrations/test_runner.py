"""The runner: plan, apply, status, rollback."""

from __future__ import annotations

import psycopg
import pytest

from memgpt.database.admin import migrate
from memgpt.database.admin.migrate import ModelSpec

NAMES = [m.name for m in migrate.discover()]


def states(dsn: str) -> dict[str, str]:
    return {r.name: r.state for r in migrate.status(dsn).records}


@pytest.mark.parametrize("which", ["empty_dsn", "empty_pooled_dsn"])
def test_applies_everything_once(which: str, request: pytest.FixtureRequest) -> None:
    dsn = request.getfixturevalue(which)
    assert set(states(dsn).values()) == {"pending"}
    report = migrate.apply(dsn)
    assert [s.name for s in report.steps] == NAMES
    assert set(states(dsn).values()) == {"applied"}
    assert migrate.apply(dsn).steps == ()


def test_a_clone_is_migrated_and_sized(dsn: str, pooled_dsn: str) -> None:
    status = migrate.status(pooled_dsn)
    assert status.pending == 0
    assert status.model == ModelSpec("wordllama-l2-supercat-256", 256)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO archival_memories (agent_id, text, embedding) VALUES ('a', 't', %s::real[]::vector)",
            [[0.5] * 256],
        )
