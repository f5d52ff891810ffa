"""``memgpt chat`` and ``memgpt import-transcript`` as programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from memgpt import Memory
from tests.chat_server import ChatServer, Say


def run(dsn: str, typed: str, *arguments: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MEMGPT_CHAT", "OPENAI"))}
    done = subprocess.run(
        [sys.executable, "-m", "memgpt", *arguments, "--dsn", dsn, "--agent", "ann"],
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**clean, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )
    return done.stdout + done.stderr


def test_without_a_model_the_memory_quotes(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        kept = memory.remember("The spare key of the boat hangs behind the chart table.")
    shown = run(dsn, "Where does the spare key hang?\nRemember that the boat is called Lena\n/nonsense\n", "chat")
    assert "MEMGPT_CHAT_MODEL" in shown
    assert f"“The spare key of the boat hangs behind the chart table.” [archival {kept.id}, " in shown
    assert "Kept as archival memory" in shown
    assert "there is no command /nonsense" in shown


def test_with_a_model(dsn: str) -> None:
    with ChatServer().running() as server:
        server.script(
            Say("", [("core_memory_append", {"label": "human", "content": "Name: Ada"})]), Say("Hello Ada, nice name.")
        )
        typed = "I am Ada\n/memory\n/context\n/search Ada\n/undo\n/memory\n/quit\nnot read\n"
        shown = run(dsn, typed, "chat", MEMGPT_CHAT_MODEL="openai:scripted", MEMGPT_CHAT_BASE_URL=server.url)
        assert len(server.requests) == 2
    assert "core_memory_append" in shown
    assert "Hello Ada, nice name." in shown
    assert "human (9 of 5,000 characters)" in shown
    assert "instructions" in shown
    assert "undone: insert of block" in shown
    assert "Core memory is empty." in shown


def test_a_failing_model_does_not_end_the_conversation(dsn: str) -> None:
    chosen = {"MEMGPT_CHAT_MODEL": "openai:scripted", "MEMGPT_CHAT_BASE_URL": "http://127.0.0.1:9/v1"}
    with ChatServer().running() as server:
        chosen["MEMGPT_CHAT_BASE_URL"] = server.url
        server.script(Say(""), Say("Better now."))
        shown = run(dsn, "Hello\nHello?\n", "chat", **chosen)
    assert "returned an empty response" in shown
    assert "Better now." in shown


def test_import_transcript(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]))
    assert "2 messages of 1 conversations imported" in run(dsn, "", "import-transcript", str(file))
