"""`memgpt mcp --connect`: a process between a client on stdio and a running service, with the official client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from anyio import to_thread
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, CreateMessageResult, TextContent

from memgpt.server.service import Service
from tests.conftest import free_port
from tests.service.conftest import app_of, served, service_on
from tests.service.test_conformance import app_for_the_suite

PROGRAM = ["-c", "from memgpt.cli import main; main()", "mcp"]
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture
def with_keys(dsn: str) -> Iterator[Service]:
    service = service_on(dsn)
    yield service
    service.close()


def words_of(answer: CallToolResult) -> str:
    [content, *_] = answer.content
    assert isinstance(content, TextContent)
    return content.text


def environment(key: str | None = None, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MEMGPT_")}
    return clean | ({"MEMGPT_API_KEY": key} if key else {}) | more


def bridged(*arguments: str, key: str | None = None) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=[*PROGRAM, *arguments], env=environment(key))


def started(*arguments: str, says: str = "", variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *PROGRAM, *arguments]
    return subprocess.run(command, input=says, env=variables, capture_output=True, text=True, check=False, timeout=60)


def talk(client: Client, conversation: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with client:
            await conversation(client)

    anyio.run(run)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_tools_resources_and_errors_pass_both_ways(with_keys: Service, era: str) -> None:
    key = with_keys.keys.create(agents=["zoë/*"]).token

    async def conversation(client: Client) -> None:
        assert "search_memory" in [tool.name for tool in (await client.list_tools()).tools]
        await client.call_tool("append_to_block", {"label": "Gärten", "text": "Ännchen 🌱"})
        [content] = (await client.read_resource("memory://blocks/Gärten")).contents
        assert content.text == "Ännchen 🌱"  # type: ignore[union-attr]
        answers: list[str] = []

        async def ask(number: int) -> None:
            answer = await client.call_tool("remember", {"text": f"Plant {number}"})
            answers.append(words_of(answer))

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(ask, number)
        assert len(set(answers)) == 5
        refused = await client.call_tool("delete_memory", {"id": 999})
        assert refused.is_error
        with pytest.raises(MCPError, match="has no block 'nobody'"):
            await client.read_resource("memory://blocks/nobody")

    with served(app_of(with_keys)) as address:
        talk(Client(bridged("--connect", address, "--agent", "zoë/1", key=key), mode=era), conversation)


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
def test_the_service_may_ask_and_report_while_it_works(dsn: str) -> None:
    """With the diagnostic tools of the conformance suite, for ours do neither."""
    reported: list[str] = []

    async def sample(context: Any, params: Any) -> CreateMessageResult:
        asked = params.messages[0].content.text
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text=asked[::-1]), model="test")

    async def log(params: Any) -> None:
        reported.append(str(params.data))

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(f"{progress:g} of {total:g}")

    async def conversation(client: Client) -> None:
        assert words_of(await client.call_tool("test_sampling", {"prompt": "abc"})) == "LLM response: cba"
        await client.call_tool("test_tool_with_progress", {}, progress_callback=report)
        await client.call_tool("test_tool_with_logging", {})
        assert reported[:3] == ["0 of 100", "50 of 100", "100 of 100"]
        assert reported[3:] == ["Tool execution started", "Tool processing data", "Tool execution completed"]

    with served(app_for_the_suite(dsn)) as address:
        bridge = bridged("--connect", address)
        talk(Client(bridge, mode="legacy", sampling_callback=sample, logging_callback=log), conversation)


def test_a_service_that_comes_back_is_found_again(dsn: str) -> None:
    """What is asked while nobody listens is answered by the next service at the same address."""
    port = free_port()
    with ExitStack() as first, ExitStack() as second:
        service = service_on(dsn)
        key = service.keys.create().token
        address = first.enter_context(served(app_of(service), port=port))

        async def conversation(client: Client) -> None:
            await client.call_tool("remember", {"text": "Ann prefers night trains"})
            await to_thread.run_sync(first.close)
            async with anyio.create_task_group() as group:
                group.start_soon(search, client)
                await to_thread.run_sync(lambda: second.enter_context(served(app_of(service_on(dsn)), port=port)))

        async def search(client: Client) -> None:
            assert "night trains" in words_of(await client.call_tool("search_memory", {"query": "trains"}))

        talk(Client(bridged("--connect", address, key=key)), conversation)


def test_what_cannot_be_reached_is_named_with_what_to_do(with_keys: Service) -> None:
    revoked = with_keys.keys.create(agents=["ann"])
    with_keys.keys.revoke(revoked.key.key_id)
    other = with_keys.keys.create(agents=["bob"]).token
    away = f"http://127.0.0.1:{free_port()}"
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "read_blocks", "arguments": {}}}
    with served(app_of(with_keys)) as address:
        for connect, key, says in (
            (away, None, "no service answers at"),
            (address, None, "set MEMGPT_API_KEY to one of `memgpt key create`"),
            (address, revoked.token, "was revoked at"),
            (f"{address}/v1/agents", other, "does not answer as memgpt does"),
        ):
            variables = environment(key, MEMGPT_CONNECT_TIMEOUT="0.5")
            done = started("--connect", connect, "--agent", "ann", says=json.dumps(HELLO), variables=variables)
            [line] = done.stdout.splitlines()
            error = json.loads(line)
            assert error["id"] == 1
            assert says in error["error"]["message"]
            assert says in " ".join(done.stderr.split())
            assert done.returncode == 1
        lines = "\n".join(["no json", "[]", json.dumps(call)])
        done = started("--connect", address, "--agent", "ann", says=lines, variables=environment(other))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer.get("error", {}).get("code") for answer in answers[:2]] == [-32700, -32600]
        assert "has no access to agent 'ann'" in answers[2]["result"]["content"][0]["text"]
        assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--connect", "127.0.0.1:8283"], "takes the address of `memgpt serve`"),
        (["--connect", "http://ann:secret@127.0.0.1:8283"], "set MEMGPT_API_KEY"),
        (["--connect", "http://127.0.0.1:8283", "--mode", "reference"], "leave them out"),
    ],
)
def test_wrong_addresses_are_refused(arguments: list[str], says: str) -> None:
    done = started(*arguments, variables=environment())
    assert done.returncode == 1
    assert says in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "modules",
    [
        "memgpt.cli.operator.mcp, memgpt.cli.operator.bridge",
        "memgpt.cli.hook, memgpt.cli.captures, memgpt.cli.operator.rest",
    ],
    ids=["bridge", "hook"],
)
def test_what_connects_loads_nothing_of_the_memory(modules: str) -> None:
    program = f"import sys, {modules}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    loaded = {name.partition(".")[0] for name in shown.split()} | {*shown.split()}
    heavy = {"numpy", "psycopg", "mcp", "fastapi", "starlette", "tokenizers", "wordllama"}
    assert not loaded & (heavy | {"memgpt.memory", "memgpt.search", "memgpt.server", "memgpt.database"})


def test_the_settings_of_clients_name_the_service() -> None:
    connect = ["--config", "--connect", "https://memory.example.com", "--agent", "ann"]
    shown = started(*connect, variables=environment("memgpt_x")).stdout
    snippet = json.JSONDecoder().raw_decode(shown[shown.index("{") :])[0]["mcpServers"]["memgpt"]
    assert snippet["args"][-4:] == ["--agent", "ann", "--connect", "https://memory.example.com"]
    assert snippet["env"] == {"MEMGPT_API_KEY": "memgpt_x"}
