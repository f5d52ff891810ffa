"""The examples of AsyncMemory run: a service of FastAPI, and a notebook whose cells await."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from memgpt.config import settings

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _database(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_a_service_of_fastapi() -> None:
    from examples.async_service import app

    with TestClient(app) as client:
        assert client.post("/notes", params={"text": "The boat is red."}).json() == 1
        assert client.get("/notes", params={"query": "which colour has the boat?"}).json() == ["The boat is red."]


def test_a_notebook() -> None:
    cells = json.loads((EXAMPLES / "async_notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}

    async def executed() -> None:
        for cell in cells:
            if cell["cell_type"] == "code":
                code = compile("".join(cell["source"]), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                result = eval(code, names)  # noqa: S307 - our own notebook
                if inspect.isawaitable(result):
                    await result

    asyncio.run(executed())
    assert names["hits"][0].text == "Ann takes the night train to Lisbon."
    assert all(names["answers"])
