"""Commands, as a person or a machine runs them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memgpt.cli import main
from memgpt.config import settings

Run = Callable[..., str]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process and gives its output, or its errors when a status is expected."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.cache_clear()

    def work(*arguments: str, status: int = 0, stdin: str | bytes = "") -> str:
        given = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given, encoding="utf-8"))
        monkeypatch.setattr(sys, "argv", ["memgpt", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert ended.value.code == status, printed.err
        assert "Traceback" not in printed.err
        return printed.err if status else printed.out

    yield work
    settings.cache_clear()


def rows(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]
