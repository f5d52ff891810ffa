"""Facts taken from texts by a model, over a socket: schemas, cache, failures, limits, and going on after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from memgpt import Agents, Memory
from memgpt.config import settings as configured
from memgpt.errors import ChatError, InputError
from memgpt.graph.extraction.loading import load
from memgpt.graph.extraction.schema import Schema
from memgpt.memory import scope_of
from tests.chat_server import ChatServer, Fail, Reaction, Say

MODEL = "openai:gpt-4o-mini"


class Person(BaseModel):
    name: str
    aliases: list[str] = []
    description: str = ""
    birthplace: str | None = None


class Firm(BaseModel):
    name: str


class WorksAt(BaseModel):
    """Who is employed where."""

    functional: ClassVar[bool] = True
    source: str
    target: str
    valid_from: str | None = None
    valid_to: str | None = None
    role: str | None = None


class Staff(BaseModel):
    people: list[Person] = []
    firms: list[Firm] = []
    jobs: list[WorksAt] = []


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat


@pytest.fixture
def memory(dsn: str, chat: ChatServer) -> Iterator[Memory]:
    options = configured().model_copy(update={"chat_base_url": chat.url, "database_url": SecretStr(dsn)})
    with Memory("ann", options=options) as memory:
        yield memory


def answered(**fields: Any) -> Say:
    return Say(calls=[("final_result", fields)], input_tokens=100, output_tokens=20)


def works(source: str, target: str, **more: Any) -> Say:
    job = {"source": source, "target": target, **more}
    return answered(people=[{"name": source}], firms=[{"name": target}], jobs=[job])


def asked(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def by_text(**answers: Reaction) -> Reaction:
    """The answer to the text that contains a word."""

    def react(request: dict[str, Any]) -> Reaction:
        said = json.dumps(request["messages"])
        return next((answer for word, answer in answers.items() if word in said), answered())

    return react


def facts(memory: Memory) -> list[str]:
    return sorted(r.fact for r in memory.graph.facts())


def test_a_schema_of_the_users_becomes_entities_and_facts_with_their_source(memory: Memory, chat: ChatServer) -> None:
    kept = memory.remember("Ann Lee, born in Ulm, has been a pilot at Acme since 2020.")
    said = memory.messages.append("user", "Bob joined Beta in May 2021.", name="Carl")
    document = memory.documents.create([{"text": "Eve works at Zeta."}], title="Directory")
    chat.script(
        otherwise=by_text(
            Ann=answered(
                people=[{"name": "Ann Lee", "aliases": ["Ann"], "description": "a pilot", "birthplace": "Ulm"}],
                firms=[{"name": "Acme"}],
                jobs=[{"source": "ann", "target": "Acme", "valid_from": "2020", "role": "pilot"}],
            ),
            Bob=works("Bob", "Beta", valid_from="2021-05"),
            Eve=works("Eve", "Zeta"),
        )
    )
    done = memory.graph.extract(MODEL, Staff)
    assert (done.texts, done.cached, done.failed, done.entities, done.facts) == (3, 0, 0, 6, 3)
    assert (done.input_tokens, done.output_tokens) == (300, 60)
    assert done.cost == pytest.approx((300 * 0.15 + 60 * 0.60) / 1e6)
    ann = memory.graph.get("Ann")
    assert (ann.name, ann.type, ann.description, ann.properties) == (
        "Ann Lee",
        "person",
        "a pilot",
        {"birthplace": "Ulm"},
    )
    told = {r.fact: r for r in memory.graph.facts()}
    assert told.keys() == {"Ann Lee works at Acme", "Bob works at Beta", "Eve works at Zeta"}
    chunk = memory.documents.chunks(document.id)[0].id
    assert {(r.provenance_kind, r.provenance_id) for r in told.values()} == {
        ("archival", kept.id),
        ("message", said.id),
        ("chunk", chunk),
    }
    since = told["Bob works at Beta"].valid_from
    assert since is not None
    assert (since.isoformat(), told["Ann Lee works at Acme"].properties) == (
        "2021-05-01T00:00:00+00:00",
        {"role": "pilot"},
    )
    sent = [asked(request) for request in chat.requests]
    assert any("[said by Carl on 20" in text for text in sent)
    assert any(text.startswith("[from Directory]\n") for text in sent)


def test_what_was_read_costs_nothing_and_what_changed_is_read_again(memory: Memory, chat: ChatServer) -> None:
    first = memory.remember("Ann works at Acme.")
    memory.remember("Bob works at Beta.")
    chat.script(otherwise=by_text(Acme=works("Ann", "Acme"), Beta=works("Bob", "Beta"), Zeta=works("Ann", "Zeta")))
    assert memory.graph.extract(MODEL, Staff).texts == 2
    again = memory.graph.extract(MODEL, Staff)
    assert (again.texts, again.cost, len(chat.requests)) == (0, 0.0, 2)
    memory.archival.update(first.id, text="Ann works at Zeta.")
    assert memory.graph.plan_extraction(MODEL, Staff).texts == 1
    assert memory.graph.extract(MODEL, Staff).texts == 1
    # the type is functional: what was believed before is superseded, not lost
    assert facts(memory) == ["Ann works at Zeta", "Bob works at Beta"]
    assert len(memory.graph.facts(superseded=True)) == 3
    assert memory.graph.plan_extraction("openai:gpt-4o", Staff).texts == 2
    assert memory.graph.plan_extraction(MODEL).texts == 2


def test_the_same_text_is_paid_for_once(memory: Memory, chat: ChatServer) -> None:
    for title in ("Guide", "Guide"):
        memory.documents.create([{"text": "Ann works at Acme."}], title=title)
    chat.script(otherwise=works("Ann", "Acme"))
    assert memory.graph.extract(MODEL, Staff).texts == 2
    memory.documents.create([{"text": "Ann works at Acme."}], title="Guide")
    plan = memory.graph.plan_extraction(MODEL, Staff)
    assert (plan.texts, plan.cached, plan.input_tokens) == (1, 1, 0)
    assert memory.graph.extract(MODEL, Staff).cached == 1
    assert len(chat.requests) == 1
    [spent] = memory.graph.extraction_spent()
    assert (spent.texts, spent.applied, spent.input_tokens) == (3, 3, 100)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Say(calls=[("final_result", '{"people": [{"na')]), "cannot be used"),
        (Say(calls=[("final_result", {"jobs": [{"source": "Ann"}]})]), "cannot be used"),
        (Say("I would rather not."), "cannot be used"),
        (Say(refusal="No.", finish="stop"), "cannot be used"),
        (Say(calls=[("final_result", '{"people": [')], finish="length"), "cannot be used"),
        (Say("", finish="content_filter"), "cannot be used"),
        (Fail(400, "too long", "context_length_exceeded"), "longer than the model's window"),
    ],
)
def test_a_bad_answer_fails_its_own_text_and_is_tried_again(
    memory: Memory, chat: ChatServer, bad: Reaction, reason: str
) -> None:
    memory.graph.add_fact("Ann", "knows", "Bob")
    memory.remember("Ann works at Acme.")
    memory.remember("Bob works at Beta.")
    chat.script(otherwise=by_text(Acme=bad, Beta=works("Bob", "Beta")))
    done = memory.graph.extract(MODEL, Staff)
    assert (done.texts, done.failed) == (1, 1)
    assert facts(memory) == ["Ann knows Bob", "Bob works at Beta"]
    [failure] = memory.graph.extraction_failures()
    assert reason in failure.reason
    assert memory.graph.plan_extraction(MODEL, Staff, failed=False).texts == 0
    chat.script(otherwise=works("Ann", "Acme"))
    assert memory.graph.extract(MODEL, Staff).texts == 1
    assert memory.graph.extraction_failures() == []
    assert facts(memory) == ["Ann knows Bob", "Ann works at Acme", "Bob works at Beta"]


@pytest.mark.parametrize(
    "bad", [works("Ann", "Ac\0me"), works("Ann", "Acme", fact="\ud800"), Fail(400, "no\0thing")], ids=str
)
def test_an_answer_that_cannot_be_kept_does_not_block_the_others(
    memory: Memory, chat: ChatServer, bad: Reaction
) -> None:
    memory.remember("Ann works at Acme.")
    memory.remember("Bob works at Beta.")
    chat.script(otherwise=by_text(Acme=bad, Beta=works("Bob", "Beta")))
    done = memory.graph.extract(MODEL, Staff)
    assert (done.texts, done.failed) == (1, 1)
    assert facts(memory) == ["Bob works at Beta"]
    assert len(memory.graph.extraction_failures()) == 1


def test_what_does_not_fit_is_asked_for_again_with_the_reason(memory: Memory, chat: ChatServer) -> None:
    memory.remember("Ann works at Acme.")
    chat.script(answered(jobs=[{"source": "Ann"}]), works("Ann", "Acme"))
    done = memory.graph.extract(MODEL, Staff)
    assert (done.texts, done.input_tokens) == (1, 200)
    assert "target" in json.dumps(chat.requests[1]["messages"][-1])


def test_an_answer_that_cannot_be_asserted_is_kept_and_nothing_of_it_is(memory: Memory, chat: ChatServer) -> None:
    memory.remember("Ann works at Acme.")
    chat.script(answered(people=[{"name": "Ann"}], jobs=[{"source": "Ann", "target": "x" * 300}]), works("A", "B"))
    done = memory.graph.extract(MODEL, Staff)
    assert (done.texts, done.failed) == (0, 1)
    assert "the limit is 255" in done.failures[0].reason
    assert memory.graph.list() == []
    assert (memory.graph.extract(MODEL, Staff).failed, len(chat.requests)) == (1, 1)


def test_rate_limits_pass_and_a_wrong_key_stops_the_run(memory: Memory, chat: ChatServer) -> None:
    memory.remember("Ann works at Acme.")
    memory.remember("Bob works at Beta.")
    chat.script(Fail(429, "slow down", headers={"Retry-After": "0"}), works("Ann", "Acme"), Fail(401, "wrong key"))
    with pytest.raises(ChatError, match=r"refused the key.*kept: the same call goes on"):
        memory.graph.extract(MODEL, Staff, batch=1, concurrency=1)
    assert facts(memory) == ["Ann works at Acme"]
    chat.script(otherwise=works("Bob", "Beta"))
    assert memory.graph.extract(MODEL, Staff).texts == 1


def test_an_endpoint_that_is_down_ends_the_run(memory: Memory, chat: ChatServer) -> None:
    for n in range(5):
        memory.remember(f"Ann works at Acme {n}.")
    chat.script(otherwise=Fail(503, "down", headers={"Retry-After": "0"}))
    with pytest.raises(ChatError, match="What was extracted is kept"):
        memory.graph.extract(MODEL, Staff, batch=2)
    assert len(memory.graph.extraction_failures()) == 2
    chat.script(otherwise=answered())
    assert memory.graph.extract(MODEL, Staff).texts == 5


def test_limits_end_it_early(memory: Memory, chat: ChatServer) -> None:
    memory.remember_many([{"text": f"Ann{n} works at Acme."} for n in range(5)])
    chat.script(otherwise=answered())
    done = memory.graph.extract(MODEL, Staff, max_items=3, batch=2)
    assert (done.texts, done.stopped) == (3, "max_items")
    done = memory.graph.extract(MODEL, Staff, max_cost=0.0, batch=1)
    assert (done.texts, done.stopped, len(chat.requests)) == (0, "max_cost", 3)
    with pytest.raises(InputError, match="price of openai:unheard-of is not known"):
        memory.graph.extract("openai:unheard-of", Staff, max_cost=1.0)
    unpriced = memory.graph.extract("openai:unheard-of", Staff, max_items=1)
    assert (unpriced.texts, unpriced.cost) == (1, None)


def test_a_plan_sends_nothing(memory: Memory, chat: ChatServer) -> None:
    memory.remember_many([{"text": f"Ann{n} works at Acme."} for n in range(3)])
    plan = memory.graph.plan_extraction(MODEL, Staff)
    assert (plan.texts, plan.cached, plan.output_tokens) == (3, 0, 600)
    assert plan.cost == pytest.approx((plan.input_tokens * 0.15 + 600 * 0.60) / 1e6)
    assert chat.requests == []
    assert memory.graph.list() == []


def test_what_the_graph_knows_is_not_overwritten(memory: Memory, chat: ChatServer) -> None:
    memory.graph.add_entity("Ann", "person", description="my sister", properties={"birthplace": "Bonn"})
    memory.remember("Ann works at Acme.")
    chat.script(otherwise=answered(people=[{"name": "Ann", "description": "a clerk", "birthplace": "Ulm"}]))
    memory.graph.extract(MODEL, Staff)
    ann = memory.graph.get("Ann")
    assert (ann.description, ann.properties) == ("my sister", {"birthplace": "Bonn"})


def test_what_is_believed_gets_only_what_it_lacks(memory: Memory, chat: ChatServer) -> None:
    said: dict[str, Any] = {"valid_from": "1990-01-01", "weight": 0.5, "properties": {"said_valid_from": "1991"}}
    told = memory.graph.add_fact("Ann", "born_in", "Ulm", **said)
    memory.remember("Ann was born in Ulm in 1990, and left it in 1990.")
    born = {"source": "Ann", "type": "born_in", "target": "Ulm", "fact": told.fact, "valid_from": "1990"}
    entities = [{"name": "Ann", "type": "person"}, {"name": "Ulm", "type": "place"}]
    chat.script(otherwise=answered(entities=entities, facts=[{**born, "valid_to": "1990"}]))
    assert memory.graph.extract(MODEL).failed == 0
    [fact] = memory.graph.facts()
    assert (fact.id, fact.weight, fact.provenance_kind) == (told.id, 0.5, "archival")
    assert fact.properties == {"said_valid_from": "1991", "said_valid_to": "1990"}


def test_the_default_schema_takes_any_type(memory: Memory, chat: ChatServer) -> None:
    memory.remember("Ann was born in Ulm in 1990, and left it in 1990.")
    born = {"source": "Ann", "type": "born_in", "target": "Ulm", "fact": "Ann was born in Ulm.", "valid_from": "1990"}
    entities = [{"name": "Ann", "type": "person"}, {"name": "Ulm", "type": "place"}]
    chat.script(answered(entities=entities, facts=[{**born, "valid_to": "1990"}]))
    assert memory.graph.extract(MODEL).facts == 1
    [fact] = memory.graph.facts()
    assert (fact.fact, fact.type, fact.valid_to) == ("Ann was born in Ulm.", "born_in", None)
    assert fact.properties == {"said_valid_from": "1990", "said_valid_to": "1990"}


def test_without_a_model_nothing_is_asserted(memory: Memory, chat: ChatServer) -> None:
    memory.remember_many([{"text": "Ann met Karl near Ulm."}, {"text": "We saw Karl with Ann."}])
    done = memory.graph.extract()
    assert (done.texts, done.facts, done.entities) == (2, 0, 0)
    assert done.names > 0
    assert [(n.name, n.texts) for n in memory.graph.named_with("Ann")][:2] == [("karl", 2), ("ulm", 1)]
    assert (memory.graph.list(), memory.graph.facts(), chat.requests) == ([], [], [])


def test_answers_go_with_their_texts_and_are_copied_with_the_agent(memory: Memory, chat: ChatServer, dsn: str) -> None:
    kept = memory.remember("Ann works at Acme.")
    chat.script(otherwise=works("Ann", "Acme"))
    memory.graph.extract(MODEL, Staff)
    with Agents(dsn) as agents:
        agents.fork("ann", "copy")
    options = scope_of(memory).options
    with Memory("copy", options=options) as copy:
        assert copy.graph.extract(MODEL, Staff).texts == 0
        copy.forget_agent()
    memory.forget(kept.id)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kg_extractions").fetchone() == (0,)
    assert facts(memory) == []


def test_a_request_role_extracts_and_links_for_its_own_agent_only(memory: Memory, chat: ChatServer, dsn: str) -> None:
    memory.remember("Ann works at Acme.")
    with Memory("bob", dsn=dsn) as other:
        other.remember("Bob works at Beta.")
    chat.script(otherwise=by_text(Acme=works("Ann", "Acme")))
    with Memory("ann", options=scope_of(memory).options, isolated=True) as isolated:
        assert isolated.graph.link().texts == 1
        assert isolated.graph.link().texts == 0
        assert [n.name for n in isolated.graph.named_with("Ann")] == ["acme"]
        assert isolated.graph.extract(MODEL, Staff).texts == 1
        assert isolated.graph.extract(MODEL, Staff).texts == 0
        assert facts(isolated) == ["Ann works at Acme"]
        assert isolated.search("Where does Ann work?")
        assert isolated.graph.extraction_spent()[0].applied == 1
    with psycopg.connect(dsn) as connection:
        found = "SELECT DISTINCT agent_id FROM kg_mentions UNION SELECT agent_id FROM kg_extractions"
        assert connection.execute(found).fetchall() == [("ann",)]


KILLED = """
import os, signal, sys
from memgpt import Memory
from memgpt.graph.extraction import apply
from tests.integration.test_extraction import MODEL, Staff

take_over, calls = apply.take_over, []

def deadly(*given):
    counts = take_over(*given)
    calls.append(1)
    if len(calls) == 5:  # asserted, not committed; all answers of the batch are kept
        os.kill(os.getpid(), signal.SIGKILL)
    return counts

apply.take_over = deadly
with Memory("ann", dsn=sys.argv[1]) as memory:
    memory.graph.extract(MODEL, Staff, batch=3)
"""


def test_a_killed_run_goes_on_and_pays_for_nothing_twice(memory: Memory, chat: ChatServer, dsn: str) -> None:
    memory.remember_many([{"text": f"Ann{n} works at Acme{n}."} for n in range(10)])

    def answer(request: Any) -> Any:
        text = asked(request).partition("<text_to_read>\n")[2].partition("\n</text_to_read>")[0]
        return works(*text.rstrip(".").split(" works at "))

    chat.script(otherwise=answer)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, dsn],
        env={**os.environ, "MEMGPT_CHAT_BASE_URL": chat.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (len(facts(memory)), len(chat.requests)) == (3, 6)
    done = memory.graph.extract(MODEL, Staff, batch=3)
    assert (done.texts, done.cached, len(chat.requests)) == (7, 3, 10)
    assert facts(memory) == [f"Ann{n} works at Acme{n}" for n in range(10)]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*Staff.model_fields, "name"]), inner),
    max_leaves=8,
)


@given(answer=ANYTHING | st.text(max_size=50))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_model_says_loses_nothing(memory: Memory, chat: ChatServer, answer: Any) -> None:
    for agent_fact in memory.graph.facts():
        memory.graph.delete_fact(agent_fact.id)
    memory.graph.add_fact("Ann", "knows", "Bob")
    kept = memory.remember("Something was said.")
    chat.script(otherwise=Say(calls=[("final_result", answer)]))
    done = memory.graph.extract(MODEL, Staff)
    assert done.texts + done.failed == 1
    assert "Ann knows Bob" in facts(memory)
    assert memory.archival.get(kept.id).text == "Something was said."
    memory.forget(kept.id)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "is not module:Class"),
        ("no.such.module:X", "cannot be imported"),
        ("json:X", "has no 'X'"),
        ("json:loads", "is a Pydantic class"),
        ("staff.json", "is not module:Class"),
    ],
)
def test_a_schema_that_is_none_is_named(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(name)


def test_a_class_that_is_no_schema_is_named() -> None:
    class Colour(BaseModel):
        shade: str

    class Palette(BaseModel):
        colours: list[Colour]

    with pytest.raises(InputError, match="Colour has neither a name"):
        Schema(Palette)


def command(chat: ChatServer, dsn: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memgpt", "graph", *arguments, "--agent", "ann", "--dsn", dsn],
        env={**os.environ, "MEMGPT_CHAT_BASE_URL": chat.url, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command(memory: Memory, chat: ChatServer, dsn: str, tmp_path: Path) -> None:
    memory.remember("Ann works at Acme.")
    memory.remember("Bob works at Beta.")
    (tmp_path / "mine.py").write_text(
        "from pydantic import BaseModel\n"
        "class Job(BaseModel):\n    source: str\n    target: str\n"
        "class Jobs(BaseModel):\n    jobs: list[Job] = []\n"
    )
    options = ("extract", "--model", MODEL, "--types", "mine:Jobs", "--max-cost", "1")
    planned = command(chat, dsn, tmp_path, *options, "--plan")
    assert "2 texts, 0 of them answered before" in planned.stdout, planned.stderr
    assert chat.requests == []
    job = {"source": "Ann", "target": "Acme"}
    chat.script(otherwise=by_text(Acme=answered(jobs=[job]), Beta=Say("no")))
    run = command(chat, dsn, tmp_path, *options)
    assert run.returncode == 1
    assert "✓ 1 texts, 0 of them answered before: 1 facts" in run.stdout
    assert "failed: archival" in run.stdout
    assert "tries them again" in run.stderr
    told = command(chat, dsn, tmp_path, "extractions", "--json")
    assert json.loads(told.stdout)["spent"][0]["failed"] == 1
    assert "Ann job Acme" in command(chat, dsn, tmp_path, "facts").stdout


def test_the_commands_without_a_model(memory: Memory, chat: ChatServer, dsn: str, tmp_path: Path) -> None:
    memory.remember("Ann met Karl near Ulm.")
    linked = command(chat, dsn, tmp_path, "link")
    assert "✓ 1 texts linked, 3 names in them" in linked.stdout, linked.stderr
    assert "without a model no fact is added" in command(chat, dsn, tmp_path, "extract").stdout
    assert "karl" in command(chat, dsn, tmp_path, "named-with", "Ann").stdout
    refused = command(chat, dsn, tmp_path, "extract", "--plan")
    assert (refused.returncode, "--plan is for a --model" in refused.stderr) == (1, True)
