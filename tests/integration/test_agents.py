"""``Agents`` on a real database: sizes, rename, fork, delete, and a memory in a file and back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Agents, Memory
from memgpt.database.tables import BY_NAME, in_files
from memgpt.errors import ConflictError, InputError, ModelMismatchError, NotFoundError

Edit = Callable[[list[dict[str, Any]]], object]


@pytest.fixture
def agents(dsn: str) -> Iterator[Agents]:
    with Agents(dsn) as agents:
        yield agents


def fill(dsn: str, agent: str) -> None:
    with Memory(agent, dsn=dsn) as memory:
        kept = memory.remember("Ann likes tea", tags=["x", "y"], importance=0.1, metadata={"deep": [1.5, None, "é🎉"]})
        memory.archival.supersede(kept.id, "Ann likes coffee")
        memory.messages.append("user", "Ann: hello", session="s", intent="greet", intent_confidence=0.3)
        memory.messages.append("assistant", None, tool_calls=[{"name": "f", "arguments": {"a": 1}}])
        memory.messages.append("user", "own vector", embedding=np.linspace(-1, 1, 256))
        memory.documents.add("# Title\n\nSome text.\n\n## Part\n\nMore text.", source="a.md")
        memory.graph.add_fact("Ann", "works_at", "Acme", valid_from="2024-01-01", provenance=("message", 1))
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO core_memories (agent_id, label, value, shared_with) VALUES (%s, 'human', 'Ann', %s)",
            [agent, ["carl"] if agent == "ann" else []],
        )


def rows(dsn: str, agent: str, *, history: bool = True) -> dict[str, list[Any]]:
    """Every row of an agent, as JSON without the agent's name."""
    tables = [table for table in in_files() if history or table != "memory_history"]
    with psycopg.connect(dsn) as connection:
        return {
            table: [
                row[0]
                for row in connection.execute(
                    f"SELECT to_jsonb(t) - 'agent_id' FROM {table} t WHERE agent_id = %s ORDER BY id", [agent]
                )
            ]
            for table in tables
        }


def exported(agents: Agents, agent: str, **options: bool) -> io.StringIO:
    file = io.StringIO()
    agents.export(agent, file, **options)
    file.seek(0)
    return file


def edited(file: io.StringIO, edit: Edit) -> io.StringIO:
    lines = [json.loads(line) for line in file]
    edit(lines)
    return io.StringIO("".join(json.dumps(line) + "\n" for line in lines))


def row_of(lines: list[dict[str, Any]], table: str) -> dict[str, Any]:
    return next(line for line in lines if line.get("table") == table)


def test_create_list_describe(agents: Agents, dsn: str) -> None:
    made = agents.create("bob", "a helper", {"k": 1})
    assert (made.description, made.metadata, made.rows, made.bytes) == ("a helper", {"k": 1}, {}, 0)
    with pytest.raises(ConflictError, match="'bob'"):
        agents.create("bob")
    fill(dsn, "ann")
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO conversations (agent_id, role, content) VALUES ('raw', 'user', 'x')")
    listed = {agent.agent_id: agent for agent in agents.list()}
    assert sorted(listed) == ["ann", "bob", "raw"]
    assert listed["ann"].rows["conversations"] == 3
    assert listed["ann"].bytes > listed["raw"].bytes > 0
    assert listed["raw"].created_at is None
    assert agents.describe("raw") == listed["raw"]
    with pytest.raises(NotFoundError, match="'nobody'"):
        agents.describe("nobody")
    with pytest.raises(InputError):
        agents.create("x" * 256)


def test_a_fork_is_the_same_and_from_then_on_apart(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    before = rows(dsn, "ann")
    agents.fork("ann", "copy")
    assert rows(dsn, "copy") == before
    with Memory("copy", dsn=dsn) as copy:
        copy.messages.append("user", "only here")
        copy.documents.delete(copy.documents.list()[0].id)
        copy.graph.delete("Ann")
    assert rows(dsn, "ann") == before
    for source, target, error in (("ann", "copy", ConflictError), ("nobody", "new", NotFoundError)):
        with pytest.raises(error):
            agents.fork(source, target)
    assert "new" not in [agent.agent_id for agent in agents.list()]


def test_rename_moves_everything_and_what_is_shared(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    fill(dsn, "carl")
    before = rows(dsn, "carl")
    agents.rename("carl", "carla")
    assert rows(dsn, "carla") == before
    assert "carl" not in [agent.agent_id for agent in agents.list()]
    [block] = rows(dsn, "ann")["core_memories"]
    assert block["shared_with"] == ["carla"]
    assert rows(dsn, "ann")["memory_history"][-1]["old"]["shared_with"] == ["carl"]
    with pytest.raises(ConflictError):
        agents.rename("carla", "ann")
    assert rows(dsn, "carla") == before


def test_delete_is_for_good(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    fill(dsn, "carl")
    agents.delete("carl")
    assert [agent.agent_id for agent in agents.list()] == ["ann"]
    assert not any(rows(dsn, "carl").values())
    assert rows(dsn, "ann")["core_memories"][0]["shared_with"] == []
    with pytest.raises(NotFoundError):
        agents.delete("carl")


@pytest.mark.parametrize("history", [False, True])
def test_export_and_import_give_the_same_memory(agents: Agents, dsn: str, tmp_path: Path, history: bool) -> None:
    fill(dsn, "ann")
    path = tmp_path / "ann.jsonl"
    counts = agents.export("ann", path, history=history)
    assert [p.name for p in tmp_path.iterdir()] == ["ann.jsonl"]
    read = agents.import_(path, "copy")
    assert read.inserted == {table: count for table, count in counts.items() if count}
    assert rows(dsn, "copy", history=history) == rows(dsn, "ann", history=history)
    again = agents.import_(path, "copy")
    assert (again.inserted, again.skipped) == ({}, read.inserted)
    changes = {(h["kind"], h["row_id"]) for h in rows(dsn, "copy")["memory_history"] if h["action"] == "insert"}
    inserted = sum(len(found) for found in rows(dsn, "copy", history=False).values())
    assert len(changes) == inserted - (1 if history else 0)  # the block was written without history


def test_an_id_of_a_file_moves_no_sequence(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    file = edited(exported(agents, "ann"), lambda lines: row_of(lines, "archival_memories")["row"].update(id=2**53 - 1))
    lines = [json.loads(line) for line in file]
    lines[1:] = sorted(lines[1:], key=lambda v: ([*in_files()].index(v["table"]), v["row"]["id"]))
    agents.delete("ann")
    file = io.StringIO("".join(json.dumps(line) + "\n" for line in lines))
    agents.import_(file)
    with Memory("ann", dsn=dsn) as memory:
        assert max(memory.remember("new").id for _ in range(2)) < 100
        assert {row.text for row in memory.archival.list(superseded=True)} == {
            "Ann likes tea",
            "Ann likes coffee",
            "new",
        }
    assert agents.import_(file).inserted == {}


def test_vectors_left_out_are_made_again(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    file = exported(agents, "ann", vectors=False)
    assert "embedding" not in {key for line in file for key in json.loads(line) if "table" in json.loads(line)}
    agents.import_(file, "copy")
    before, after = rows(dsn, "ann", history=False), rows(dsn, "copy", history=False)
    before["conversations"][2] = after["conversations"][2]  # its vector was not the model's
    assert after == before
    assert agents.import_(file, "ann").inserted == {}


def test_vectors_of_another_model(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")

    def other(lines: list[dict[str, Any]]) -> None:
        for line in lines[1:]:
            if line.get("embedding"):
                line["row"]["embedding_model"] = "other"

    file = edited(exported(agents, "ann"), other)
    with pytest.raises(ModelMismatchError, match=r"line \d+: the vector is of 'other'.*reembed=True"):
        agents.import_(file, "copy")
    agents.import_(file, "copy", reembed=True)
    assert rows(dsn, "copy", history=False)["kg_entities"] == rows(dsn, "ann")["kg_entities"]


def _set(table: str, **values: Any) -> Edit:
    return lambda lines: row_of(lines, table)["row"].update(values)


BAD_LINES: list[tuple[Edit, str]] = [
    (lambda lines: lines.clear(), "the file is empty"),
    (lambda lines: lines[0].update(format="x"), "line 1: this is not an exported agent"),
    (lambda lines: lines[0].update(version=2), "line 1: the file has version 2"),
    (lambda lines: lines.pop(), "it is incomplete"),
    (lambda lines: lines[2].update(table="pg_user"), "line 3: there is no table 'pg_user'"),
    (lambda lines: lines[2]["row"].pop("text"), "line 3: a row of archival_memories has other columns.*text"),
    (_set("archival_memories", id="1"), "line 3: the id"),
    (_set("archival_memories", id=99), "line 4: archival_memories 2 comes after 99"),
    (_set("archival_memories", text=7), "line 3: text is not a text"),
    (_set("archival_memories", created_at="noon"), "line 3: created_at is not an ISO 8601 time"),
    (_set("archival_memories", importance=2), "line 3: new row .* violates check constraint"),
    (_set("archival_memories", metadata={"a": "\0"}), "line 3: unsupported Unicode escape"),
    (_set("kg_relationships", target_id=77), r"line \d+: .*foreign key.*77"),
    (lambda lines: lines[2].update(embedding="%%%"), "line 3: the embedding is not base64"),
    (lambda lines: lines[2].update(embedding="AACAPw=="), "line 3: embedding has shape"),
    (lambda lines: lines[1].update(embedding="AACAPw=="), "line 2: a row of core_memories has no embedding"),
]


def test_a_bad_line_is_named_and_nothing_is_written(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    file = exported(agents, "ann")
    for edit, words in BAD_LINES:
        file.seek(0)
        with pytest.raises(InputError, match=words):
            agents.import_(edited(file, edit), "copy")
    assert [agent.agent_id for agent in agents.list()] == ["ann"]


def test_what_is_not_json_is_named(agents: Agents, dsn: str) -> None:
    agents.create("ann")
    header = exported(agents, "ann").readline()
    for text in ("{", "[]", '{"a": NaN}', "[" * 100_000):
        with pytest.raises(InputError, match=r"line 2: "):
            agents.import_(io.StringIO(header + text))


def test_what_is_not_text_is_refused(agents: Agents, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="line 1, or one soon after it, is not UTF-8"):
        agents.import_(tmp_path / "x")
    with pytest.raises(InputError, match="there is no file"):
        agents.import_(tmp_path / "y")


def test_a_different_row_is_a_conflict(agents: Agents, dsn: str) -> None:
    fill(dsn, "ann")
    file = exported(agents, "ann")
    with Memory("ann", dsn=dsn) as memory:
        memory.archival.touch([1, 2])
        assert agents.import_(file).inserted == {}
        memory.messages.update(2, intent="other")
    before = rows(dsn, "ann")
    with pytest.raises(ConflictError, match=r"line \d+: conversations 2 of agent 'ann' is there already and differs"):
        agents.import_(file)
    assert rows(dsn, "ann") == before


def test_a_text_that_is_there_already_is_merged(agents: Agents, dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        for n in range(3):
            memory.remember(f"one of {n}")
        tea = memory.remember("Ann likes tea", tags=["drinks"], importance=0.9, metadata={"n": 1})
        memory.graph.add_fact("Ann", "likes", "Tea", provenance=("archival", tea.id))
    file = exported(agents, "ann")
    with Memory("copy", dsn=dsn) as memory:
        there = memory.remember("Ann likes tea", tags=["ann"], expires_at="2999-01-01")
        agents.import_(file, "copy")
        [row] = [m for m in memory.archival.list() if m.text == "Ann likes tea"]
        assert (row.id, row.tags, row.importance) == (there.id, ["ann", "drinks"], pytest.approx(0.9))
        assert (row.metadata, row.expires_at) == ({"n": 1}, None)
        [fact] = memory.graph.facts("Ann")
        assert memory.archival.get(fact.provenance_id or 0).superseded_by == there.id
        count = len(memory.archival.list(superseded=True))
        agents.import_(file, "copy")
        assert len(memory.archival.list(superseded=True)) == count, "once more changes nothing"


def test_a_text_that_is_there_already_is_merged_once_under_another_id(agents: Agents, dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("Ann likes tea", tags=["drinks"])
    header, row = map(json.loads, exported(agents, "ann").getvalue().splitlines()[:2])
    row["row"]["id"] += 100_000  # of another database
    header["counts"] = {"archival_memories": 1}
    with Memory("copy", dsn=dsn) as memory:
        there = memory.remember("Ann likes tea")
        for _ in range(3):
            agents.import_(io.StringIO(f"{json.dumps(header)}\n{json.dumps(row)}\n"), "copy")
            assert {m.superseded_by for m in memory.archival.list(superseded=True)} == {None, there.id}
            assert len(memory.archival.list(superseded=True)) == 2
        assert [m.tags for m in memory.archival.list()] == [["drinks"]]


def test_a_text_of_an_expired_memory_comes_in_alive(agents: Agents, dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        memory.remember("Ann likes tea", tags=["drinks"])
        memory.remember("Ann is ill", expires_at="2001-01-01")
    file = exported(agents, "ann")
    with Memory("copy", dsn=dsn) as memory:
        gone = [memory.remember(text, expires_at="2000-01-01").id for text in ("Ann likes tea", "Ann is ill")]
        for _ in range(2):
            agents.import_(file, "copy")
            assert [(m.text, m.tags, m.expires_at) for m in memory.archival.list()] == [
                ("Ann likes tea", ["drinks"], None)
            ]
            assert all(memory.archival.get(id).superseded_at for id in gone), "set aside, as remembering again does"
            assert [c.action for c in memory.history("archival", gone[0])] == ["update", "insert"]
    agents.import_(file, "ann")


def test_an_export_is_of_one_moment_while_others_write(agents: Agents, dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory, ThreadPoolExecutor(4) as threads:
        memory.messages.append("user", "first")
        writes = [threads.submit(memory.messages.append, "user", f"m{n}") for n in range(40)]
        files = [exported(agents, "ann") for _ in range(4)]
        for write in writes:
            write.result()
    for n, file in enumerate(files):
        agents.import_(file, f"copy {n}")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
_memory = st.fixed_dictionaries(
    {
        "content": _text.filter(str.strip),
        "session": _text.filter(str.strip),
        "metadata": st.dictionaries(_text, _json, max_size=3),
        "created_at": st.datetimes(timezones=st.none()),
        "intent_confidence": st.none() | st.floats(0, 1),
    }
)


def _storable(items: list[dict[str, Any]]) -> bool:
    encoded = json.dumps([item["metadata"] for item in items])
    return "\\u0000" not in encoded and "\\ud8" not in encoded


@given(st.lists(_memory, max_size=5).filter(_storable), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_kept_survives_the_round_trip(dsn: str, items: list[dict[str, Any]], vectors: bool) -> None:
    with Agents(dsn) as agents, Memory("ann", dsn=dsn) as memory:
        for agent in agents.list():
            agents.delete(agent.agent_id)
        agents.create("ann")
        memory.messages.append_many(items)
        file = exported(agents, "ann", vectors=vectors)
        agents.import_(file, "copy")
        assert rows(dsn, "copy", history=False) == rows(dsn, "ann", history=False)
        assert agents.import_(file, "copy").inserted == {}


def test_a_file_holds_every_column_of_every_table_of_a_memory(dsn: str) -> None:
    left_out = ["agent_id", "embedding", "old_embedding"]
    # the header of the file; what is no memory, or is made from the texts; what outlives an agent
    elsewhere = ["agents", *({*BY_NAME} - {*in_files()}), "audit_log", "idempotent_answers"]
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns c "
            "WHERE table_schema = 'public' AND is_generated = 'NEVER' AND column_name <> ALL (%s) "
            "AND table_name <> ALL (%s) AND EXISTS (SELECT FROM information_schema.columns k "
            "WHERE (k.table_schema, k.table_name, k.column_name) = (c.table_schema, c.table_name, 'agent_id')) "
            "GROUP BY table_name",
            [left_out, elsewhere],
        ).fetchall()
    assert {table: sorted(names) for table, names in columns} == {
        name: sorted(table.columns) for name, table in in_files().items()
    }


@pytest.mark.parametrize(
    "bad", [" ann", "ann ", "ann\n", "\tann", "a\nb", "a\x1bb", "a\u2028b", "*", "acme-*", "a*b", "", " "]
)
def test_what_is_no_agent_id_is_refused_everywhere(dsn: str, bad: str) -> None:
    with pytest.raises(InputError, match="agent"):
        Memory(bad or " ", dsn=dsn)
    with Agents(dsn) as agents:
        with pytest.raises(InputError, match="agent"):
            agents.create(bad)
        with Memory("ann", dsn=dsn) as memory:
            memory.remember("Ann likes trains")
        for copy in (agents.rename, agents.fork):
            with pytest.raises(InputError, match="agent"):
                copy("ann", bad)
