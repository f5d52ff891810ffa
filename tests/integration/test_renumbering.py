"""Ids of a file in another database: new ones, and every reference goes along."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Agents, Memory, sleep
from memgpt.agents.renumbering import renumbered
from memgpt.database.tables import in_files
from memgpt.errors import ConflictError, InputError

Lines = list[dict[str, Any]]

TURN = (
    "INSERT INTO agent_turns (agent_id, session, message_id, status, runner, ended_at)"
    " VALUES ('ann', 's', %s, 'done', %s, now()) RETURNING id"
)
STEP = (
    "INSERT INTO agent_steps (agent_id, turn_id, number, session, kind, model, tools, message_ids, longest, sent_hash,"
    " tokens_by_part, answer_id) VALUES ('ann', %s, 1, 's', 'answer', 'm', '[]', %s, 10, 'x', '{}', %s)"
)


def fill(dsn: str) -> None:
    """One agent with every kind of row and of reference, deleted rows in its history among them."""
    with Memory("ann", dsn=dsn) as memory:
        memory.core["human"].append("Ann")
        memory.core["human"].append("lives in Ulm")
        tea = memory.remember("Ann likes tea")
        memory.archival.supersede(tea.id, "Ann likes coffee")
        gone = memory.remember("a mistake")
        memory.archival.update(gone.id, text="a worse mistake")
        memory.archival.delete(gone.id)
        for text in ("Bob moved to Ulm in May", "Bob moved to Ulm in May.", "The report is late"):
            memory.remember(text)
        question = memory.messages.append("user", "Where is Bob?", session="s")
        answer = memory.messages.append("assistant", "In Ulm.", session="s")
        memory.documents.add("# One\n\nSome text about Ulm.\n\n## Two\n\nMore text.", source="a.md")
        memory.graph.add_fact("Bob", "lives_in", "Ulm", provenance=("message", question.id))
        memory.graph.add_fact("Bob", "works_at", "Acme", provenance=("archival", gone.id))
        memory.graph.add_fact("bob", "likes", "tea")
        memory.messages.append("user", "Always show dates as ISO", session="s")
        sleep.run(memory, tasks=["duplicates", "merges", "standing"])
        fact = {"source": "Bob", "type": "knows", "target": "Ann", "provenance": ["message", answer.id]}
        memory.proposals.propose_facts([fact], reason="said so")
    with psycopg.connect(dsn) as direct:
        row = direct.execute(TURN, [question.id, uuid4()]).fetchone()
        direct.execute(STEP, [row and row[0], [question.id, answer.id], answer.id])


def take_ids(dsn: str, count: int) -> None:
    """Other agents use the sequences too."""
    with Memory("other", dsn=dsn) as memory:
        memory.remember_many([{"text": f"text {n}"} for n in range(count)])
        memory.messages.append_many([{"content": f"message {n}"} for n in range(count + 1)])


def exported(agents: Agents, agent: str) -> Lines:
    file = io.StringIO()
    agents.export(agent, file, history=True)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def file_of(lines: Lines) -> io.StringIO:
    return io.StringIO("".join(json.dumps(line) + "\n" for line in lines))


def canonical(lines: Lines) -> Lines:
    """The rows with ids in the order in which they occur."""
    places: dict[tuple[str, int], int] = {}

    def id_of(table: str, id: int) -> int:
        return places.setdefault((table, id), len(places) + 1)

    return [{**line, "row": renumbered(line["table"], line["row"], id_of)} for line in lines[1:]]


@pytest.fixture
def source(database: Callable[..., str], template: str) -> str:
    dsn = database(template)
    take_ids(dsn, 3)
    fill(dsn)
    return dsn


@pytest.fixture
def target(database: Callable[..., str], template: str) -> Iterator[Agents]:
    with Agents(database(template)) as agents:
        yield agents


def last_ids(dsn: str) -> dict[str, int]:
    query = "SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'public'"
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute(query).fetchall())


@pytest.mark.parametrize("before", [0, 2, 40])
def test_an_export_is_the_same_up_to_its_ids(source: str, target: Agents, before: int) -> None:
    with Agents(source) as agents:
        lines = exported(agents, "ann")
    tables = {line["table"] for line in lines[1:]}
    assert tables == {*in_files()} - {"intent_examples", "files", "file_chunks", "store_items", "store_vectors"}
    dsn = target._database.dsn
    if before:
        take_ids(dsn, before)
    rows = len(lines)
    limits = last_ids(dsn)
    target.import_(file_of(lines))
    assert all(value <= limits[name] + 2 * rows for name, value in last_ids(dsn).items())
    assert canonical(exported(target, "ann")) == canonical(lines)
    again = target.import_(file_of(lines))
    assert again.inserted == {}
    with Memory("ann", dsn=dsn) as memory:
        proposals = memory.proposals.list()
        sleep.run(memory, tasks=["duplicates"])
        assert memory.proposals.list() == proposals  # what was proposed is known under its new ids
        [fact] = memory.graph.facts(type="lives_in")
        assert memory.messages.get(fact.provenance_id or 0).content == "Where is Bob?"
        [made] = [change for change in memory.history("archival", limit=100) if change.action == "delete"]
        memory.undo(made.change_id)
        assert memory.archival.get(made.row_id).text == "a worse mistake"


@given(
    seed=st.randoms(use_true_random=False),
    shifts=st.lists(st.integers(0, 2**40), min_size=len(in_files()), max_size=len(in_files())),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_ids_of_a_file_are(source: str, target: Agents, seed: Any, shifts: list[int]) -> None:
    with Agents(source) as agents:
        lines = exported(agents, "ann")
    spread = {table: (shift, seed.randint(1, 5)) for table, shift in zip(in_files(), shifts, strict=True)}

    def id_of(table: str, id: int) -> int:
        shift, factor = spread[table]
        return id * factor + shift  # type: ignore[no-any-return]

    moved = [lines[0], *({**line, "row": renumbered(line["table"], line["row"], id_of)} for line in lines[1:])]
    for agent in target.list():
        target.delete(agent.agent_id)
    target.import_(file_of(moved))
    assert canonical(exported(target, "ann")) == canonical(lines)
    assert max(last_ids(target._database.dsn).values()) < 100_000


def test_a_file_is_read_into_a_memory_with_rows_of_its_own(source: str, target: Agents) -> None:
    with Agents(source) as agents:
        lines = exported(agents, "ann")
    dsn = target._database.dsn
    with Memory("ann", dsn=dsn) as memory:
        memory.remember_many([{"text": f"text {n}"} for n in range(5)])
        memory.messages.append_many([{"content": f"message {n}"} for n in range(5)])
        before = [memory.archival.list(), memory.messages.list()]
        target.import_(file_of(lines))
        there = {row["row"]["text"] for row in lines[1:] if row["table"] == "archival_memories"}
        texts = {row.text for row in memory.archival.list(superseded=True)}
        assert texts == there | {f"text {n}" for n in range(5)}
        assert [memory.archival.get(row.id) for row in before[0]] == before[0]  # type: ignore[attr-defined]
        [fact] = memory.graph.facts(type="lives_in")
        assert memory.messages.get(fact.provenance_id or 0).content == "Where is Bob?"
    assert target.import_(file_of(lines)).inserted == {}


def _row(table: str, **values: Any) -> Callable[[Lines], object]:
    def edit(lines: Lines) -> None:
        line = [line for line in lines if line.get("table") == table][-1]
        line["row"].update({k: v(line["row"]) if callable(v) else v for k, v in values.items()})

    return edit


def _twice(table: str) -> Callable[[Lines], object]:
    def edit(lines: Lines) -> None:
        [place] = [n for n, line in enumerate(lines) if line.get("table") == table][-1:]
        lines.insert(place, lines[place])

    return edit


HOSTILE: list[tuple[Callable[[Lines], object], str]] = [
    (_twice("documents"), "ids must ascend"),
    (_row("documents", id=2**53), "below 2\\^53"),
    (_row("documents", id=True), "the id is not a whole number"),
    (_row("document_chunks", document_id=2**53 - 1), "foreign key document_id"),
    (_row("document_chunks", document_id="1"), "the document_id is not a whole number"),
    (_row("kg_relationships", source_id=2**53 - 1), "foreign key source_id"),
    (_row("kg_relationships", source_id=None), "null value|foreign key"),
    (_row("kg_relationships", provenance_kind="pg_user", provenance_id=1), "no kind of row 'pg_user'"),
    (_row("kg_relationships", provenance_kind="message", provenance_id=[1]), "the provenance_id is not"),
    (_row("archival_memories", superseded_by=-1), "the superseded_by is not"),
    (_row("agent_steps", turn_id=12345), "foreign key turn_id"),
    (_row("agent_steps", message_ids=[1, "x"]), "the message_ids is not"),
    (_row("proposals", about=["entity"]), "a proposal of kind|no kind of row"),
    (_row("proposals", about=["pg_user:1"]), "no kind of row"),
    (_row("proposals", change=[]), "a proposal of kind"),
    (_row("proposals", change={"facts": [{"provenance": ["message"]}]}), "a proposal of kind"),
    (_row("memory_history", kind="agents"), "no kind of row 'agents'"),
    (_row("memory_history", old={"id": 10**6}), "old is not"),
    (_row("memory_history", old=[]), "old is not"),
    (_row("memory_history", row_id=None), "the row_id is not"),
    (_row("conversations", agent_id="other"), "other columns"),
]


def test_hostile_files_are_refused_by_line_and_leave_nothing(source: str, target: Agents) -> None:
    with Agents(source) as agents:
        lines = exported(agents, "ann")
    for edit, words in HOSTILE:
        copy: Lines = json.loads(json.dumps(lines))
        edit(copy)
        with pytest.raises(InputError, match=rf"line \d+: .*({words})"):
            target.import_(file_of(copy))
    assert target.list() == []


def test_another_text_in_the_place_of_one_is_a_conflict(source: str) -> None:
    with Agents(source) as agents:
        lines = exported(agents, "ann")
        _row("conversations", content="something else")(lines)
        with pytest.raises(ConflictError, match=r"line \d+: conversations \d+ of agent 'ann' is there already"):
            agents.import_(file_of(lines))
