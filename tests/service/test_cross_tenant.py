"""Two tenants on one service: whatever a key of the one asks for, by whatever way, nothing of the other comes back.

The second run takes the application's own filters away: no key is checked against an agent, and no statement
asks for one agent's rows. What is left is the database.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from memgpt.database.queries import Queries
from memgpt.jobs import KINDS
from memgpt.service import Caller, Service

SEED = 20261123
REQUESTS = 500
MARK = "UMBRELLAWORD"
"""In the rows of the other tenant, and in what the attacker asks for."""
JEWEL = "CROWNJEWEL"
"""In the rows of the other tenant only."""
MINE, THEIRS = ("acme-1", "acme-2"), ("umbrella-1", "umbrella-2")
TABLES = (
    "core_memories", "archival_memories", "conversations", "documents", "document_chunks", "kg_entities",
    "kg_relationships", "memory_history", "agents", "jobs", "job_files", "agent_turns",
)  # fmt: skip
FILTER = re.compile(rb"\b(?:\w+\.)?agent_id = %\(agent_id\)s::text")


def fill(client: TestClient, agent: str, words: str) -> None:
    base = f"/v1/agents/{agent}"
    for n in range(3):
        for path, body in (
            ("archival-memory", {"text": f"{words} archival {n}", "tags": [words]}),
            ("messages", {"content": f"{words} message {n}", "session": words}),
            ("documents", {"text": f"# {words}\n\n{words} document {n}", "source": f"{words} {n}"}),
            ("relationships", {"source": f"{words} Ann", "type": f"knows_{n}", "target": f"{words} Bob"}),
            (f"core-memory/blocks/human{n}/append", {"text": f"{words} block"}),
        ):
            assert client.post(f"{base}/{path}", json=body).status_code in (200, 201)
        sent = {"files": (f"{words}.md", f"{words} file {n}"), "metadata": (None, json.dumps({"of": words}))}
        assert client.post(f"{base}/documents/files", files=sent).status_code == 202


def rows_of(dsn: str, agents: tuple[str, ...]) -> str:
    query = "SELECT md5(coalesce(string_agg(to_jsonb(t)::text, '' ORDER BY to_jsonb(t)::text), '')) FROM {} t"
    with psycopg.connect(dsn) as owner:
        return str([
            owner.execute(f"{query.format(table)} WHERE agent_id = ANY (%s)", [[*agents]]).fetchone()
            for table in TABLES
        ])  # fmt: skip


@pytest.fixture
def without_filters(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Takes away what the application does to keep agents apart; answers how many conditions that were."""

    def take_away() -> int:
        monkeypatch.setattr(Caller, "require", lambda *_: None)
        gone = 0
        for module in list(sys.modules.values()):
            sql = getattr(module, "SQL", None)
            if isinstance(sql, Queries) and module.__name__.startswith("memgpt.") and "embedded" not in module.__name__:
                opened = {name: FILTER.subn(b"true", text) for name, text in sql._queries.items()}
                gone += sum(count for _, count in opened.values())
                monkeypatch.setattr(sql, "_queries", {name: text for name, (text, _) in opened.items()})
        return gone

    return take_away


class Attacker:
    """Sends random requests of the whole interface, with a key of one tenant, about the other."""

    def __init__(self, client: TestClient, seed: int, cursors: list[str]) -> None:
        self.client = client
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
        self.schemas = document["components"]["schemas"]
        self.bodies = {
            (method, path): content["schema"]["$ref"].rpartition("/")[2]
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if path.startswith("/v1/agents")
            and (content := operation.get("requestBody", {}).get("content", {}).get("application/json"))
        }

    def agent(self) -> str:
        return self.random.choice([*THEIRS, *THEIRS, *MINE, "umbrella-*", "*", "%", "acme-*", "umbrella-1' OR '1'='1"])

    def text(self) -> str:
        return self.random.choice([MARK, f"{MARK} archival", "' OR 1=1 --", "*", "%", f'"{MARK}"', "Ann", ""])

    def rest(self) -> str:
        method, path = self.random.choice(self.routes)
        values = {
            "agent_id": self.agent(),
            "id": str(self.random.randint(1, 40)),
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
            "time": "2030-01-01T00:00:00Z",
            "kind": self.random.choice(["block", "archival", "message", "document", "chunk", "entity", "fact"]),
            "agent_id": self.random.choice([None, THEIRS[0]]),
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        headers = {"Memgpt-Agent": self.agent()}
        if url.endswith("/files"):
            kind = self.random.choice(["ingest", "import", "import-agent"])
            form = {"files": ("x.md", self.text() or "x"), "kind": (None, kind)}
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
                body[name] = self.random.randint(1, 40)
            elif name == "kind" and "arguments" in body:
                body[name] = self.random.choice([*KINDS])
                body["arguments"] = self.random.choice([{}, {"to": "another:model"}])
            elif name == "agents":
                body[name] = [self.random.choice([*THEIRS, *MINE])]
            elif name == "kinds":
                body[name] = ["archival", "message", "chunk", "fact"]
        return body

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
def attacker(client: TestClient, client_with: Callable[..., TestClient]) -> Attacker:
    for agent in THEIRS:
        fill(client, agent, f"{MARK} {JEWEL}")
    for agent in MINE:
        fill(client, agent, "acmeword")
    kinds = ("archival-memory", "messages", "documents", "entities", "relationships", "history", "jobs")
    pages = [client.get(f"/v1/agents/{THEIRS[0]}/{kind}?limit=1") for kind in kinds]
    return Attacker(client_with(agents=["acme-*"]), SEED, [page.headers["next-cursor"] for page in pages])


@pytest.mark.parametrize("filtered", [True, False], ids=["as it is", "with the application's filters taken away"])
def test_nothing_of_another_tenant_comes_back(
    attacker: Attacker,
    service: Service,
    dsn: str,
    without_filters: Callable[[], int],
    filtered: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = rows_of(dsn, THEIRS)
    if not filtered:
        assert without_filters() > 100
        with service.database.connection() as owner:  # the owner does see them: the filters are gone indeed
            from memgpt.stores.archival import SQL

            given = {"agent_id": "acme-1", "limit": 100, "superseded": True, "tags": None, "before": None}
            found = owner.execute(SQL.list, {**given, "before_id": None}).fetchall()
            assert JEWEL in str(found)
    leaks = []
    for n in range(REQUESTS):
        answer = attacker.mcp() if n % 4 == 0 else attacker.rest()
        if JEWEL in answer:
            leaks.append(answer)
    with capsys.disabled():
        print(f"\n  cross-tenant: {REQUESTS} requests, seed {SEED}, {len(leaks)} leaks ", end="")
    assert leaks == []
    assert rows_of(dsn, THEIRS) == before
