"""Clients in Node.js: those of OpenAI, Vercel and Anthropic as they are, and ours, which is made from the document.

`make client` installs what they need.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from memgpt.server.service import Caller, Service
from tests.chat_server import ChatServer, Say
from tests.conftest import Server
from tests.service.conftest import app_of, served, service_on

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "build" / "clients" / "node_modules"
SCRIPTS = Path(__file__).parent / "node"
Json = dict[str, Any]


def reaction(request: Json) -> Say:
    """A model that looks up the weather when it has a tool for it, and else knows what its prompt says."""
    body = json.dumps(request)
    if request.get("tools") and request["model"] == "tools":
        return (
            Say("Sunny in Graz.")
            if "function_call_output" in body or '"role": "tool"' in body
            else Say("", [("look_up", {"city": "Graz"})], id="resp_w")
        )
    return Say("At 22:08." if "leaves at 22:08" in body else "I do not know.")


@pytest.fixture(scope="module")
def running(server: Server, template: str) -> Iterator[tuple[Service, str]]:
    if not (INSTALLED / ".bin" / "tsc").exists() or not (INSTALLED / ".bin" / "node").exists():
        reason = "the clients for Node.js are not installed (make client)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    name = server.create(template)
    with ChatServer().running() as model:
        model.script(otherwise=reaction)
        named: Json = {"chat_model": "openai:m", "chat_base_url": model.url, "chat_api_key": SecretStr("k")}
        service = service_on(server.dsn(name), **named)
        with served(app_of(service)) as address:
            yield service, address
    server.drop(name)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder whose scripts find the packages."""
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    for script in SCRIPTS.iterdir():
        shutil.copy(script, tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    path = f"{INSTALLED / '.bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_clients_of_providers_as_they_are(running: tuple[Service, str], workplace: Path) -> None:
    service, address = running
    memory = service.memory(Caller(None), "ann", "write")
    memory.remember("Ann's night train leaves at 22:08")
    results = json.loads(run(workplace, "node", "providers.mjs", address, service.keys.create(agents=["ann"]).token))
    replies = ("completion", "chunks", "response", "events", "vercel_stream", "message", "message_stream")
    assert {name: results[name] for name in replies} == dict.fromkeys(replies, "At 22:08.")
    assert results["usage"] == 15
    assert (results["kinds"][0], results["kinds"][-1]) == ("response.created", "response.completed")
    assert results["models"] == ["gpt", service.embedder.name]
    assert (results["embedding"], results["floats"]) == (64, 256)
    assert results["refused"] == ["PermissionDeniedError", "permission_error"]
    assert (results["claude"], results["counted"]) == (["claude"], True)
    assert results["denied"] == ["PermissionDeniedError", "permission_error"]
    for session in ("completion", "chunks", "response", "events", "message", "message_stream"):
        assert [m.role for m in memory.messages.list(session=session)] == ["user", "assistant"], session
    for session in ("vercel_chat", "vercel_responses"):
        assert (session, *results[session]) == (session, "Sunny in Graz.", 2)
        messages = memory.messages.list(session=session)
        assert [m.role for m in messages] == ["user", "assistant", "tool", "assistant"], session
        assert messages[0].content == "How is the weather?"
        assert "sunny in Graz" in messages[2].content


def test_the_typescript_client(running: tuple[Service, str], workplace: Path) -> None:
    service, address = running
    folder = workplace / "typescript"
    shutil.copytree(ROOT / "clients" / "typescript", folder)
    (folder / "openapi.json").write_text(httpx.get(f"{address}/openapi.json").text)
    run(folder, "openapi-ts", "--silent")
    run(folder, "tsc")
    token = service.keys.create(agents=["team/*"]).token
    results = json.loads(run(workplace, "node", "walk.mjs", address, token))
    assert (results["remembered"], results["sent"], results["once"]) == ("Ann likes trains", 2, True)
    assert results["memories"] == 1, "a write whose answer was lost is sent again, and done once"
    assert results["found"] == "Ann likes trains"
    assert results["error"] == [True, 404, "string"]
    assert results["events"][-1] == "ended"
    assert results["text"] == "I do not know."
    assert results["stranger"] == 401
