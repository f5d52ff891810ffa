"""Sleep-time work: proposed, applied, reverted; with a chat model behind a real socket, and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.agent.chat_model import ChatModel
from memgpt.cli import app
from memgpt.config import settings
from memgpt.errors import ConfigurationError, ConflictError, InputError
from memgpt.jobs.kinds import KINDS, JobContext
from memgpt.proposals.archival_store import Similar
from memgpt.sleep import SleepProgress, judge, run
from memgpt.sleep.asking import invented, lost
from memgpt.sleep.consolidation import groups
from memgpt.sleep.memories import telling
from tests.chat_server import ChatServer, Fail, Say
from tests.integration.test_resolution import dump

MODEL = "openai:scripted"


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat


@pytest.fixture(params=["owner", "request"])
def memory(dsn: str, chat: ChatServer, request: pytest.FixtureRequest) -> Iterator[Memory]:
    with opened(dsn, chat, isolated=request.param == "request") as memory:
        yield memory


def opened(dsn: str, chat: ChatServer, *, isolated: bool = False) -> Memory:
    options = settings().model_copy(update={"chat_base_url": chat.url})
    return Memory("ann", dsn=dsn, isolated=isolated, options=options)


def model(chat: ChatServer) -> ChatModel:
    return ChatModel("openai:scripted", base_url=chat.url)


def living(memory: Memory) -> list[str]:
    return sorted(m.text for m in memory.archival.list(limit=1000))


def test_duplicates_are_set_aside_in_favour_of_the_most_important(memory: Memory, dsn: str) -> None:
    old = memory.remember("Ann likes tea", tags=["drinks"])
    kept = memory.remember("Ann  likes TEA.", importance=0.9, tags=["ann"])
    memory.remember("Ann really likes the tea")
    memory.remember("Does Ann like tea?")
    memory.remember("Ann likes tea?")
    memory.remember("Ann likes 2 teas")
    before = dump(dsn)
    report = run(memory, tasks=["duplicates"])
    assert (report.proposed, report.applied) == (1, 0)
    assert dump(dsn) == before, "only proposed"
    [proposal] = memory.proposals.list("proposed")
    assert proposal.change["keep"]["id"] == kept.id
    assert run(memory, tasks=["duplicates"]).proposed == 0, "once"
    assert run(memory, tasks=["duplicates"], apply=True).applied == 1
    assert memory.archival.get(old.id).superseded_by == kept.id
    assert memory.archival.get(kept.id).tags == ["ann", "drinks"]
    assert living(memory) == ["Ann  likes TEA.", "Ann likes 2 teas", "Ann likes tea?", "Does Ann like tea?"]
    memory.proposals.revert(proposal.id)
    assert dump(dsn) == before


def test_the_same_words_are_the_same_but_other_words_are_not(memory: Memory) -> None:
    for text in (
        "Ann's flight to Rome leaves on Monday", "Ann's flight to Rome leaves on Tuesday",
        "The meeting with Bob is at ten", "Meeting with Bob is at ten", "Bob does like cats", "Bob doesn't like cats",
    ):  # fmt: skip
        memory.remember(text)
    run(memory, tasks=["duplicates"], apply=True)
    assert len(living(memory)) == 5
    assert "Meeting with Bob is at ten" not in living(memory)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The cat sat.", "cat sat", True),
        ("Ann loves Bob", "Bob loves Ann", False),
        ("She is 5", "She is 6", False),
        ("It doesn’t work", "It does not work", True),
        ("Is it on?", "It is on", False),
        ("5% off", "$5 off", False),
    ],
)
def test_words_that_tell(one: str, other: str, same: bool) -> None:
    assert (telling(one) == telling(other)) is same


def test_what_changed_since_is_not_touched(memory: Memory, dsn: str) -> None:
    memory.remember("Ann likes tea")
    second = memory.remember("ann likes tea")
    run(memory, tasks=["duplicates"])
    [proposal] = memory.proposals.list("proposed")
    memory.archival.update(second.id, text="Ann likes coffee")
    before = dump(dsn)
    with pytest.raises(ConflictError, match=f"archival memory {second.id} says something else now"):
        memory.proposals.apply(proposal.id)
    assert dump(dsn) == before
    report = run(memory, tasks=["duplicates"], apply=True)
    assert [*report.tasks["duplicates"].outdated] == [
        f"archival memory {second.id} says something else now: reject this proposal and propose again"
    ]
    assert memory.proposals.get(proposal.id).status == "rejected"
    memory.archival.update(second.id, text="ANN likes tea")
    assert run(memory, tasks=["duplicates"]).proposed == 1, "it is another text"


def test_what_was_superseded_since_is_not_superseded_again(memory: Memory) -> None:
    memory.remember("Ann likes tea")
    second = memory.remember("ann likes tea")
    run(memory, tasks=["duplicates"])
    [proposal] = memory.proposals.list("proposed")
    new = memory.archival.supersede(second.id, "Ann likes coffee")
    with pytest.raises(ConflictError, match=f"superseded by archival memory {new.id}"):
        memory.proposals.apply(proposal.id)
    assert len(memory.archival.list()) == 2


def test_expired_memories_are_set_aside(memory: Memory, dsn: str) -> None:
    gone = memory.remember("Parking ticket until noon", expires_at="2020-01-01T12:00Z")
    memory.remember("Ann likes tea", expires_at="2090-01-01T00:00Z")
    before = dump(dsn)
    assert [run(memory, tasks=["expiry"]).proposed for _ in range(2)] == [1, 0]
    report = run(memory, tasks=["expiry"], apply=True)
    assert report.applied == 1
    assert memory.archival.get(gone.id).superseded_at is not None
    [applied] = memory.proposals.list("applied")
    memory.proposals.revert(applied.id)
    assert dump(dsn) == before


def test_what_nobody_uses_weighs_less_and_is_never_deleted(memory: Memory, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        used, unused = memory.remember("used", importance=0.8), memory.remember("unused", importance=0.8)
        long_ago = "UPDATE archival_memories SET accessed_at = now() - interval '1 year'"
        owner.execute(long_ago)
        memory.archival.touch([used.id])
        before = dump(dsn)
        assert run(memory, tasks=["decay"], apply=True).applied == 1
        assert [memory.archival.get(m.id).importance for m in (used, unused)] == pytest.approx([0.8, 0.4])
        assert run(memory, tasks=["decay"], apply=True).proposed == 0, "once in 90 days"
        owner.execute("UPDATE proposals SET created_at = now() - interval '91 days', fingerprint = gen_random_uuid()")
        run(memory, tasks=["decay"])
        [open_one] = memory.proposals.list("proposed")
        memory.archival.touch([unused.id])
        memory.proposals.apply(open_one.id)
        assert memory.archival.get(unused.id).importance == pytest.approx(0.4), "used meanwhile"
        [first] = [p for p in memory.proposals.list("applied") if p.id != open_one.id]
        memory.proposals.revert(first.id)
        assert [r["importance"] for r in dump(dsn)["archival_memories"]] == [
            r["importance"] for r in before["archival_memories"]
        ]


def test_lines_of_a_block_that_are_there_twice_go(memory: Memory) -> None:
    memory.core["human"].append("Name: Ann\n\nLikes tea\nName:  Ann\n\nLikes tea")
    run(memory, tasks=["tidying"], apply=True)
    assert memory.core["human"].value == "Name: Ann\n\nLikes tea\n"
    [applied] = memory.proposals.list("applied")
    memory.proposals.revert(applied.id)
    assert memory.core["human"].value == "Name: Ann\n\nLikes tea\nName:  Ann\n\nLikes tea"


def test_a_block_edited_meanwhile_is_left_as_it_is(memory: Memory) -> None:
    memory.core["human"].append("Likes tea\nLikes tea")
    run(memory, tasks=["tidying"])
    [proposal] = memory.proposals.list("proposed")
    memory.core["human"].append("Has a dog")
    with pytest.raises(ConflictError, match="block 'human'"):
        memory.proposals.apply(proposal.id)
    assert memory.core["human"].value == "Likes tea\nLikes tea\nHas a dog"


def test_sure_merges_are_applied_and_others_wait(memory: Memory) -> None:
    for name in ("Acme", "ACME!", "Robert Poe", "R. Poe"):
        memory.graph.add_entity(name, "thing" if "oe" not in name else "person")
    report = run(memory, apply=True)
    assert report.tasks["merges"].proposed == 2
    assert report.tasks["merges"].applied == 1
    assert [p.reason for p in memory.proposals.list("proposed")] == [
        "'R. Poe' is 'Robert Poe': 'R. Poe' abbreviates 'Robert Poe'"
    ]


def test_progress_is_told_before_each_task_and_at_the_end(memory: Memory) -> None:
    told: list[SleepProgress] = []
    memory.remember("a duplicate")
    memory.remember("A duplicate")
    run(memory, tasks=["duplicates", "expiry"], progress=told.append)
    assert [(p.done, p.total, p.task) for p in told] == [(0, 2, "expiry"), (1, 2, "duplicates"), (2, 2, None)]
    assert told[-1].report.proposed == 1
    with pytest.raises(InputError, match="task must be one of facts, expiry, duplicates"):
        run(memory, tasks=["dreaming"])
    with pytest.raises(ConfigurationError, match="MEMGPT_CHAT_MODEL"):
        run(memory, tasks=["consolidation"])


TRIPS = ("Ann went to Graz by train in 2024", "Ann went to Graz by train with Bob", "Ann went to Graz by train in May")


def test_memories_about_one_thing_become_one_and_back(memory: Memory, dsn: str, chat: ChatServer) -> None:
    ids = [memory.remember(text, tags=[str(n)]).id for n, text in enumerate(TRIPS)]
    before = dump(dsn)
    one = "In May 2024 Ann went to Graz by train with Bob"
    chat.script(Say(json.dumps({"text": one})))
    report = run(memory, tasks=["consolidation"], model=MODEL, apply=True)
    assert (report.proposed, report.applied) == (1, 1)
    assert living(memory) == [one]
    [kept] = memory.archival.list()
    assert (kept.source, kept.metadata, kept.tags) == ("consolidation", {"consolidated_from": ids}, ["0", "1", "2"])
    assert [memory.archival.get(id).superseded_by for id in ids] == [kept.id] * 3
    assert memory.search("how did Ann travel to Graz?", limit=1)[0].id == kept.id
    [applied] = memory.proposals.list("applied")
    memory.proposals.revert(applied.id)
    assert dump(dsn) == before


@pytest.mark.parametrize(
    "said",
    [
        "I would rather not",
        "{",
        '["text"]',
        '{"text": 5}',
        '{"text": ""}',
        json.dumps({"text": "Ann went to Graz by train"}),  # loses Bob, May and 2024
        json.dumps({"text": "In May 2024 Ann went to Graz by train with Bob and Carl"}),
        json.dumps({"text": "In May 2024 Ann went to Graz by train with Bob" * 10}),
        json.dumps({"text": "In May 2024 Ann went to Graz by train with Bob\0"}),
    ],
)
def test_an_answer_that_cannot_be_used_changes_nothing(dsn: str, chat: ChatServer, said: str) -> None:
    with opened(dsn, chat) as memory:
        for text in TRIPS:
            memory.remember(text)
        memory.core.create("human", "Name: Ann. " * 8, limit=100)
        before = dump(dsn)
        chat.script(otherwise=Say(said))
        report = run(memory, tasks=["consolidation", "tidying"], model=MODEL, apply=True)
        assert (report.proposed, report.applied) == (0, 0)
        assert dump(dsn) == before
        assert memory.proposals.list() == []


def test_what_the_model_refuses_is_not_asked_again(dsn: str, chat: ChatServer) -> None:
    with opened(dsn, chat) as memory:
        for text in TRIPS:
            memory.remember(text)
        chat.script(otherwise=Say('{"text": null, "why": "three trips"}'))
        for _ in range(2):
            assert run(memory, tasks=["consolidation"], model=MODEL).proposed == 0
        assert len(chat.requests) == 1
        assert [p.reason for p in memory.proposals.list("rejected")] == ["not to be one: three trips"]


@pytest.mark.parametrize("why", ["one\0", "\ud800", "NaN"])
def test_what_cannot_be_kept_of_an_answer_fails_no_run(dsn: str, chat: ChatServer, why: str) -> None:
    with opened(dsn, chat) as memory:
        for text in TRIPS:
            memory.remember(text)
        for name in ("Ann Lee", "A. Lee"):
            memory.graph.add_entity(name, "person")
        said = json.dumps({"text": None, "same": True, "why": float("nan") if why == "NaN" else why})
        chat.script(otherwise=Say(said))
        assert run(memory, tasks=["consolidation", "merges"], model=MODEL).proposed == 1
        [merge] = memory.proposals.list()
        assert merge.evidence.get("judge") is None


def test_a_model_that_fails_ends_its_task_only(dsn: str, chat: ChatServer) -> None:
    with opened(dsn, chat) as memory:
        for text in (*TRIPS, "Ann went to graz by train in May"):
            memory.remember(text)
        chat.script(otherwise=Fail(401, "no such key"))
        report = run(memory, model=MODEL, apply=True)
        assert "refused the key" in str(report.tasks["consolidation"].error)
        assert report.tasks["duplicates"].applied == 1


def test_a_full_block_is_rewritten_within_its_limit(memory: Memory, chat: ChatServer) -> None:
    value = "Name is Ann. She lives in Graz. She likes tea, and likes tea a lot."
    memory.core.create("human", value, limit=80)
    memory.core.create("persona", "short", limit=80)
    chat.script(Say('Sure: {"value": "Ann lives in Graz, likes tea a lot."}'))
    run(memory, tasks=["tidying"], model=MODEL, apply=True)
    assert memory.core["human"].value == "Ann lives in Graz, likes tea a lot."
    assert len(chat.requests) == 1
    [applied] = memory.proposals.list("applied")
    memory.proposals.revert(applied.id)
    assert memory.core["human"].value == value


def test_a_model_judges_what_the_rules_are_not_sure_of(dsn: str, chat: ChatServer) -> None:
    with Memory("ann", dsn=dsn) as memory:
        for name in ("Ann Lee", "A. Lee"):
            memory.graph.add_entity(name, "person")
        chat.script(Say("maybe"), Say('{"same": true, "why": "one of them signs so"}'))
        [unsure] = memory.graph.propose_merges(judge=judge(model(chat)))
        assert unsure.score == pytest.approx(0.7), "what it said could not be read: people decide"
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("DELETE FROM proposals")
        [sure] = memory.graph.propose_merges(judge=judge(model(chat)))
        assert (sure.score, sure.evidence["judge"]) == (pytest.approx(0.8), "the same: one of them signs so")


def test_facts_are_proposed_together_and_taken_back_together(memory: Memory, dsn: str) -> None:
    kept = memory.remember("Ann works at Acme since May 2024")
    before = dump(dsn)
    facts: list[dict[str, Any]] = [
        {"source": "Ann", "type": "works_at", "target": "Acme", "valid_from": "2024-05-01",
         "provenance": ("archival", kept.id), "source_type": "person", "functional": True},
        {"source": "Acme", "type": "is_in", "target": "Graz", "fact": "Acme sits in Graz", "weight": 0.5},
    ]  # fmt: skip
    proposal = memory.proposals.propose_facts(facts, reason="said on Monday", score=0.9)
    assert proposal is not None
    assert proposal.about == [f"archival:{kept.id}"]
    assert memory.proposals.propose_facts(facts, reason="said again") is None
    assert dump(dsn) == before
    memory.proposals.apply(proposal.id)
    told = {(r.fact, r.weight, r.provenance_kind, r.provenance_id) for r in memory.graph.facts()}
    assert told == {("Ann works at Acme", 1.0, "archival", kept.id), ("Acme sits in Graz", 0.5, None, None)}
    assert memory.graph.get("Ann").type == "person"
    memory.proposals.revert(proposal.id)
    assert dump(dsn) == before
    for bad in ({}, {"source": "Ann", "type": "x"}, {**facts[0], "valid_from": "soon"}, {**facts[0], "odd": 1},
                {**facts[0], "provenance": "archival"}, {**facts[0], "provenance": ("moon", 1)}):  # fmt: skip
        with pytest.raises(InputError, match=r"facts\[0\]"):
            memory.proposals.propose_facts([bad], reason="x")


def test_facts_that_cannot_be_recorded_any_more_leave_nothing(memory: Memory, dsn: str) -> None:
    facts = [{"source": "Ann", "type": "knows", "target": "Bob"}, {"source": "Ann", "type": "knows", "target": "Carl"}]
    proposal = memory.proposals.propose_facts(facts, reason="said")
    assert proposal is not None
    for type in ("person", "dog"):
        memory.graph.add_entity("Carl", type)
    before = dump(dsn)
    with memory.transaction(), pytest.raises(InputError, match="2 entities are called 'Carl'"):
        memory.proposals.apply(proposal.id)
    assert dump(dsn) == before
    assert memory.proposals.get(proposal.id).status == "proposed"


def test_forgetting_a_row_takes_proposals_about_it_along(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("a secret")
        gone = memory.remember("A secret")
        run(memory, tasks=["duplicates"])
        assert memory.forget(gone.id)["proposals"] == 1
        assert memory.proposals.list() == []


def test_numbers_and_names_are_kept_and_none_are_added() -> None:
    source = "Ann met Bob on 2024-05-01. They talked.\nThen Bob left for Łódź."
    assert lost(source, "On 2024-05-01 Ann met Bob, who left for Łódź.") == []
    assert lost(source, "Ann met someone.") == ["2024-05-01", "bob", "łódź"]
    assert invented(source, "There Ann met Bob and Carl in 2023") == ["2023", "carl"]


def test_groups_hang_together_and_are_not_too_large() -> None:
    pairs = [
        Similar(1, 2, 0.9),
        Similar(2, 3, 0.8),
        Similar(5, 6, 0.9),
        *(Similar(n, n + 1, 0.7) for n in range(10, 30)),
    ]
    found = groups(pairs)
    assert found[0] == [1, 2, 3]
    assert max(len(group) for group in found) <= 8


def test_of_two_who_apply_the_same_one_does(memory: Memory) -> None:
    memory.remember("Ann likes tea")
    memory.remember("ann likes tea")
    with ThreadPoolExecutor(2) as both:
        for report in both.map(lambda _: run(memory, tasks=["duplicates"]), range(2)):
            assert report.proposed <= 1
        [proposal] = memory.proposals.list()
        applying = [both.submit(memory.proposals.apply, proposal.id) for _ in range(2)]
        failed = [task.exception() for task in applying if task.exception() is not None]
    assert [type(error) for error in failed] == [ConflictError]
    assert len(living(memory)) == 1


def test_a_job_does_a_run(dsn: str) -> None:
    told: list[tuple[int, int | None, str]] = []
    with Memory("ann", dsn=dsn, isolated=True) as memory:
        memory.remember("Ann likes tea")
        memory.remember("ann likes tea")
        work = JobContext(memory, (), lambda done, total=None, message="": told.append((done, total, message)))
        arguments = KINDS["sleep"].arguments.model_validate({"tasks": ["duplicates"], "apply": True})
        result = KINDS["sleep"].run(work, arguments.model_dump(mode="json"))
        assert json.loads(json.dumps(result))["tasks"]["duplicates"]["applied"] == 1
        assert told == [(0, 1, "duplicates"), (1, 1, "")]


def test_the_commands_propose_show_and_decide(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    def memgpt(*words: str) -> str:
        app([*words, "--agent", "ann", "--dsn", dsn], standalone_mode=False)
        return capsys.readouterr().out

    with Memory("ann", dsn=dsn) as memory:
        memory.remember("Ann likes tea")
        memory.remember("ann likes tea")
    assert json.loads(memgpt("sleep", "--task", "duplicates", "--json"))["tasks"]["duplicates"]["proposed"] == 1
    listed = json.loads(memgpt("proposals", "list", "--json"))
    assert (listed["kind"], listed["status"]) == ("duplicates", "proposed")
    id = str(listed["id"])
    assert "say the same" in memgpt("proposals", "show", id)
    assert f"proposal {id} is applied" in memgpt("proposals", "apply", id)
    assert f"proposal {id} is reverted" in memgpt("proposals", "revert", id)
    assert "duplicates" in memgpt("sleep", "--apply")
    app(["sleep", "--agent", "ann", "--dsn", dsn], standalone_mode=False)
    assert "left out without a model: facts, consolidation" in capsys.readouterr().err
    with Memory("ann", dsn=dsn) as memory:
        memory.graph.add_entity("Acme", "firm")
        memory.graph.add_entity("ACME!", "firm")
        [merge] = memory.graph.propose_merges()
    assert "is rejected" in memgpt("proposals", "reject", str(merge.id))


def test_facts_of_conversations_are_proposed_with_their_message(memory: Memory, dsn: str, chat: ChatServer) -> None:
    said = memory.messages.append("user", "I work at Acme since May 2024", name="Ann")
    memory.messages.append("assistant", "Noted.")
    before = dump(dsn)
    entities = [{"name": "Ann", "type": "person"}, {"name": "Acme", "type": "organisation"}]
    job = {"source": "Ann", "type": "works_at", "target": "Acme", "fact": "Ann works at Acme", "valid_from": "2024-05"}

    def answer(request: dict[str, Any]) -> Say:
        told = "since May" in json.dumps(request["messages"])
        return Say(calls=[("final_result", {"entities": entities, "facts": [job]} if told else {})])

    chat.script(otherwise=answer)
    assert run(memory, tasks=["facts"], model=MODEL).proposed == 1
    assert dump(dsn) == before
    assert run(memory, tasks=["facts"], model=MODEL).proposed == 0
    assert len(chat.requests) == 2, "each message is read once"
    report = run(memory, tasks=["facts"], model=MODEL, apply=True)
    assert (report.proposed, report.applied) == (0, 1)
    [fact] = memory.graph.facts()
    assert (fact.fact, fact.provenance_kind, fact.provenance_id) == ("Ann works at Acme", "message", said.id)
    assert (fact.valid_from and fact.valid_from.month, memory.graph.get("Acme").type) == (5, "organisation")
    [applied] = memory.proposals.list("applied")
    memory.proposals.revert(applied.id)
    assert dump(dsn) == before


def test_an_answer_about_no_facts_proposes_nothing(dsn: str, chat: ChatServer) -> None:
    with opened(dsn, chat) as memory:
        memory.messages.append("user", "Ann works at Acme")
        chat.script(otherwise=Say(calls=[("final_result", {"facts": "none"})]))
        report = run(memory, tasks=["facts"], model=MODEL, apply=True)
        assert (report.proposed, memory.proposals.list()) == (0, [])
        assert memory.graph.list() == []
