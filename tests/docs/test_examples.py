"""The Python of the README and of the guides runs, and prints what their comments say."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt.config import settings
from tests.chat_dialects import Json
from tests.chat_server import ChatServer, Say, said

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/memory.md",
    "docs/async.md",
    "docs/crewai.md",
    "docs/documents.md",
    "docs/files.md",
    "docs/importing.md",
    "docs/embedding-models.md",
    "docs/agent.md",
    "docs/autogen.md",
    "docs/google-adk.md",
    "docs/knowledge-graph.md",
    "docs/langchain.md",
    "docs/langgraph.md",
    "docs/llama-index.md",
    "docs/openai-agents.md",
    "docs/pydantic-ai.md",
    "docs/sleep.md",
]
KITS = {
    "docs/crewai.md": "crewai",
    "docs/autogen.md": "autogen_agentchat",
    "docs/google-adk.md": "google.adk",
    "docs/openai-agents.md": "agents",
}
"""Pages for users of a kit that is not installed everywhere."""
INTEGRATION = re.compile(r"memgpt\.integrations\.\w+")
"""A module for users of another kit, which is loaded for them alone."""
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"print\(.*\)\s+# (?P<text>.+)$")


@pytest.fixture(autouse=True)
def _database(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A chat model that knows the weather, over Anthropic's protocol."""

    def answers(request: Json) -> Say:
        text = said(request)[-1][1]
        if "tool_result" in str(request["messages"][-1]):
            return Say("It is sunny in Rome, Ada." if "Rome" in str(request["messages"][-2]) else "Sunny, too.")
        if "Oslo" in text:
            return Say("", [("weather", {"city": "Oslo"})])
        noted = ("core_memory_append", {"label": "human", "content": "Name: Ada"})
        return Say("", [noted, ("weather", {"city": "Rome"})])

    with ChatServer().running() as server:
        server.script(otherwise=answers)
        monkeypatch.setenv("MEMGPT_CHAT_BASE_URL", server.root)
        yield


def test_pages_import_from_the_front_door() -> None:
    """A reader copies imports: what is not exported there is not for applications."""
    code = [block["code"] for page in PAGES for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]
    code += [file.read_text(encoding="utf-8") for file in (ROOT / "examples").rglob("*.py")]
    imports = [node for each in code for node in ast.walk(ast.parse(each)) if isinstance(node, ast.ImportFrom)]
    modules = {node.module for node in imports if (node.module or "").split(".")[0] == "memgpt"}
    assert {module for module in modules if module and not INTEGRATION.fullmatch(module)} == {"memgpt"}


def statements(code: str) -> Iterator[tuple[ast.stmt, list[str]]]:
    """Each statement of a block with the outputs its comments announce."""
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        own = lines[statement.lineno - 1 : statement.end_lineno]
        yield statement, [match["text"] for line in own if (match := PRINTED.search(line))]


@pytest.mark.parametrize("page", PAGES)
def test_examples_do_what_they_say(page: str) -> None:
    if page in KITS:
        pytest.importorskip(KITS[page], reason=f"{page} is about a kit that is not installed")
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        padding = "\n" * text.count("\n", 0, block.start("code"))  # an error names the line of the page
        for statement, announced in statements(padding + block["code"]):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(ast.Module([statement], []), page, "exec"), names)  # noqa: S102 - our own page
            if announced:
                assert printed.getvalue().splitlines() == announced, f"{page}, line {statement.lineno}"
