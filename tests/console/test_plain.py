"""A clone without the libraries of others: plain pages, and a sentence that says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memgpt.memory import Memory
from memgpt.server.console import assets
from tests.console.conftest import Visitor


@pytest.fixture
def without_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "static").symlink_to(assets.HERE / "static")
    monkeypatch.setattr(assets, "HERE", tmp_path)
    assets.assets.cache_clear()
    assets.version.cache_clear()
    yield
    monkeypatch.undo()
    assets.assets.cache_clear()
    assets.version.cache_clear()


@pytest.mark.usefixtures("without_libraries")
def test_pages_work_without_the_libraries(visitor: Visitor, memory: Memory) -> None:
    memory.remember("The flight leaves on 3 May.")
    for path in ("/", "/agents/ann", "/agents/ann/numbers"):
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert "make vendor" in answer.text
        assert "hx-" not in answer.text
        assert "vendor/" not in answer.text
