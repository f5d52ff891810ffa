"""The schema after every migration, kept as a file so that each change of it shows up in a review.

``MEMGPT_TEST_WRITE_SCHEMA=1 python -m pytest tests/migrations/test_snapshot.py`` writes it anew (``make schema``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from memgpt.database.admin import migrate

SNAPSHOT = Path(__file__).with_name("schema.sql")


@pytest.mark.skipif(os.environ.get("MEMGPT_TEST_POSTGRES", "18") != "18", reason="pg_dump 18 writes the snapshot")
def test_the_schema_is_the_snapshot(empty_dsn: str, dump: Callable[..., str]) -> None:
    migrate.apply(empty_dsn)
    schema = dump(empty_dsn, "--no-privileges")
    if os.environ.get("MEMGPT_TEST_WRITE_SCHEMA"):
        SNAPSHOT.write_text(schema, encoding="utf-8")
    assert schema == SNAPSHOT.read_text(encoding="utf-8"), "run `make schema` and review the difference"
