"""What was written through any face of the service and forgotten is nowhere, in the database and in the process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import psycopg
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.testclient import TestClient

from tests.chat_server import ChatServer, Say
from tests.service.test_jobs_api import watched
from tests.traces import in_database

M = "zebrawort"
A = "/v1/agents/acme-1"
ROWS = """
    SELECT kind, row_id FROM memory_history WHERE agent_id = 'acme-1' GROUP BY kind, row_id
    ORDER BY kind IN ('archival', 'message'), kind, row_id
"""
"""Everything that was ever written; what is derived from others goes first."""


class Running:
    def __init__(self, address: str, process: subprocess.Popen[str]) -> None:
        self.address = address
        self._process = process

    def remembers(self) -> list[str]:
        """What the process holds, asked when no connection is in use any more."""
        httpx.get(f"{self.address}/health/live").raise_for_status()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("zebra wort\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@contextmanager
def running(dsn: str, model: ChatServer) -> Iterator[Running]:
    command = [sys.executable, "-m", "tests.service.forgotten_service", dsn, model.url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        yield Running(process.stdout.readline().strip(), process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def write_through_rest(http: httpx.Client) -> None:
    sent = 0

    def post(path: str, **body: Any) -> Any:
        nonlocal sent
        sent += 1
        answer = http.post(f"{A}{path}", json=body, headers={"Idempotency-Key": f"{M} {sent}"})
        assert answer.status_code < 300, answer.text
        return answer.json()

    [one] = post("/archival-memory", text=f"{M} one", tags=[M], metadata={M: M})
    post("/archival-memory/batch", memories=[{"text": f"{M} two", "source": M}])
    http.patch(f"{A}/archival-memory/{one['id']}", json={"text": f"{M} three"}).raise_for_status()
    http.put(f"{A}/archival-memory/{one['id']}/superseded-by", json={"text": f"{M} four"}).raise_for_status()
    post("/messages", content=f"I said {M}", session=M, name=M, intent=M)
    post("/messages/batch", messages=[{"role": "tool", "tool_call_id": M, "content": M, "session": M}])
    post("/documents", text=f"# {M}\n\nThe {M} grows. " * 30, title=M, source=f"{M}.md")
    for name in (f"{M} Jon Smith", f"{M} John Smith"):
        post("/entities", name=name, aliases=[M + name], description=M)
    post("/facts", source=f"{M} Jon Smith", type="knows", target=f"{M} Ann", fact=f"{M} knows")
    post("/proposals/merges")
    post("/core-memory/blocks", label=M, value=M)
    post(f"/core-memory/blocks/{M}/append", text=M)
    for path in ("/search", "/context"):
        assert M in http.post(f"{A}{path}", json={"query": f"what is {M}?"}).text
    assert M in http.get(f"{A}/messages?session={M}&limit=1").headers["link"]


def write_through_jobs(http: httpx.Client) -> None:
    jobs = [
        http.post(f"{A}/documents/files", files={"files": file}, data={"metadata": json.dumps({"m": M})})
        for file in ((f"{M}.md", f"# {M}\n\n{M} is a plant"), (f"{M}.pdf", f"%PDF-1.4 {M}"))
    ]
    talk = [{"role": "user", "content": f"Have you heard of {M}?"}, {"role": "assistant", "content": f"{M}? No."}]
    files = {"files": (f"{M}.json", json.dumps(talk))}
    jobs.append(http.post(f"{A}/jobs/files", files=files, data={"kind": "import"}))
    for asked in jobs:
        assert asked.status_code == 202, asked.text
        assert watched(http, asked.headers["location"])[-1]["status"] in ("succeeded", "failed")
    assert M in http.get(f"{A}/jobs").text


def write_through_models(http: httpx.Client, model: ChatServer) -> None:
    model.script(Say("Noted.", calls=[("archival_memory_insert", {"content": f"agent's {M}"})]), Say(f"{M}, right."))
    http.post(f"{A}/chat", json={"text": f"Note {M}", "session": "talk"}).raise_for_status()
    model.script(Say(f"{M}!"), Say(f"{M}!!"))
    for stream in (False, True):
        body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": f"{M} {stream}?"}]}
        answer = http.post("/v1/chat/completions", json=body, headers={"Memgpt-Agent": "acme-1"})
        assert M in answer.text


def write_through_mcp(address: str) -> None:
    async def run() -> None:
        async with (
            httpx2.AsyncClient(headers={"Host": "testserver"}) as http,
            Client(streamable_http_client(f"{address}/mcp?agent=acme-1", http_client=http)) as client,
        ):
            for name, arguments in (
                ("remember", {"text": f"{M} by MCP"}),
                ("save_message", {"role": "user", "content": f"{M} by MCP"}),
                ("append_to_block", {"label": "human", "text": M}),
                ("add_document", {"text": f"{M} by MCP", "title": M}),
                ("add_fact", {"source": M, "type": "likes", "target": "MCP"}),
                ("search_memory", {"query": M}),
            ):
                answer = await client.call_tool(name, arguments)
                assert not answer.is_error, answer.content

    anyio.run(run)


def write_everywhere(service: Running, model: ChatServer) -> None:
    with httpx.Client(base_url=service.address, timeout=60) as http:
        write_through_rest(http)
        write_through_jobs(http)
        write_through_models(http, model)
    write_through_mcp(service.address)


def forget_every_row(service: Running, dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        rows = owner.execute(ROWS).fetchall()
    assert {kind for kind, _ in rows} == {"archival", "message", "document", "chunk", "entity", "fact", "block"}
    with httpx.Client(base_url=service.address, timeout=60) as http:
        for kind, id in rows:
            answer = http.post(f"{A}/forget", json={"kind": kind, "id": id})
            assert answer.status_code in (200, 404), answer.text  # what was derived went before


def forget_the_agent(service: Running, dsn: str) -> None:
    httpx.delete(f"{service.address}{A}", timeout=60).raise_for_status()


@pytest.mark.parametrize("forget", [forget_every_row, forget_the_agent])
def test_nothing_is_left_anywhere(dsn: str, model: ChatServer, forget: Callable[[Running, str], None]) -> None:
    with running(dsn, model) as service:
        write_everywhere(service, model)
        assert in_database(dsn, M)
        forget(service, dsn)
        assert in_database(dsn, M) == []
        assert service.remembers() == []


def test_a_request_that_is_repeated_after_its_text_was_forgotten_does_nothing(client: TestClient) -> None:
    def write() -> httpx.Response:
        return client.post(f"{A}/messages", json={"content": "secret"}, headers={"Idempotency-Key": "k1"})  # type: ignore[return-value]

    id = write().json()["id"]
    assert write().headers["idempotency-replayed"] == "true"
    client.post(f"{A}/forget", json={"kind": "message", "id": id}, headers={"Idempotency-Key": "k2"}).raise_for_status()
    for again in (write(), write()):
        assert again.status_code == 409
        assert again.headers["content-type"] == "application/problem+json"
        assert "forgotten" in again.json()["detail"]
    assert client.get(f"{A}/messages").json() == []
    other = client.post(f"{A}/messages", json={"content": "other"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 409
    client.delete(A).raise_for_status()
    assert write().status_code == 409
    repeated = client.post(f"{A}/forget", json={"kind": "message", "id": id}, headers={"Idempotency-Key": "k2"})
    assert repeated.status_code == 409, "the agent was deleted since"


def test_readers_of_a_forgotten_block_are_not_told_it_again(client: TestClient, dsn: str) -> None:
    block = client.post(f"{A}/core-memory/blocks", json={"label": "team", "value": f"{M}"}).json()
    client.put(f"{A}/core-memory/blocks/team/shared-with", json={"agents": ["acme-2"]}).raise_for_status()
    edited = client.post(
        "/v1/agents/acme-2/core-memory/blocks/team/append", json={"text": M}, headers={"Idempotency-Key": "k"}
    )
    edited.raise_for_status()
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "INSERT INTO agent_turns (agent_id, session, message_id, runner) "
            "VALUES ('acme-2', 's', 1, gen_random_uuid())"
        )
        owner.execute(
            "INSERT INTO agent_steps (agent_id, turn_id, number, session, model, longest, sent_hash, system) "
            "SELECT agent_id, id, 1, 's', 'm', 1, '', %s FROM agent_turns",
            [f"<team>{M}</team>"],
        )
    client.post(f"{A}/forget", json={"kind": "block", "id": block["id"]}).raise_for_status()
    assert in_database(dsn, M) == []
