"""A memory works without the rooms around it: each is taken out of an installed copy, and a memory is used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTER = ("cli", "server", "jobs", "sleep", "agent", "integrations", "proposals", "agents", "graph", "reembed")

USE = """
import memgpt
from memgpt import Memory

with Memory("ann") as memory:
    memory.core["human"].append("Ann lives in Graz.")
    memory.messages.append("user", "I never drink coffee.")
    memory.ingest(text="Trains to Vienna leave every hour.", title="Timetable")
    memory.remember("Ann prefers green tea.")
    assert "green tea" in memory.search("what does Ann drink?", kinds=["archival"])[0].text
    assert {hit.kind for hit in memory.search("coffee, tea, Vienna")} == {"archival", "message", "chunk"}
    assert "green tea" in memory.context("green tea").text
    memory.undo()
    assert not memory.search("green tea", kinds=["archival"])
print(memgpt.__file__)
"""


@pytest.mark.parametrize("removed", [*OUTER, pytest.param(" ".join(OUTER), id="all")])
def test_a_memory_works_without(removed: str, dsn: str, tmp_path: Path) -> None:
    copy = tmp_path / "memgpt"
    shutil.copytree(ROOT / "memgpt", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "database" / "migrations", copy / "database" / "migrations")  # as the wheel has them
    for room in removed.split():
        shutil.rmtree(copy / room)
    answer = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()).parent == copy
