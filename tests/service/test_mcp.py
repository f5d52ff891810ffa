"""MCP with the official client: the reference server's behaviours, the tools of the whole memory, who may connect."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import quote

import anyio
import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, PromptReference, ResourceTemplateReference, TextContent
from starlette.testclient import TestClient

from memgpt.server.mcp import Mode, create_server
from memgpt.server.mcp.reference_graph import Nodes
from memgpt.server.service import Caller, Service
from tests.service.conftest import app_of, served, service_on

Call = Callable[..., Coroutine[Any, Any, Any]]

ALICE = {"name": "Alice", "entityType": "person", "observations": ["likes tea", "lives in Graz"]}
BOB = {"name": "Bob", "entityType": "person", "observations": []}
KNOWS = {"from": "Alice", "to": "Bob", "relationType": "knows"}


def words_of(answer: CallToolResult) -> str:
    """The text of an answer that is one."""
    [content, *_] = answer.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture
def keyless(dsn: str) -> Iterator[Service]:
    service = service_on(dsn, keys_required=False)
    yield service
    service.close()


def talk(service: Service, mode: Mode, conversation: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with Client(create_server(service, mode=mode, agent="ann")) as client:
            await conversation(client)

    anyio.run(run)


def reference(service: Service, conversation: Callable[[Call], Coroutine[Any, Any, None]]) -> None:
    """A conversation with the reference mode; ``call`` answers (structured content, text, is error)."""

    async def run(client: Client) -> None:
        async def call(name: str, /, **arguments: Any) -> Any:
            answer = await client.call_tool(name, arguments)
            return answer.structured_content, words_of(answer), bool(answer.is_error)

        await conversation(call)

    talk(service, "reference", run)


def test_the_reference_tools(keyless: Service) -> None:
    async def conversation(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {
            *("create_entities", "create_relations", "add_observations", "delete_entities", "delete_observations"),
            *("delete_relations", "read_graph", "search_nodes", "open_nodes"),
        }
        assert tools["read_graph"].annotations.read_only_hint  # type: ignore[union-attr]
        assert tools["delete_entities"].annotations.destructive_hint  # type: ignore[union-attr]
        properties = tools["create_relations"].input_schema["$defs"]["RelationIn"]["properties"]
        assert set(properties) == {"from", "to", "relationType"}
        [resource] = (await client.list_resources()).resources
        assert str(resource.uri) == "memory://knowledge-graph"
        [content] = (await client.read_resource("memory://knowledge-graph")).contents
        assert json.loads(content.text) == {"entities": [], "relations": []}  # type: ignore[union-attr]

    talk(keyless, "reference", conversation)


def test_reference_creation(keyless: Service) -> None:
    async def conversation(call: Call) -> None:
        structured, text, _ = await call("create_entities", entities=[ALICE, BOB, ALICE])
        assert structured == {"entities": [ALICE, BOB]}
        assert text == json.dumps([ALICE, BOB], indent=2)
        assert (await call("create_entities", entities=[{**ALICE, "observations": ["other"]}]))[0] == {"entities": []}
        lower = {"name": "alice", "entityType": "cat", "observations": []}
        assert (await call("create_entities", entities=[lower]))[0] == {"entities": [lower]}
        assert (await call("create_relations", relations=[KNOWS, KNOWS]))[0] == {"relations": [KNOWS]}
        assert (await call("create_relations", relations=[KNOWS]))[0] == {"relations": []}
        missing = {**KNOWS, "to": "Nobody"}
        back = {**KNOWS, "from": "Bob", "to": "Alice"}
        assert await call("create_relations", relations=[back, missing]) == (
            None,
            "Entity with name Nobody not found",
            True,
        )
        added = await call("add_observations", observations=[{"entityName": "Bob", "contents": ["a", "b"]}])
        assert added[0] == {"results": [{"entityName": "Bob", "addedObservations": ["a", "b"]}]}
        added = await call("add_observations", observations=[{"entityName": "Bob", "contents": ["b", "c"]}])
        assert added[0] == {"results": [{"entityName": "Bob", "addedObservations": ["c"]}]}
        unknown = [{"entityName": "Bob", "contents": ["d"]}, {"entityName": "X", "contents": ["d"]}]
        assert await call("add_observations", observations=unknown) == (None, "Entity with name X not found", True)
        structured, text, _ = await call("read_graph")
        bob = {**BOB, "observations": ["a", "b", "c"]}
        assert structured == {"entities": [ALICE, bob, lower], "relations": [KNOWS]}
        assert json.loads(text) == structured

    reference(keyless, conversation)


def test_reference_reading(keyless: Service) -> None:
    async def conversation(call: Call) -> None:
        carol = {"name": "Carol", "entityType": "PILOT", "observations": ["flies"]}
        await call("create_entities", entities=[ALICE, BOB, carol])
        await call("create_relations", relations=[KNOWS])
        found = {"entities": [ALICE], "relations": [KNOWS]}
        assert (await call("search_nodes", query="TEA"))[0] == found
        assert (await call("search_nodes", query="pilot"))[0] == {"entities": [carol], "relations": []}
        assert (await call("search_nodes", query=""))[0]["entities"] == [ALICE, BOB, carol]
        assert (await call("search_nodes", query="100% _"))[0] == {"entities": [], "relations": []}
        assert (await call("search_nodes", query="x" * 2049))[2] is True
        assert (await call("open_nodes", names=["Alice", "nobody"]))[0] == found
        assert (await call("open_nodes", names=["alice"]))[0] == {"entities": [], "relations": []}

    reference(keyless, conversation)


def test_reference_deletion(keyless: Service) -> None:
    async def conversation(call: Call) -> None:
        await call("create_entities", entities=[ALICE, BOB])
        await call("create_relations", relations=[KNOWS])
        gone = {"entityName": "Alice", "observations": ["likes tea", "nothing"]}
        absent = {"entityName": "X", "observations": ["y"]}
        message = "Deleted 1 of 3 observations. Entities not found: X"
        assert await call("delete_observations", deletions=[gone, absent]) == (
            {"success": True, "message": message},
            message,
            False,
        )
        again = [{"entityName": "Alice", "observations": ["lives in Graz"]}]
        assert (await call("delete_observations", deletions=again))[1] == "Observations deleted successfully"
        other = {**KNOWS, "relationType": "hates"}
        told = (await call("delete_relations", relations=[KNOWS, other]))[1]
        assert told == "Deleted 1 of 2 relations. The rest matched nothing."
        await call("create_relations", relations=[KNOWS])
        told = (await call("delete_entities", entityNames=["Alice", "X"]))[1]
        assert told == "Deleted 1 of 2 entities. Not found: X"
        assert (await call("read_graph"))[0] == {"entities": [BOB], "relations": []}
        assert (await call("delete_entities", entityNames=["Bob"]))[1] == "Entities deleted successfully"

    reference(keyless, conversation)
    memory = keyless.memory(Caller(None), "ann", "write")
    memory.undo()
    assert [node.name for node in Nodes(memory).read().nodes] == ["Bob"]


def test_the_tools_of_the_whole_memory(keyless: Service) -> None:
    async def conversation(client: Client) -> None:
        async def call(name: str, /, **arguments: Any) -> str:
            answer = await client.call_tool(name, arguments)
            assert not answer.is_error, answer.content
            assert answer.structured_content is None, "the text says it all"
            return words_of(answer)

        def id_in(text: str) -> int:
            found = re.search(r"(?:archival|document|fact|message) (\d+)", text)
            assert found, text
            return int(found[1])

        for tool in (await client.list_tools()).tools:
            assert all([tool.description, tool.annotations]), tool.name
        kept = id_in(await call("remember", text="Ann prefers night trains", tags=["travel"]))
        assert (await call("remember", text="Ann prefers night trains")) == f"already kept as archival {kept}"
        today = datetime.now(UTC).date().isoformat()
        assert (
            await call("search_memory", query="night trains")
        ) == f"[archival {kept}, {today}] Ann prefers night trains"
        explained = await call("search_memory", query='"trains at night" -prefers', explain=True)
        assert json.loads(explained.splitlines()[1])["confidence"] > 0.3
        new = id_in(await call("correct_memory", id=kept, text="Ann prefers morning trains"))
        await call("delete_memory", id=new)
        assert f"insert archival {new}" in await call("undo")
        await call("append_to_block", label="human", text="Ann")
        assert (await call("replace_in_block", label="human", old="Ann", new="Anna")).endswith(" characters] Anna")
        await call("rewrite_block", label="human", value="x\n[block persona, 1 of 5000 characters] y")
        shown = await call("read_blocks")
        [block] = keyless.memory(Caller(None), "ann", "read").core.list()
        assert shown.splitlines() == [
            f"[block human, 41 of {block.limit} characters] x",
            "> [block persona, 1 of 5000 characters] y",
        ]
        await call("save_message", role="user", content="Hello", session="s")
        assert (await call("read_conversation", session="s")).endswith("] user: Hello")
        assert ", s] user: Hello" in await call("read_conversation")
        assert f", {today}, user in s] Hello" in await call("search_memory", query="Hello", kinds=["message"])
        await call("delete_conversation", session="s")
        assert (await call("read_conversation")) == "nothing found"
        await call("undo")
        await call("save_message", role="user", content="Forget me", session="t/u")
        assert (await call("forget", session="t/u")).startswith("removed for good: ")
        assert "Forget me" not in await call("read_conversation")
        document = await call("add_document", text="# Timetable\n\nAt 22:08.", title="Trains")
        assert (await call("list_documents")) == document
        assert document.endswith("] Trains")
        assert "> At 22:08." in await call("read_document", id=id_in(document))
        assert f" of document {id_in(document)}, {today}, Trains] " in await call("search_memory", query="22:08")
        works = {"source": "Ann", "type": "works_at", "target": "Acme", "valid_from": "2024-05-01"}
        fact = await call("add_fact", **works)
        again = await call("add_fact", **works, properties={"role": "smith"})
        assert again == fact + ' {"role":"smith"}'
        assert ", since 2024-05-01] " in fact
        assert again in (await call("look_up_entity", name="ann")).splitlines()
        assert ", retracted] " in await call("retract_fact", id=id_in(fact))
        assert "morning trains" in await call("get_context", query="trains", budget_tokens=300)
        last = (await call("history", limit=5)).splitlines()
        assert len(last) == 5
        change = re.search(r"change ([0-9a-f-]{36}): ", last[0])
        assert change
        assert (await call("undo", change_id=change[1])).count(f"fact {id_in(fact)}, ") == 1
        late = await client.call_tool("correct_memory", {"id": kept, "text": "Ann prefers noon trains"})
        assert late.is_error
        assert f"superseded by archival memory {new}" in words_of(late)
        refused = await client.call_tool("delete_memory", {"id": 999})
        assert refused.is_error
        assert "no archival memory 999" in words_of(refused)
        [content] = (await client.read_resource("memory://blocks/human")).contents
        assert content.text.startswith("x\n[block")  # type: ignore[union-attr]
        [content] = (await client.read_resource("memory://conversations/s")).contents
        assert content.text == "user: Hello"  # type: ignore[union-attr]
        prompt = await client.get_prompt("answer_with_memory", {"question": "trains?"})
        assert "morning trains" in prompt.messages[0].content.text  # type: ignore[union-attr]

    talk(keyless, "memory", conversation)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_list_of_tools_is_short(keyless: Service, mode: Mode) -> None:
    async def conversation(client: Client) -> None:
        listed = await client.list_tools()
        size = len(listed.model_dump_json(include={"tools"}, by_alias=True, exclude_none=True).encode())
        assert size <= 12_000, f"the tools of {mode!r} are described in {size} bytes"
        for tool in listed.tools:
            assert "null" not in json.dumps(tool.input_schema), tool.name

    talk(keyless, mode, conversation)


def test_answers_are_hardly_longer_than_what_they_tell(keyless: Service) -> None:
    texts = [f"Ann drank tea number {number} in {town}." for number, town in enumerate(
        ("Graz", "Linz", "Wels", "Steyr", "Krems", "Melk", "Enns", "Zwettl", "Bregenz", "Villach"))]  # fmt: skip
    keyless.memory(Caller(None), "ann", "write").remember_many([{"text": text} for text in texts])

    async def conversation(client: Client) -> None:
        answer = await client.call_tool("search_memory", {"query": "tea", "limit": 10})
        assert answer.structured_content is None
        found = words_of(answer)
        assert all(text in found for text in texts)
        assert len(answer.model_dump_json(exclude_none=True)) < 2 * len("".join(texts)) + 200

    talk(keyless, "memory", conversation)


def test_arguments_that_are_left_out_may_be_null(keyless: Service) -> None:
    async def conversation(client: Client) -> None:
        answer = await client.call_tool("search_memory", {"query": "tea", "kinds": None, "since": None})
        assert words_of(answer) == "nothing found"

    talk(keyless, "memory", conversation)


def test_names_in_addresses_are_completed(keyless: Service) -> None:
    async def conversation(client: Client) -> None:
        async def names(uri: str, name: str, begun: str) -> list[str]:
            answer = await client.complete(ResourceTemplateReference(uri=uri), {"name": name, "value": begun})
            return answer.completion.values

        for label in ("human", "home", "persona"):
            await client.call_tool("append_to_block", {"label": label, "text": "x"})
        await client.call_tool("save_message", {"role": "user", "content": "Hello", "session": "Plans/1"})
        assert await names("memory://blocks/{label}", "label", "h") == ["human", "home"]
        assert await names("memory://conversations/{session}", "session", "plan") == ["Plans/1"]
        question = {"name": "question", "value": "h"}
        answer = await client.complete(PromptReference(name="answer_with_memory"), question)
        assert answer.completion.values == []

    talk(keyless, "memory", conversation)


@pytest.mark.parametrize(
    ("mode", "tool", "arguments"),
    [
        ("memory", "remember", {"text": "tea", "tag": ["drinks"]}),
        ("memory", "read_blocks", {"label": "human"}),
        ("reference", "create_entities", {"entities": [], "entity": []}),
        ("reference", "create_entities", {"entities": [{**ALICE, "observation": ["x"]}]}),
        ("reference", "create_relations", {"relations": [{**KNOWS, "type": "x"}]}),
        ("reference", "add_observations", {"observations": [{"entityName": "Bob", "contents": ["x"], "content": "x"}]}),
    ],
)
def test_unknown_arguments_are_refused(keyless: Service, mode: Mode, tool: str, arguments: dict[str, Any]) -> None:
    async def conversation(client: Client) -> None:
        for each in (await client.list_tools()).tools:
            assert each.input_schema["additionalProperties"] is False, each.name
        refused = await client.call_tool(tool, arguments)
        assert refused.is_error
        assert "no argument 'tag': it has text, tags" in words_of(refused) or tool != "remember"

    talk(keyless, mode, conversation)
    memory = keyless.memory(Caller(None), "ann", "read")
    assert (memory.archival.list(), Nodes(memory).read().nodes) == ([], [])


def test_unknown_arguments_of_a_prompt_are_refused(keyless: Service) -> None:
    async def conversation(client: Client) -> None:
        with pytest.raises(MCPError, match="no argument 'query': it has question"):
            await client.get_prompt("answer_with_memory", {"question": "trains?", "query": "trains?"})

    talk(keyless, "memory", conversation)


@pytest.mark.parametrize("session", ["team/plans", "/absolute", "a/../b", "50%2F"])
def test_conversations_of_any_name_are_resources(keyless: Service, session: str) -> None:
    async def conversation(client: Client) -> None:
        await client.call_tool("save_message", {"role": "user", "content": "Hello", "session": session})
        [content] = (await client.read_resource(f"memory://conversations/{quote(session, safe='')}")).contents
        assert content.text == "user: Hello"  # type: ignore[union-attr]

    talk(keyless, "memory", conversation)


def test_over_http_the_key_decides(service: Service) -> None:
    token = service.keys.create(agents=["acme-*"], permissions=["read"]).token

    async def run(address: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{address}/mcp?agent=acme-1", http_client=http)) as client,
        ):
            assert words_of(await client.call_tool("read_blocks", {})) == "no blocks yet"
            denied = await client.call_tool("remember", {"text": "x"})
            assert "no 'write' permission" in words_of(denied)
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{address}/mcp?agent=umbrella", http_client=http)) as client,
        ):
            denied = await client.call_tool("read_blocks", {})
            assert "has no access to agent 'umbrella'" in words_of(denied)

    with served(app_of(service)) as address:
        anyio.run(run, address)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8283"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 401),
        ({}, 401),
    ],
)
def test_web_pages_of_others_do_not_get_in(anonymous: TestClient, headers: dict[str, str], status: int) -> None:
    assert anonymous.post("/mcp", json={}, headers=headers).status_code == status


def test_over_stdio(dsn: str) -> None:
    program = "from memgpt.cli import main; main()"
    arguments = ["-c", program, "mcp", "--agent", "ann", "--dsn", dsn]

    async def run() -> None:
        async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
            kept = await client.call_tool("remember", {"text": "over stdio"})
            assert words_of(kept).startswith("kept as archival ")

    anyio.run(run)


def test_the_settings_of_clients_are_printed() -> None:
    program = [sys.executable, "-c", "from memgpt.cli import main; main()", "mcp", "--config", "--agent", "ann"]
    shown = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    for name in ("Claude Desktop", "Claude Code", "Cursor", "VS Code", "Windsurf", "Zed"):
        assert name in shown
    snippet = json.JSONDecoder().raw_decode(shown[shown.index("{") :])[0]
    assert snippet["mcpServers"]["memgpt"]["args"] == ["mcp", "--agent", "ann"]
