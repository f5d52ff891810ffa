"""Two tenants on one service: whatever a key of the one asks for, by whatever way, nothing of the other comes back.

The second run takes the application's own filters away: no key is checked against an agent, and no statement
asks for one agent's rows. What is left is the database.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from httpx import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt import Memory, NewItem
from memgpt.agents.agents import Agents
from memgpt.database.queries import Queries
from memgpt.database.tables import BY_NAME, by_kind
from memgpt.jobs import KINDS
from memgpt.jobs.store import JobStore
from memgpt.jobs.worker import Worker
from memgpt.models import KINDS as SEARCHED
from memgpt.models import Job, Json
from memgpt.server.service import Caller, Service
from tests.chat_server import ChatServer, Say
from tests.service.conftest import service_on
from tests.statements import forget_statements

SEED = 20261123
REQUESTS = int(os.environ.get("CROSS_TENANT_REQUESTS", "1000"))
"""Of each of the two runs; any number by hand."""
MARK = "UMBRELLAWORD"
"""In the rows of the other tenant, and in what the attacker asks for."""
JEWEL = "CROWNJEWEL"
"""In the rows of the other tenant only."""
MINE, THEIRS = ("acme-1", "acme-2"), ("umbrella-1", "umbrella-2")
TABLES = ("agents", *BY_NAME)
THREAD = (
    b"INSERT INTO thread_checkpoints (agent_id, thread_id, namespace, checkpoint_id, channel_versions, labels, "
    b"checkpoint_type, checkpoint, metadata_type, metadata) VALUES (%(agent)s, %(words)s::text, '', '1', '{}', '{}', "
    b"'json', convert_to(%(words)s::text, 'UTF8'), 'json', '')",
    b"INSERT INTO thread_values VALUES (%(agent)s, %(words)s::text, '', %(words)s::text, '1', 'json', "
    b"convert_to(%(words)s::text, 'UTF8'))",
    b"INSERT INTO thread_writes VALUES (%(agent)s, %(words)s::text, '', '1', 'task', 0, '', %(words)s::text, '', '')",
)
"""A thread of a graph with a step, a value and a write, as a checkpointer keeps them."""
FILTER = re.compile(rb"\b(?:\w+\.)?agent_id = %\(agent_id\)s::text")


def fill(client: TestClient, agent: str, words: str) -> None:
    base = f"/v1/agents/{agent}"
    for n in range(3):
        for path, body in (
            ("archival-memory", {"text": f"{words} archival {n}", "tags": [words]}),
            ("messages", {"content": f"{words} message {n}", "session": words}),
            ("documents", {"text": f"# {words}\n\n{words} document {n}", "source": f"{words} {n}"}),
            ("facts", {"source": f"{words} Ann", "type": f"knows_{n}", "target": f"{words} Bob"}),
            ("facts", {"source": f"{words} Annabel", "type": f"knows_{n}", "target": f"{words} Annabell"}),
            ("files", {"path": f"{words.split()[0]}{n}.md", "content": f"{words} file {n}"}),
            (f"core-memory/blocks/human{n}/append", {"text": f"{words} block"}),
        ):
            assert client.post(f"{base}/{path}", json=body).status_code in (200, 201)
        sent = {"files": (f"{words}.md", f"{words} file {n}"), "metadata": (None, json.dumps({"of": words}))}
        assert client.post(f"{base}/documents/files", files=sent).status_code == 202


def put_items(service: Service, agent: str, words: str) -> None:
    """Keep what programs keep: no request writes it, and searches find it."""
    memory = Memory(agent, database=service.database, embedder=service.embedder, options=service.options)
    items = [
        NewItem((words, "notes"), f"{words} {n}", {"note": f"{words} item {n}"}, vectors=[("note", [1, n])])
        for n in range(3)
    ]
    memory.items.put_many(items, collection=words)
    with memory.transaction() as connection:
        for statement in THREAD:
            connection.execute(statement, {"agent": agent, "words": words})


def exported(dsn: str, agent: str) -> list[Json]:
    """The lines of an exported agent."""
    with Agents(dsn=dsn) as agents:
        file = StringIO()
        agents.export(agent, file)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def rows_of(dsn: str, agents: tuple[str, ...]) -> str:
    query = "SELECT md5(coalesce(string_agg(to_jsonb(t)::text, '' ORDER BY to_jsonb(t)::text), '')) FROM {} t"
    with psycopg.connect(dsn) as owner:
        return str([
            owner.execute(f"{query.format(table)} WHERE agent_id = ANY (%s)", [[*agents]]).fetchone()
            for table in TABLES
        ])  # fmt: skip


@pytest.fixture
def without_filters(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Takes away what the application does to keep agents apart; answers how many conditions that were."""

    def take_away() -> int:
        monkeypatch.setattr(Caller, "require", lambda *_: None)
        forget_statements()
        gone = 0
        for module in list(sys.modules.values()):
            sql = getattr(module, "SQL", None)
            if isinstance(sql, Queries) and module.__name__.startswith("memgpt.") and "embedded" not in module.__name__:
                opened = {name: FILTER.subn(b"true", text) for name, text in vars(sql).items() if name in {*sql}}
                gone += sum(count for _, count in opened.values())
                for name, (text, _) in opened.items():
                    monkeypatch.setattr(sql, name, text)
        return gone

    yield take_away
    monkeypatch.undo()
    forget_statements()


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Iterator[ChatServer]:
    """A model that looks for what it should not see, and writes what it likes."""
    chance = random.Random(SEED)

    def reaction(body: Json) -> Say:
        if not body.get("tools") or chance.random() < 0.5:
            return Say(f"I know nothing of {MARK}")
        return Say("", [chance.choice([
            ("archival_memory_search", {"query": MARK}),
            ("conversation_search", {"query": MARK}),
            ("core_memory_append", {"label": "human0", "content": "mine now"}),
            ("archival_memory_insert", {"content": f"{MARK} mine"}),
        ])])  # fmt: skip

    with ChatServer().running() as server:
        server.script(otherwise=reaction)
        yield server


@pytest.fixture
def service(dsn: str, model: ChatServer) -> Service:
    named: Json = {"chat_model": "openai:scripted", "chat_base_url": model.url, "chat_api_key": SecretStr("k")}
    return service_on(dsn, **named)


class Attacker:
    """Sends random requests of the whole interface, with a key of one tenant, about the other."""

    def __init__(self, client: TestClient, seed: int, cursors: list[str], export: list[Json]) -> None:
        self.client = client
        self.export = export
        self.done: Counter[str] = Counter()
        """Requests that were done, by the last part of their address."""
        client.event_hooks["response"].append(self.note)
        self.random = random.Random(seed)
        self.cursors = cursors
        document = client.get("/openapi.json").json()
        self.routes = [
            (method, path)
            for path, methods in document["paths"].items()
            for method in methods
            if path.startswith("/v1/agents")
            and (method, path) != ("delete", "/v1/agents/{agent_id}")
            and not path.endswith("/events")  # without a worker it does not end; tests/service/test_jobs_api.py has it
        ]
        dear = ("/shared-with", "/forget", "/apply")
        self.routes += [route for route in self.routes for _ in range(6) if route[1].endswith(dear)]
        self.schemas = document["components"]["schemas"]
        self.bodies = {
            (method, path): content["schema"]["$ref"].rpartition("/")[2]
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if path.startswith("/v1/agents")
            and (content := operation.get("requestBody", {}).get("content", {}).get("application/json"))
        }

    def note(self, answer: Response) -> None:
        if answer.is_success:
            self.done[answer.request.url.path.rpartition("/")[2]] += 1

    def agent(self) -> str:
        return self.random.choice(
            [*THEIRS, *THEIRS, *MINE, *MINE, *MINE, "umbrella-*", "*", "%", "acme-*", "umbrella-1' OR '1'='1"]
        )

    def text(self) -> str:
        return self.random.choice([MARK, f"{MARK} archival", "' OR 1=1 --", "*", "%", f'"{MARK}"', "Ann", ""])

    def rest(self) -> str:
        method, path = self.random.choice(self.routes)
        values = {
            "agent_id": self.agent(),
            "id": str(self.random.randint(1, 14)),
            "label": self.random.choice(["human0", "human1", "persona"]),
        }
        url = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)
        body = self.body(self.bodies.get((method, path)))
        parameters = {
            "after": self.random.choice([None, None, *self.cursors]),
            "query": self.text(),
            "name": self.random.choice([None, f"{MARK} Ann"]),
            "session": self.random.choice([None, MARK]),
            "tag": self.random.choice([None, MARK]),
            "entity": self.random.choice([None, 1, 2]),
            "source": 1,
            "target": 2,
            "time": "2030-01-01T00:00:00Z",
            "kind": self.random.choice([*by_kind()]),
            "path": f"{MARK}{self.random.randint(0, 2)}.md",
            "directory": self.random.choice([None, "/memories"]),
            "agent_id": self.random.choice([None, THEIRS[0]]),
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        headers = {"Memgpt-Agent": self.agent()}
        if url.endswith(("/jobs/files", "/documents/files")):
            kind = self.random.choice(["ingest", "import", "import-agent", "import-agent"])
            contents = {"ingest": self.text() or "x", "import": self.transcript(), "import-agent": self.tampered()}
            form = {"files": ("x.md" if kind == "ingest" else "x.json", contents[kind]), "kind": (None, kind)}
            return self.client.post(url, files=form, headers=headers).text
        return self.client.request(method, url, params=given, json=body, headers=headers).text

    def body(self, schema: str | None) -> dict[str, Any] | None:
        if schema is None:
            return None
        [example] = self.schemas[schema]["examples"]
        body: dict[str, Any] = json.loads(json.dumps(example))
        for name in body:
            if name in ("query", "text", "value", "old", "content", "source", "target", "name"):
                body[name] = self.random.choice([self.text() or "x", body[name]])
            elif name == "id":
                body[name] = self.random.randint(1, 14)
            elif name == "kind" and "arguments" in body:
                body[name] = self.random.choice([*KINDS])
                given = {"extract": {"max_items": 1}, "sleep": {"tasks": ["duplicates", "merges"], "apply": True}}
                body["arguments"] = given.get(body[name], self.random.choice([{}, {"to": "another:model"}]))
            elif name == "agents":
                body[name] = [self.random.choice([*THEIRS, *MINE])]
            elif name == "kinds":
                body[name] = [*SEARCHED]
            elif name == "path":
                body[name] = f"{MARK}{self.random.randint(0, 2)}.md"
        return body

    def transcript(self) -> str:
        return json.dumps([{"role": "user", "content": self.text() or "x"}, {"role": "assistant", "content": "yes"}])

    def tampered(self) -> str:
        """An export of the attacker's own agent, whose rows say that they are others'."""
        lines = json.loads(json.dumps(self.export))
        for line in lines[1:]:
            row, field = line["row"], self.random.choice(["agent_id", "shared_with", "id", "nothing"])
            if field == "shared_with" and line["table"] == "core_memories":
                row["shared_with"] = [*THEIRS]
            elif field == "id":
                row["id"] = self.random.randint(1, 60)
            elif field == "agent_id":
                row["agent_id"] = self.random.choice(THEIRS)
        lines[0]["agent"]["agent_id"] = self.random.choice([*THEIRS, *MINE])
        return "\n".join(json.dumps(line) for line in lines)

    def proxy(self) -> str:
        path = self.random.choice(["chat/completions", "responses", "messages", "messages/count_tokens"])
        body: Json = {"model": "scripted", "stream": self.random.random() < 0.3}
        if path == "responses":
            goes_on = {"previous_response_id": "r"} if self.random.random() < 0.3 else {}
            body |= {"input": self.text() or "x", "user": self.agent(), **goes_on}
        else:
            body["messages"] = [{"role": "user", "content": self.text() or "x"}]
            body |= {"user": self.agent()} if path == "chat/completions" else {"max_tokens": 100}
        headers = self.random.choice([{"Memgpt-Agent": self.agent()}, {"Memgpt-Session": MARK}])
        return self.client.post(f"/v1/{path}", json=body, headers=headers).text

    def any(self, number: int) -> str:
        """One request: every fourth is MCP's, every twentieth of a client of models."""
        if number % 20 == 1:
            return self.proxy()
        return self.mcp() if number % 4 == 0 else self.rest()

    def mcp(self) -> str:
        name, arguments = self.random.choice([
            ("search_memory", {"query": self.text() or "x", "limit": 50}),
            ("get_context", {"query": self.text(), "budget_tokens": 5000}),
            ("read_blocks", {}),
            ("read_conversation", {"session": self.random.choice([None, MARK])}),
            ("list_documents", {}),
            ("read_document", {"id": self.random.randint(1, 12)}),
            ("look_up_entity", {"name": f"{MARK} Ann"}),
            ("history", {"limit": 200}),
            ("correct_memory", {"id": self.random.randint(1, 12), "text": "mine now"}),
            ("delete_memory", {"id": self.random.randint(1, 12)}),
            ("retract_fact", {"id": self.random.randint(1, 12)}),
            ("replace_in_block", {"label": "human0", "old": MARK, "new": "x"}),
        ])  # fmt: skip
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        if self.random.random() < 0.2:
            uri = self.random.choice(["memory://blocks", "memory://graph", f"memory://conversations/{MARK}"])
            call |= {"method": "resources/read", "params": {"uri": uri}}
        headers = {"Accept": "application/json, text/event-stream", "Memgpt-Agent": self.agent()}
        answer = self.client.post("/mcp", params={"agent": self.agent()}, json=call, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def attacker(
    anonymous: TestClient,
    client: TestClient,
    client_with: Callable[..., TestClient],
    service: Service,
    dsn: str,
) -> Attacker:
    for agents, words in ((THEIRS, f"{MARK} {JEWEL}"), (MINE, "acmeword")):
        for agent in agents:
            fill(client, agent, words)
            put_items(service, agent, words)
    work_off(service)
    for agent in (*THEIRS, *MINE):
        assert client.post(f"/v1/agents/{agent}/proposals/merges").status_code == 201
    kinds = ("archival-memory", "messages", "documents", "entities", "facts", "history", "jobs")
    pages = [client.get(f"/v1/agents/{THEIRS[0]}/{kind}?limit=1") for kind in kinds]
    cursors = [page.headers["next-cursor"] for page in pages]
    own = client_with(agents=["acme-*"], permissions=["read", "write", "admin"])
    own.portal = anonymous.portal  # one loop for all requests, as a server has: the proxy keeps connections
    return Attacker(own, SEED, cursors, exported(dsn, MINE[0]))


def work_off(service: Service) -> None:
    """Do the jobs that wait."""
    asyncio.run(Worker(service.database, service.embedder, service.options).run(wait=False))


def done(service: Service, agents: tuple[str, ...]) -> list[Job]:
    with service.database.connection() as owner:
        return [job for agent in agents for job in JobStore(owner, agent).list(status=None, limit=1000, before=None)]


FILTERED = pytest.mark.parametrize(
    "filtered", [True, False], ids=["as it is", "with the application's filters taken away"]
)


@FILTERED
def test_nothing_of_another_tenant_comes_back(
    attacker: Attacker,
    service: Service,
    model: ChatServer,
    dsn: str,
    without_filters: Callable[[], int],
    filtered: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = rows_of(dsn, THEIRS)
    if not filtered:
        assert without_filters() > 100
        with service.database.connection() as owner:  # the owner does see them: the filters are gone indeed
            from memgpt.archival.store import _list

            given = {"agent_id": "acme-1", "limit": 100, "superseded": True, "tags": None, "before": None}
            found = owner.execute(_list(frozenset()), {**given, "before_id": None}).fetchall()
            assert JEWEL in str(found)
    leaks = []
    for n in range(REQUESTS):
        answer = attacker.any(n)
        if JEWEL in answer:
            leaks.append(answer)
        if n % 100 == 99:
            work_off(service)
    leaks += [body.decode() for body in model.bodies if JEWEL.encode() in body]
    assert len(model.bodies) > REQUESTS / 100
    if REQUESTS >= 1000:
        assert set(attacker.done) >= {"completions", "responses", "count_tokens", "files", "mcp"}
    assert "succeeded" in {job.status for job in done(service, MINE)}
    with capsys.disabled():
        print(f"\n  cross-tenant: {REQUESTS} requests, seed {SEED}, {len(leaks)} leaks ", end="")
    assert leaks == []
    assert rows_of(dsn, THEIRS) == before


@FILTERED
def test_nothing_is_shared_into_another_tenant(
    client: TestClient,
    client_with: Callable[..., TestClient],
    service: Service,
    dsn: str,
    without_filters: Callable[[], int],
    filtered: bool,
) -> None:
    for agent, label in ((MINE[0], "plan"), (THEIRS[0], "persona")):
        path = f"/v1/agents/{agent}/core-memory/blocks/{label}/append"
        assert client.post(path, json={"text": agent}).status_code < 300
    shared = f"/v1/agents/{MINE[0]}/core-memory/blocks/plan/shared-with"
    planted = exported(dsn, MINE[0])
    for line in planted[1:]:
        if line["table"] == "core_memories":
            line["row"] |= {"shared_with": [THEIRS[0]], "label": "human"}
    for agents in ([THEIRS[0]], []):  # somebody whose key reaches both shares it, and takes that back
        assert client.put(shared, json={"agents": agents}).status_code == 200
    before = rows_of(dsn, THEIRS)
    own = client_with(agents=["acme-*"], permissions=["read", "write", "admin"])
    if not filtered:
        without_filters()
    file = "\n".join(json.dumps(line) for line in planted)
    form = {"files": ("x.jsonl", file), "kind": (None, "import-agent")}
    assert own.post(f"/v1/agents/{MINE[1]}/jobs/files", files=form).status_code == 202
    work_off(service)
    assert {job.status for job in done(service, MINE) if job.kind == "import-agent"} == {"failed"}
    for answer in (
        own.post(f"/v1/agents/{MINE[0]}/undo", json={}),
        own.put(shared, json={"agents": [THEIRS[0]]}),
        own.put(shared, json={"agents": [MINE[1], THEIRS[1]]}),
    ):
        assert 400 <= answer.status_code < 500, answer.text
    assert MINE[0] not in client.get(f"/v1/agents/{THEIRS[0]}/core-memory/blocks").text
    with psycopg.connect(dsn) as owner:
        query = "SELECT count(*) FROM core_memories WHERE shared_with && %s"
        assert owner.execute(query, [[*THEIRS]]).fetchone() == (0,)
    assert rows_of(dsn, THEIRS) == before
