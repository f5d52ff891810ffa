"""History, undo and reading the memory as it was."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from operator import truediv
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.memory import Memory

WITHOUT_MODEL = Settings(embedding_model="none", pool_size=4)

TABLES = {
    "block": "core_memories",
    "archival": "archival_memories",
    "message": "conversations",
    "document": "documents",
    "chunk": "document_chunks",
    "entity": "kg_entities",
    "fact": "kg_relationships",
}

UNDO_WRITES = ("version", "updated_at")
"""Columns in which an undone row differs from what it was: an undo is an edit."""


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, actor="tester", options=WITHOUT_MODEL) as memory:
        yield memory


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def dimensions(direct: psycopg.Connection[dict[str, Any]]) -> int:
    row = direct.execute("SELECT dimensions FROM embedding_models WHERE active").fetchone()
    assert row is not None
    return int(row["dimensions"])


def vector(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def live(direct: psycopg.Connection[dict[str, Any]], agent: str = "ann") -> dict[str, list[dict[str, Any]]]:
    """Every row of every kind, vectors included, read around the code under test."""
    return {
        kind: direct.execute(f"SELECT * FROM {table} WHERE agent_id = %s ORDER BY id", [agent]).fetchall()
        for kind, table in TABLES.items()
    }


def without(state: dict[str, list[dict[str, Any]]], columns: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    return {kind: [{k: v for k, v in row.items() if k not in columns} for row in rows] for kind, rows in state.items()}


def fill(direct: psycopg.Connection[dict[str, Any]], agent: str = "ann") -> UUID:
    """A row of every kind that has no verb here, each with all its columns set, as one change in the history."""
    size, change = dimensions(direct), uuid4()
    v = str([float(x) for x in vector(1, size)])
    model = direct.execute("SELECT name FROM embedding_models WHERE active").fetchone()
    given = {"agent": agent, "v": v, "model": model and model["name"]}
    for statement in (
        """INSERT INTO conversations (agent_id, id, session, role, name, content, intent, intent_confidence, tokens,
               tool_calls, tool_call_id, metadata, language, embedding_model, embedding)
           VALUES (%(agent)s, 11, 's', 'user', 'Ann', 'hi', 'greeting', 0.9, 2, '[{"a": 1}]', 't', '{"m": [1, null]}',
               'french', %(model)s, %(v)s)""",
        """INSERT INTO documents (agent_id, id, title, source, media_type, content_hash, tokens, metadata)
           VALUES (%(agent)s, 12, 'T', 'file.md', 'text/markdown', 'abc', 7, '{"d": 1}')""",
        """INSERT INTO document_chunks (agent_id, id, document_id, chunk_index, chunk_text, heading_path, page,
               char_start, char_end, tokens, metadata, language, embedding_model, embedding)
           VALUES (%(agent)s, 13, 12, 3, 'chunk', '{A,"B \\" c"}', 4, 5, 6, 7, '{"c": 1}', 'german', %(model)s,
               %(v)s)""",
        """INSERT INTO kg_entities (agent_id, id, name, type, aliases, description, properties, language,
               embedding_model, embedding)
           VALUES (%(agent)s, 14, 'Ann', 'person', '{Annie}', 'd', '{"p": 1.5}', 'english', %(model)s, %(v)s),
               (%(agent)s, 15, 'Oslo', 'city', '{}', '', '{}', 'english', NULL, NULL)""",
        """INSERT INTO kg_relationships (agent_id, id, source_id, target_id, type, fact, weight, properties, valid_from,
               valid_to, provenance_kind, provenance_id, language, embedding_model, embedding)
           VALUES (%(agent)s, 16, 14, 15, 'lives_in', 'Ann lives in Oslo', 0.3, '{"q": "é"}', '2020-01-01Z',
               '2021-01-01Z', 'message', 11, 'english', %(model)s, %(v)s)""",
    ):
        direct.execute(statement, given)
    rows = [("message", 11), ("document", 12), ("chunk", 13), ("entity", 14), ("entity", 15), ("fact", 16)]
    for kind, id in rows:
        direct.execute(
            """INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
               VALUES (%s, %s, 'f', %s, %s, 'insert')""",
            [agent, change, kind, id],
        )
    return change


def test_history_tells_who_changed_what_into_what(memory: Memory) -> None:
    memory.core["human"].append("Name: Ann")
    memory.core["human"].append("City: Oslo")
    kept = memory.remember("The boat is red", tags=["boat"])
    memory.archival.update(kept.id, importance=0.9)
    memory.core.delete("human")

    deleted, important, remembered, appended, created = memory.history()

    assert [change.action for change in (created, appended, remembered, important, deleted)] == [
        "insert",
        "update",
        "insert",
        "update",
        "delete",
    ]
    assert (created.old, created.actor, created.kind) == (None, "tester", "block")
    assert created.new is not None
    assert created.new["value"] == "Name: Ann"
    assert created.new == appended.old
    assert appended.new == deleted.old
    assert appended.new is not None
    assert appended.new["value"] == "Name: Ann\nCity: Oslo"
    assert deleted.new is None
    assert remembered.new == important.old
    assert remembered.new is not None
    assert important.new is not None
    assert (remembered.new["importance"], important.new["importance"]) == (0.5, 0.9)
    assert not {"embedding", "embedding_code", "search", "text_hash"} & important.new.keys()
    assert set(remembered.new) == set(important.new)
    assert created.changed_at < deleted.changed_at


def test_history_is_filtered_and_paged(memory: Memory) -> None:
    memory.core["human"].append("a")
    memory.core["persona"].append("b")
    first = memory.remember("one")
    memory.remember("two")
    memory.core["human"].append("c")
    memory.core.delete("human")

    assert [change.kind for change in memory.history("archival")] == ["archival", "archival"]
    assert [change.row_id for change in memory.history("archival", first.id)] == [first.id]
    assert [change.action for change in memory.history(label="human")] == ["delete", "update", "insert"]
    everything = memory.history()
    page = memory.history(limit=2)
    assert [*page, *memory.history(before=page[-1].id)] == list(everything)
    assert memory.history(actor="somebody else") == [] == memory.history("archival", action="delete")
    actor = everything[0].actor
    assert memory.history("archival", action="insert", actor=actor) == memory.history("archival")
    middle = everything[2].changed_at
    assert [*memory.history(since=middle), *memory.history(until=middle)] == list(everything)
    for bad in ({"kind": "fish"}, {"id": 1}, {"kind": "fact", "label": "human"}, {"limit": 0}, {"action": "undo"}):
        with pytest.raises(InputError):
            memory.history(**bad)


def test_undo_goes_back_step_by_step_and_forth_again(memory: Memory) -> None:
    human = memory.core["human"]
    for text in ("a", "b", "c"):
        human.append(text)
    assert human.value == "a\nb\nc"

    undo_c = memory.undo()
    assert [(change.kind, change.action) for change in undo_c] == [("block", "update")]
    assert undo_c[0].undoes == memory.history(before=undo_c[0].id)[0].change_id
    assert human.value == "a\nb"
    undo_b = memory.undo()
    assert human.value == "a"
    with pytest.raises(ConflictError, match="was changed later"):
        memory.undo(undo_c[0].change_id)
    memory.undo(undo_b[0].change_id)
    assert human.value == "a\nb"
    memory.undo(str(undo_c[0].change_id))
    assert human.value == "a\nb\nc"
    with pytest.raises(ConflictError, match="undone already"):
        memory.undo(undo_c[0].change_id)
    for left in ("a\nb", "a"):
        memory.undo()
        assert human.value == left
    assert human.block.version == 9
    memory.undo()
    assert "human" not in memory.core
    with pytest.raises(NotFoundError, match="nothing to undo"):
        memory.undo()


def test_a_named_change_is_undone_unless_its_rows_changed_later(memory: Memory) -> None:
    memory.core["human"].append("a")
    memory.core["persona"].append("b")
    first, second = (memory.history(label=label)[0].change_id for label in ("human", "persona"))
    memory.core["persona"].append("c")
    with pytest.raises(ConflictError, match=f"block .* was changed later.*'tester'.*{memory.history()[0].change_id}"):
        memory.undo(second)
    memory.undo(first)
    assert list(memory.core) == ["persona"]
    memory.undo()  # the appended c: an undo is not what undo takes back
    memory.undo(second)
    assert list(memory.core) == []
    with pytest.raises(NotFoundError, match="no change"):
        memory.undo(uuid4())
    with pytest.raises(InputError, match="not a UUID"):
        memory.undo("yesterday")


def test_undo_conflicts_with_what_took_the_place(memory: Memory) -> None:
    memory.core["human"].append("old")
    memory.core.delete("human")
    gone = memory.history()[0].change_id
    memory.core["human"].append("new")
    with pytest.raises(ConflictError, match="something else took its place"):
        memory.undo(gone)
    assert memory.core["human"].value == "new"
    assert len(memory.history()) == 3


def test_undo_inside_a_transaction_of_the_caller(memory: Memory) -> None:
    memory.core["human"].append("a")
    with memory.transaction():
        memory.core["human"].append("b")
        memory.core["persona"].append("c")
        memory.undo()
        memory.undo()
    assert [block.value for block in memory.core.list()] == ["a"]
    with pytest.raises(ZeroDivisionError), memory.transaction():
        truediv(len(memory.undo()), 0)
    assert memory.core["human"].value == "a"


def test_undo_brings_a_vector_back_without_a_model(memory: Memory, direct: psycopg.Connection[dict[str, Any]]) -> None:
    size = dimensions(direct)
    bare = memory.remember("no vector yet")
    kept = memory.remember("before", embedding=vector(1, size), tags=["t"])
    states = [live(direct)]
    memory.archival.update(kept.id, text="after", embedding=vector(2, size))
    states.append(live(direct))
    memory.archival.update(bare.id, text="now with one", embedding=vector(3, size))
    states.append(live(direct))
    memory.archival.update(kept.id, tags=["u"])
    states.append(live(direct))
    memory.archival.supersede(kept.id, "newest", embedding=vector(4, size))
    states.append(live(direct))
    memory.archival.delete(kept.id)
    for state in reversed(states):
        memory.undo()
        assert live(direct) == state


def test_a_vector_of_another_model_stays_away(memory: Memory, direct: psycopg.Connection[dict[str, Any]]) -> None:
    size = dimensions(direct)
    kept = memory.remember("before", embedding=vector(1, size))
    memory.archival.update(kept.id, text="after", embedding=vector(2, size))
    direct.execute("UPDATE embedding_models SET name = 'another'")
    memory.undo()
    row = live(direct)["archival"][0]
    assert (row["text"], row["embedding"], row["embedding_model"]) == ("before", None, None)


def test_use_is_not_undone(memory: Memory, direct: psycopg.Connection[dict[str, Any]]) -> None:
    kept = memory.remember("a")
    memory.archival.update(kept.id, tags=["t"])
    direct.execute("UPDATE archival_memories SET accessed_at = now() - interval '1 hour'")
    memory.archival.touch([kept.id])
    memory.undo()
    assert (memory.archival.get(kept.id).tags, memory.archival.get(kept.id).access_count) == ([], 1)


def test_every_kind_is_undone_done_again_and_read_as_it_was(
    memory: Memory, direct: psycopg.Connection[dict[str, Any]]
) -> None:
    memory.core["human"].append("a")
    memory.remember("b", embedding=vector(1, dimensions(direct)))
    with memory.transaction():
        pass
    change = fill(direct)
    full, then = live(direct), now(direct)
    assert all(full.values())
    shown = {kind: memory.as_of(then).rows(kind) for kind in TABLES}

    undo = memory.undo(change)
    assert len(undo) == 6
    assert [len(rows) for rows in live(direct).values()] == [1, 1, 0, 0, 0, 0, 0]
    memory.undo(undo[0].change_id)
    assert without(live(direct), UNDO_WRITES) == without(full, UNDO_WRITES)

    past = memory.as_of(then)
    assert {kind: past.rows(kind) for kind in TABLES} == shown
    assert past.message(11).content == "hi"
    assert past.document(12).title == "T"
    assert past.chunk(13).heading_path == ["A", 'B " c']
    assert past.entity(14).aliases == ["Annie"]
    assert past.fact(16).valid_from == datetime.fromisoformat("2020-01-01T00:00:00Z")
    assert past.block("human").value == "a"


def test_undo_does_not_pull_the_ground_from_under_later_rows(
    memory: Memory, direct: psycopg.Connection[dict[str, Any]]
) -> None:
    memory.core["human"].append("creates the agent")
    change = fill(direct)
    direct.execute(
        "INSERT INTO kg_relationships (agent_id, source_id, target_id, type) VALUES ('ann', 15, 14, 'home_of')"
    )
    before = live(direct)
    with pytest.raises(ConflictError, match="entity 14 is gone, or something made later depends on it"):
        memory.undo(change)
    assert live(direct) == before


def test_messages_and_documents_come_back(memory: Memory, direct: psycopg.Connection[dict[str, Any]]) -> None:
    size = dimensions(direct)
    states = [live(direct)]
    message = memory.messages.append("user", "hello", embedding=vector(1, size))
    states.append(live(direct))
    memory.messages.update(message.id, content="hello again", embedding=vector(2, size))
    states.append(live(direct))
    document = memory.documents.add("# Boats\n\nThe boat is red.\n", source="boats.md")
    states.append(live(direct))
    memory.documents.update(document.id, title="Ships")
    states.append(live(direct))
    memory.documents.delete(document.id)
    memory.messages.delete(message.id)
    states += [states[-1] | {"document": [], "chunk": []}, live(direct)]
    for state in reversed(states[:-1]):
        memory.undo()
        assert without(live(direct), UNDO_WRITES) == without(state, UNDO_WRITES)


def test_undo_does_not_overwrite_an_edit_it_had_to_wait_for(
    dsn: str, memory: Memory, direct: psycopg.Connection[dict[str, Any]]
) -> None:
    memory.core["human"].append("a")
    memory.core["human"].append("b")
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.core["human"].append("c")
            undo = pool.submit(memory.undo)
            while not direct.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                assert not undo.done()
        with pytest.raises(ConflictError, match="was changed later"):
            undo.result()
    assert memory.core["human"].value == "a\nb\nc"


def now(direct: psycopg.Connection[dict[str, Any]]) -> datetime:
    row = direct.execute("SELECT clock_timestamp() AS now").fetchone()
    assert row is not None
    return row["now"]  # type: ignore[no-any-return]


def test_as_of(memory: Memory, direct: psycopg.Connection[dict[str, Any]]) -> None:
    before = now(direct)
    memory.core["human"].append("a")
    kept = memory.remember("b")
    then = now(direct)
    memory.core["human"].append("c")
    memory.archival.delete(kept.id)

    assert memory.as_of(then).block("human").value == "a"
    assert memory.as_of(then.isoformat()).archival(kept.id).text == "b"
    assert [block.label for block in memory.as_of(then).blocks()] == ["human"]
    assert memory.as_of(now(direct)).block("human").value == "a\nc"
    assert memory.as_of(before).blocks() == []
    for absent in (
        lambda: memory.as_of(before).block("human"),
        lambda: memory.as_of(before).archival(kept.id),
        lambda: memory.as_of(now(direct)).archival(kept.id),
    ):
        with pytest.raises(NotFoundError, match="at "):
            absent()
    with pytest.raises(InputError, match="kind must be one of"):
        memory.as_of(then).rows("fish")
    with pytest.raises(InputError, match="time"):
        memory.as_of("soon")


def test_rows_as_of_a_time_come_in_pages(memory: Memory) -> None:
    ids = [memory.remember(f"text {n}").id for n in range(5)]
    now = memory.history()[0].changed_at
    memory.archival.delete(ids[1])
    memory.remember("later")
    then = memory.as_of(now)
    assert [row.id for row in then.rows("archival")] == ids
    assert [row.id for row in then.rows("archival", limit=2)] == ids[:2]
    assert [row.id for row in then.rows("archival", after=ids[1], limit=2)] == ids[2:4]


def test_a_block_as_of_its_own_time_is_that_version(memory: Memory) -> None:
    with memory.transaction():
        versions = [memory.core["human"].append(text) for text in ("a", "b")]
    versions.append(memory.core["human"].share_with("bob"))
    memory.undo()
    versions.append(memory.core["human"].block)
    assert [memory.as_of(version.updated_at).block("human") for version in versions] == versions


def test_as_of_sees_a_change_as_a_whole(memory: Memory) -> None:
    memory.remember_many([{"text": f"text {n}"} for n in range(20)])
    memory.remember("later")
    entries = memory.history()
    assert entries[-1].changed_at < entries[1].changed_at
    assert len(memory.as_of(entries[-1].changed_at).rows("archival")) == 20
    memory.undo()
    memory.undo()
    undo = memory.history(limit=20)
    assert memory.as_of(undo[-1].changed_at).rows("archival") == []


def test_agents_do_not_see_each_others_history(dsn: str, memory: Memory) -> None:
    memory.core["human"].append("a")
    with Memory("bob", dsn=dsn, options=WITHOUT_MODEL) as bob:
        assert bob.history() == []
        with pytest.raises(NotFoundError):
            bob.undo()
        with pytest.raises(NotFoundError):
            bob.undo(memory.history()[0].change_id)


LABELS = st.sampled_from(["human", "notes"])
TEXTS = st.sampled_from(["a", "b", "tea", "x" * 40])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["append", "rethink", "insert", "describe"]), LABELS, TEXTS),
    st.tuples(st.sampled_from(["replace", "share", "delete block"]), LABELS),
    st.tuples(st.sampled_from(["remember", "remember two"]), TEXTS, st.integers(0, 3)),
    st.tuples(st.just("update text"), st.integers(0, 3), TEXTS, st.integers(0, 3)),
    st.tuples(st.just("supersede"), st.integers(0, 3), TEXTS, st.integers(0, 3)),
    st.tuples(st.sampled_from(["update tags", "delete"]), st.integers(0, 3)),
    st.tuples(st.just("undo")),
)


def take(memory: Memory, step: tuple[Any, ...], ids: list[int], size: int) -> None:
    """One step; what a memory refuses (nothing to undo, a text twice) is a step that does nothing."""
    what, *rest = step
    vectors = [None, *(vector(seed, size) for seed in (1, 2, 3))]
    if what in ("append", "rethink", "insert", "describe"):
        getattr(memory.core[rest[0]], what)(rest[1])
    elif what == "replace":
        memory.core[rest[0]].replace("a", "milk")
    elif what == "share":
        memory.core[rest[0]].share_with("bob")
    elif what == "delete block":
        memory.core.delete(rest[0])
    elif what == "remember":
        memory.remember(rest[0], embedding=vectors[rest[1]], tags=["t"])
    elif what == "remember two":
        memory.remember_many([{"text": rest[0], "embedding": vectors[rest[1]]}, {"text": rest[0] + "2"}])
    elif what == "undo":
        memory.undo()
    elif ids:
        id = ids[rest[0] % len(ids)]
        if what == "update text":
            memory.archival.update(id, text=rest[1], embedding=vectors[rest[2]])
        elif what == "supersede":
            memory.archival.supersede(id, rest[1], embedding=vectors[rest[2]])
        elif what == "update tags":
            memory.archival.update(id, tags=["u"], metadata={"n": 1})
        else:
            memory.archival.delete(id)


def test_any_sequence_can_be_undone_and_read_as_of_any_step(
    dsn: str, direct: psycopg.Connection[dict[str, Any]]
) -> None:
    size = dimensions(direct)

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, min_size=1, max_size=12))
    def check(steps: list[tuple[Any, ...]]) -> None:
        agent = f"agent {uuid4()}"
        with Memory(agent, dsn=dsn, options=WITHOUT_MODEL) as memory:
            seen = [(now(direct), live(direct, agent))]
            changes = [seen[0][1]]  # what undo goes back through
            for step in steps:
                ids = [row["id"] for row in seen[-1][1]["archival"]]
                entries = memory.history(limit=1)
                try:
                    take(memory, step, ids, size)
                except InputError:
                    assert live(direct, agent) == seen[-1][1]
                    continue
                state = live(direct, agent)
                seen.append((now(direct), state))
                if step == ("undo",):
                    changes.pop()
                    assert without(state, UNDO_WRITES) == without(changes[-1], UNDO_WRITES)
                elif memory.history(limit=1) != entries:
                    changes.append(state)
            _agrees_as_of(memory, seen)
            undos = []
            while len(changes) > 1:
                undone = changes.pop()
                undos.append((memory.undo()[0].change_id, undone))
                assert without(live(direct, agent), UNDO_WRITES) == without(changes[-1], UNDO_WRITES)
            with pytest.raises(NotFoundError):
                memory.undo()
            for change_id, undone in reversed(undos):
                memory.undo(change_id)
                assert without(live(direct, agent), UNDO_WRITES) == without(undone, UNDO_WRITES)
            _agrees_as_of(memory, seen)
            for entry in memory.history(limit=1000):
                assert (entry.undone_by is None) == memory._history.is_applied(entry.change_id)

    check()


def test_an_entry_names_what_took_it_back(memory: Memory) -> None:
    memory.remember_many([{"text": "One"}, {"text": "Two"}])
    change = memory.history(limit=1)[0].change_id
    undo = memory.undo(change)[0].change_id
    assert [entry.undone_by for entry in memory.history(change_id=change)] == [undo, undo]
    again = memory.undo(undo)[0].change_id
    assert {entry.change_id: entry.undone_by for entry in memory.history()} == {change: None, undo: again, again: None}
    last = memory.undo(change)[0].change_id
    assert {entry.undone_by for entry in memory.history(change_id=str(change))} == {last}
    assert [entry.undone_by for entry in memory.history("archival", limit=4)][2:] == [None, None]
    with pytest.raises(InputError, match="not a UUID"):
        memory.history(change_id="x")


def _agrees_as_of(memory: Memory, seen: list[tuple[datetime, dict[str, list[dict[str, Any]]]]]) -> None:
    for time, state in seen:
        past = memory.as_of(time)
        for kind in ("block", "archival"):
            rows = past.rows(kind)
            expected = [{name: row[name] for name in rows[0].__slots__} for row in state[kind]] if rows else state[kind]
            assert [{name: getattr(row, name) for name in row.__slots__} for row in rows] == expected


def test_messages_of_a_session_and_chunks_of_a_document_as_they_were(memory: Memory) -> None:
    memory.messages.append_many({"content": f"Turn {n}", "session": f"s{n % 2}"} for n in range(4))
    kept, gone = (memory.documents.add(f"# {name}\n\nText of {name}", source=name).id for name in ("A", "B"))
    past = memory.as_of(memory.history(limit=1)[0].changed_at)
    memory.messages.delete_session("s1")
    memory.documents.delete(gone)
    assert [asdict(row)["content"] for row in past.rows("message", parent="s1")] == ["Turn 1", "Turn 3"]
    assert [asdict(row)["content"] for row in past.rows("message", parent="s0", limit=1)] == ["Turn 0"]
    for document, name in ((kept, "A"), (gone, "B")):
        assert f"Text of {name}" in asdict(past.rows("chunk", parent=document)[-1])["chunk_text"]
    with pytest.raises(InputError, match="only messages have a session"):
        past.rows("archival", parent="s1")
