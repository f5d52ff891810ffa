"""The README's walk with curl, as it is written: only the port is another, and nothing is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
SCRIPT = re.compile(r"## Over HTTP.*?```sh\npip install 'memgpt-postgres\[server\]'\n(?P<script>.*?)```", re.DOTALL)


def json_in(said: str) -> Iterator[Any]:
    """The JSON values among other lines."""
    decoder = json.JSONDecoder()
    at = 0
    while (begin := re.compile(r"[\[{]").search(said, at)) is not None:
        value, at = decoder.raw_decode(said, begin.start())
        yield value


def test_the_walk_with_curl(dsn: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    found = SCRIPT.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    port = free_port()
    script = found["script"].replace("memgpt serve", f"memgpt serve --port {port}").replace("8283", str(port))
    command = tmp_path / "memgpt"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from memgpt.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "DATABASE_URL": dsn}
    said = subprocess.run(
        ["bash", "-em", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert said.returncode == 0, said.stderr
    ready, *answers = json_in(said.stdout)
    assert ready == {"status": "ok"}
    assert len(answers) == 6, said.stdout
    [kept], block, message, hits, context, undone = answers
    assert kept["text"] == "Ann prefers night trains"
    assert block["value"] == "Lives in Vienna"
    assert message["session"] == "monday"
    assert "Ann prefers night trains" in {hit["text"] for hit in hits}
    assert "Lives in Vienna" in context["text"]
    assert undone
    with psycopg.connect(dsn) as owner:
        assert owner.execute("SELECT count(*) FROM api_keys").fetchone() == (2,)
