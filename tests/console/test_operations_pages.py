"""The operator's pages: who sees them, keys, audit, the database's health, jobs, a switch of the embedding model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.cli.operator.serving import Face, compose
from memgpt.jobs import Jobs
from memgpt.jobs.runner import Again, Runner
from memgpt.memory import Memory
from memgpt.server.console import Console
from memgpt.server.console.sessions import Sessions
from memgpt.server.service import Caller, Service
from tests.console.conftest import SAME_ORIGIN, Tab, Visitor, service_on
from tests.console.hostile import HARMLESS, TEXTS
from tests.console.test_hostile_texts import elements
from tests.integration.test_reembed import by_model
from tests.openai_server import OpenAIServer

TOKEN = re.compile(r'aria-label="The key">(memgpt_[0-9a-f]{12}_[\w-]{43})<')
PAGES = (
    "doctor/findings",
    "migrations",
    "migrations/drift",
    "indexes/sizes",
    "models",
    "jobs",
    "slow",
    "keys",
    "audit",
)


def test_only_who_administers_every_agent(
    application: tuple[FastAPI, Console], visitor_with: Callable[..., Visitor], visitor: Visitor, memory: Memory
) -> None:
    memory.remember("The flight leaves on 3 May.")
    routes = [route for router in application[1].routers for route in router.routes if isinstance(route, APIRoute)]
    ours = [route for route in routes if route.path.startswith("/operations")]
    assert len(ours) > 15
    for stranger in (visitor_with(agents=["ann"], permissions=["admin", "read"]), visitor_with()):
        assert 'href="/operations"' not in stranger.get("/").text
        for route in ours:
            path = re.sub(r"\{(\w+)\}", lambda match: "1" if match[1] == "id" else "pause", route.path)
            post = "POST" in (route.methods or ())
            answer = stranger.post(path) if post else stranger.get(path)
            assert answer.status_code == 403, path
    assert 'href="/operations"' in visitor.get("/agents/ann").text
    assert visitor.get("/operations").url.path == "/operations/doctor"
    for page in PAGES:
        assert visitor.get(f"/operations/{page}").status_code == 200, page


def test_a_key_is_shown_once_and_revoked(visitor: Visitor, service: Service) -> None:
    visitor.get("/operations/keys")
    fields = {
        "name": "travel <b>",
        "agents": "travel-*, ann",
        "permissions": ["read", "write"],
        "days": "30",
        "rate": "",
    }
    made = visitor.post("/operations/keys", **fields)
    found = TOKEN.search(made.text)
    assert found is not None
    key = service.keys.authenticate(found[1])
    assert (key.name, key.agents, key.permissions) == ("travel <b>", ["travel-*", "ann"], ["read", "write"])
    assert key.expires_at is not None
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    listed = visitor.get("/operations/keys").text
    assert TOKEN.search(listed) is None
    assert "travel &lt;b&gt;" in listed
    refused = visitor.post("/operations/keys", name="kept", agents="a*b")
    assert (refused.status_code, 'value="kept"' in refused.text, 'value="a*b"' in refused.text) == (422, True, True)
    revoked = visitor.post(f"/operations/keys/{key.key_id}/revoke")
    assert "Key travel &lt;b&gt; is revoked." in revoked.text
    assert [one.revoked_at is not None for one in service.keys.list() if one.key_id == key.key_id] == [True]


def test_the_key_is_asked_for_again(
    application: tuple[FastAPI, Console], service: Service, anonymous: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = service.keys.create("ops", permissions=("read", "write", "admin")).token
    anonymous.post("/sign-in", data={"key": own}, headers=SAME_ORIGIN)
    somebody = Visitor(anonymous)
    monkeypatch.setattr("memgpt.server.console.sessions.FRESH", timedelta(0))  # fifteen minutes later
    assert 'autocomplete="current-password"' in somebody.get("/operations/keys").text
    other = service.keys.create("other", permissions=("read", "write", "admin")).token
    fields = {"agents": "x", "permissions": "read"}
    for key, word in (("", "not a key"), ("x" * 500, "not a key"), (other, "another key")):
        answer = somebody.post("/operations/keys", key=key, **fields)
        assert (answer.status_code, word in answer.text) == (403, True)
    assert somebody.post("/operations/models/start", to="x").status_code == 403
    assert somebody.post("/operations/keys", key=f" {own} ", **fields).status_code == 201
    # whoever came by `memgpt console` has no key: one that administers everything will do
    sessions: Sessions = application[1].sessions
    anonymous.cookies.clear()
    anonymous.post("/sign-in", data={"once": sessions.invite()}, headers=SAME_ORIGIN)
    somebody.get("/operations/keys")
    reader = service.keys.create("reader").token
    assert somebody.post("/operations/keys", key=reader, **fields).status_code == 403
    assert somebody.post("/operations/keys", key=other, **fields).status_code == 201


def test_the_audit_log_is_paged_by_key(visitor: Visitor, service: Service, dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "INSERT INTO audit_log (request_id, key_id, agent_id, action, status) SELECT 'r' || n, 'k' || n % 2, "
            "'ann', 'POST /x', CASE n % 10 WHEN 0 THEN 403 ELSE 200 END FROM generate_series(1, 120) AS n"
        )
    seen: list[str] = []
    address = "/operations/audit?key_id=k1"
    while address:
        text = visitor.get(address).text
        seen += re.findall(r'data-label="Request">(\w+)</td>', text)
        address = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == [f"r{n}" for n in range(119, 0, -2)]
    refused = visitor.get("/operations/audit?outcome=refused&agent_id=ann").text
    assert re.findall(r'data-label="Request">(\w+)</td>', refused) == [f"r{n}" for n in range(120, 0, -10)]


def test_jobs_are_shown_cancelled_and_asked_for_again(visitor: Visitor, memory: Memory, dsn: str) -> None:
    memory.remember("The flight leaves on 3 May.")
    job = visitor_jobs(memory, dsn).add("sleep")
    page = visitor.get("/operations/jobs?status=queued").text
    address = f"/operations/jobs/ann/{job.id}"
    assert f'href="{address}"' in page
    assert "tasks" in visitor.get(address).text
    assert f"Job {job.id} is cancelled." in visitor.post(f"{address}/cancel").text
    again = visitor.post(f"{address}/retry")
    assert f"Asked again, as job {job.id + 1}." in again.text
    assert again.url.path == f"/operations/jobs/ann/{job.id + 1}"
    assert visitor.post(f"{address}/cancel").status_code == 409


def visitor_jobs(memory: Memory, dsn: str) -> Jobs:
    """The queue, as the service installs it."""
    from memgpt.database.connection import Database
    from memgpt.jobs import queue

    database = Database(dsn)
    queue.install(database)
    database.close()
    return Jobs(memory)


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    server = OpenAIServer(1536)
    server.script(otherwise=by_model)
    with server.running():
        yield server


def test_the_embedding_model_is_switched_paused_resumed_rolled_back_and_finished(
    dsn: str, provider: OpenAIServer, memory: Memory
) -> None:
    memory.remember_many({"text": f"note {n} about topic {n % 17}"} for n in range(40))
    service = service_on(dsn, embedding_base_url=provider.url, embedding_api_key=SecretStr("test"))
    app, _ = compose(service, Face(("testserver",), with_worker=False), 80)
    key = service.keys.create(permissions=("read", "write", "admin")).token
    runner = Runner(service.database, service.embedder, service.options)

    every = service.jobs(Caller(None), "*", "admin")

    def work(stopping: Callable[[], bool] = lambda: False) -> None:
        [job] = [job for job in every.list() if not job.finished]
        runner.run("*", job.id, stopping)

    with TestClient(app, base_url="http://localhost:80") as client:
        client.post("/sign-in", data={"key": key}, headers=SAME_ORIGIN)
        operator = Visitor(client)
        assert "wordllama-l2-supercat-256, 256 dimensions" in operator.get("/operations/models").text
        assert "A switch to all-minilm would take" in operator.post("/operations/models/plan", to="all-minilm").text
        assert "The switch is job" in operator.post("/operations/models/start", to="all-minilm").text
        assert "Pause" in operator.get("/operations/models").text
        assert operator.post("/operations/models/start", to="all-minilm").status_code == 409
        assert operator.post("/operations/models/finish").status_code == 409
        assert "is cancelled" not in operator.post("/operations/models/pause").text
        operator.post("/operations/models/start", to="all-minilm")
        work()
        page = operator.get("/operations/models").text
        assert "searched by all-minilm, 384 dimensions" in page
        assert ("Finish" in page, "Roll back" in page, "Begin the switch" in page) == (True, True, False)
        operator.post("/operations/models/roll-back")
        work()
        assert "searched by wordllama-l2-supercat-256" in operator.get("/operations/models").text
        operator.post("/operations/models/finish")
        work()
        page = operator.get("/operations/models").text
        assert ("rolled back" in page, "Begin the switch" in page) == (True, True)
        # one that was interrupted goes on with what was asked for
        operator.post("/operations/models/start", to="all-minilm")
        steps = iter([False, False])
        with pytest.raises(Again):
            work(lambda: next(steps, True))
        operator.post("/operations/models/pause")
        page = operator.get("/operations/models").text
        assert ("Go on" in page, "what was embedded is kept" in page) == (True, True)
        operator.post("/operations/models/resume")
        assert every.list(limit=1)[0].arguments["to"] == "all-minilm"
        work()
        assert "searched by all-minilm" in operator.get("/operations/models").text


def test_no_text_of_an_operator_makes_an_element(visitor: Visitor, service: Service, memory: Memory, dsn: str) -> None:
    made: list[set[str]] = []
    for texts in ((HARMLESS,), TEXTS):
        for text in texts:
            short = text[:200]
            service.keys.create(short, agents=[re.sub(r"[^\w<>\"'=/ ]", "", short)[:100].strip() or "x"])
            job = visitor_jobs(memory, dsn).add("sleep")
            with psycopg.connect(dsn) as owner:
                owner.execute(
                    "UPDATE jobs SET status = 'failed', finished_at = now(), error = %s, message = %s, result = %s, "
                    "requested_by = %s WHERE id = %s",
                    (short, short, psycopg.types.json.Jsonb({short: short}), short, job.id),
                )
                owner.execute(
                    "INSERT INTO audit_log (request_id, key_id, agent_id, action, status) VALUES (%s, %s, %s, %s, 200)",
                    (short, short, short, short),
                )
        addresses = [f"/operations/{page}" for page in PAGES] + [f"/operations/jobs/ann/{job.id}"]
        pages = [elements(visitor.get(address).text) for address in addresses]
        made.append({one for page in pages for one in page.seen})
        assert [link for page in pages for link in page.links if not link.startswith(("/", "#"))] == []
        assert not any("\u202e" in page.shown for page in pages)
    assert made[1] - made[0] <= {"span class title", "input disabled type"}


def test_operating_in_a_browser(tab: Tab, memory: Memory, dsn: str) -> None:
    memory.remember("The flight leaves on 3 May.")
    job = visitor_jobs(memory, dsn).add("sleep")
    with psycopg.connect(dsn) as owner:
        owner.execute("UPDATE jobs SET status = 'running', done = 3, total = 10 WHERE id = %s", (job.id,))
    page = tab.open("/")
    page.get_by_role("link", name="Operations").click()
    page.get_by_text("requests of the service run as").wait_for()  # what comes after the paint
    tab.is_accessible()
    tab.shot("doctor")
    page.get_by_role("link", name="Migrations").click()
    page.get_by_text("objects compared").wait_for()
    tab.is_accessible()
    page.get_by_role("link", name="Indexes and sizes").click()
    page.get_by_text("archival_memories_pkey").wait_for()
    tab.is_accessible()
    tab.shot("indexes")
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("link", name=str(job.id), exact=True).click()
    page.get_by_text("3 / 10").wait_for()
    tab.is_accessible()
    with psycopg.connect(dsn) as owner:
        owner.execute("UPDATE jobs SET done = 7 WHERE id = %s", (job.id,))
    page.get_by_text("7 / 10").wait_for()  # nobody asked for it
    with psycopg.connect(dsn) as owner:
        owner.execute(
            "UPDATE jobs SET status = 'failed', error = 'no luck', finished_at = now() WHERE id = %s", (job.id,)
        )
    page.get_by_role("button", name="Ask again").click()
    page.get_by_text(f"Asked again, as job {job.id + 1}.").wait_for()
    page.get_by_role("link", name="Embedding model").click()
    page.get_by_role("button", name="Begin the switch").wait_for()
    tab.is_accessible()
    tab.shot("models")
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_text("A new key").click()
    page.get_by_label("What it is for").fill("travel")
    page.get_by_label("Agents", exact=True).fill("travel-*")
    page.get_by_role("button", name="Make the key").click()
    assert re.fullmatch(r"memgpt_[0-9a-f]{12}_[\w-]{43}", page.get_by_label("The key", exact=True).inner_text())
    page.get_by_role("button", name="Copy the key").wait_for()
    tab.is_accessible()
    page.get_by_role("button", name="Revoke key").first.click()
    page.get_by_text("Key travel is revoked.").wait_for()
    tab.is_accessible()
    tab.shot("keys")
    for name in ("Audit", "Slow statements"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
        tab.is_accessible()
