"""Files: texts at paths, with versions, history and search."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from memgpt import Agents, Memory
from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.files.paths import MAX_BYTES

OPTIONS = Settings(pool_size=4)


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=OPTIONS) as memory:
        yield memory


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


class TakenBack(Exception):
    """Ends a transaction without a change."""


def contents(memory: Memory) -> dict[str, str]:
    return {entry.path: memory.files.read(entry.path).content for entry in memory.files.list()}


def passages(direct: psycopg.Connection[Any], agent: str = "ann") -> list[str]:
    rows = direct.execute("SELECT chunk_text FROM file_chunks WHERE agent_id = %s ORDER BY chunk_text", [agent])
    return [text for (text,) in rows]


def test_a_file_is_kept_as_it_was_written(memory: Memory) -> None:
    text = "---\ntags: [boat]\n---\r\n# Notes\t\r\n\n\nThe boat is red.  "
    made = memory.files.create("/memories/notes.md", text, metadata={"a": [1]})
    assert (made.path, made.content, made.version, made.metadata) == ("/memories/notes.md", text, 1, {"a": [1]})
    assert memory.files.read("notes.md") == memory.files.get(made.id) == made
    [entry] = memory.files.list()
    assert (entry.path, entry.size, entry.version) == ("/memories/notes.md", len(text.encode()), 1)


def test_versions_go_up_and_guard_writes(memory: Memory) -> None:
    memory.files.create("a.md", "one two one")
    assert memory.files.write("a.md", "one two").version == 2
    assert memory.files.write("a.md", "one two").version == 2, "what is the same is not written"
    assert memory.files.edit("a.md", "two", "three", expected_version=2).content == "one three"
    assert memory.files.write("a.md", "one three", metadata={"b": 1}).version == 4
    for change in (
        lambda: memory.files.write("a.md", "x", expected_version=3),
        lambda: memory.files.edit("a.md", "one", "x", expected_version=3),
        lambda: memory.files.rename("a.md", "b.md", expected_version=3),
        lambda: memory.files.delete("a.md", expected_version=3),
    ):
        with pytest.raises(ConflictError, match="has version 4, not 3: read it again"):
            change()
    with pytest.raises(ConflictError, match=r"'/memories/a.md' exists already"):
        memory.files.write("a.md", "x", expected_version=0)
    with pytest.raises(NotFoundError):
        memory.files.write("new.md", "x", expected_version=2)
    assert memory.files.write("new.md", "x", expected_version=0).version == 1


@pytest.mark.parametrize(
    ("old", "reason"), [("four", "does not occur"), ("one", r"occurs several times .*, in lines 1, 2:")]
)
def test_an_edit_needs_one_place(memory: Memory, old: str, reason: str) -> None:
    memory.files.create("a.md", "one\ntwo one")
    with pytest.raises(InputError, match=reason):
        memory.files.edit("a.md", old, "x")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "path is empty"),
        ("/a//b", "has a part ''"),
        ("/a/", "has a part ''"),
        ("../b", "has a part '..'"),
        ("/memories/../etc/passwd", "has a part '..'"),
        ("a/./b", "has a part '.'"),
        ("a\nb", "cannot be printed"),
        ("a\0b", "NUL"),
        ("x" * 1001, "the limit is 1,000"),
        ("ä" * 501, "the limit is 1,000"),
        ("x" * 995, "more than 1,000 bytes"),
    ],
)
def test_paths_that_are_none_are_refused(memory: Memory, path: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        memory.files.create(path, "text")
    with pytest.raises(InputError, match=reason):
        memory.files.read(path)


def test_two_spellings_of_a_path_are_one(memory: Memory) -> None:
    memory.files.create("u\u0308ber.md", "x")
    assert memory.files.read("\u00fcber.md").path == "/memories/\u00fcber.md"


def test_a_file_and_a_directory_never_have_one_path(memory: Memory) -> None:
    memory.files.create("a/b", "x")
    memory.files.create("c", "x")
    for path, reason in (("a/b", "exists already"), ("a", "it is a directory"), ("a/b/c", "'/memories/a/b' is a file")):
        with pytest.raises(ConflictError, match=reason):
            memory.files.create(path, "y")
        with pytest.raises(ConflictError, match=reason):
            memory.files.rename("c", path)
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(memory.files.create, path, "x") for path in ("d", "d/e", "d/e/f") * 3]
        errors = [future.exception() for future in made]
    assert [type(error) for error in errors].count(type(None)) == 1
    assert {type(error) for error in errors} == {type(None), ConflictError}


def test_writers_of_one_file_wait_for_each_other(memory: Memory) -> None:
    memory.files.create("log.md", "start")
    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(memory.files.edit, "log.md", "start", f"start {n}") for n in range(4)]:
            written.result()
    file = memory.files.read("log.md")
    assert (file.version, sorted(file.content.split()[1:])) == (5, ["0", "1", "2", "3"])


def test_directories_are_moved_and_removed_with_all_they_hold(memory: Memory) -> None:
    for path in ("a/one.md", "a/b/two.md", "a-not.md", "a0.md"):
        memory.files.create(path, path)
    assert memory.files.rename("a", "c/d") == ["/memories/c/d/b/two.md", "/memories/c/d/one.md"]
    assert [entry.path for entry in memory.files.list("c")] == ["/memories/c/d/b/two.md", "/memories/c/d/one.md"]
    assert [entry.path for entry in memory.files.list("/memories/c/d/b/")] == ["/memories/c/d/b/two.md"]
    with pytest.raises(InputError, match="cannot be moved into itself"):
        memory.files.rename("c", "c/e")
    with pytest.raises(InputError, match="1,000"):
        memory.files.rename("c", "x" * 980)
    memory.undo()
    assert memory.files.delete("a") == ["/memories/a/b/two.md", "/memories/a/one.md"]
    memory.undo()
    assert sorted(contents(memory)) == [
        "/memories/a-not.md", "/memories/a/b/two.md", "/memories/a/one.md", "/memories/a0.md",
    ]  # fmt: skip
    for missing in (memory.files.delete, lambda path: memory.files.rename(path, "x")):
        with pytest.raises(NotFoundError, match="no file and no directory '/memories/nothing'"):
            missing("nothing")


def test_a_list_goes_on_after_a_path(memory: Memory) -> None:
    for n in range(5):
        memory.files.create(f"{n}.md", "x")
    first = memory.files.list(limit=2)
    assert [entry.path[-4:] for entry in memory.files.list(limit=9, after=first[-1].path)] == ["2.md", "3.md", "4.md"]


def test_every_change_is_in_the_history_and_can_be_undone(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    made = memory.files.create("boat.md", "# Boat\n\nThe boat is red.")
    states = [(contents(memory), passages(direct))]
    for change in (
        lambda: memory.files.edit("boat.md", "red", "green"),
        lambda: memory.files.rename("boat.md", "ship.md"),
        lambda: memory.files.write("ship.md", "Nothing of it."),
        lambda: memory.files.delete("ship.md"),
    ):
        change()
        states.append((contents(memory), passages(direct)))
    assert [change.action for change in memory.history("file", made.id)] == ["delete", *["update"] * 3, "insert"]
    assert {change.kind for change in memory.history(limit=100)} == {"file", "file_chunk"}
    edited = memory.history("file", made.id)[3]
    assert (edited.old, edited.new) is not None
    assert edited.old is not None
    assert edited.new is not None
    assert (edited.old["content"][-4:], edited.new["content"][-6:]) == ("red.", "green.")
    assert memory.as_of(edited.changed_at).file(made.id).content.endswith("green.")
    for state in reversed(states[:-1]):
        memory.undo()
        assert (contents(memory), passages(direct)) == state
    assert [hit.source["path"] for hit in memory.search("boat red", kinds=["file"])] == ["/memories/boat.md"]


def test_a_rename_whose_place_was_taken_is_not_undone(memory: Memory) -> None:
    memory.files.create("a.md", "x")
    memory.files.rename("a.md", "b.md")
    renamed = memory.history("file")[0].change_id
    memory.files.create("a.md", "y")
    with pytest.raises(ConflictError, match="something else took its place"):
        memory.undo(renamed)


def test_search_finds_files_by_content_and_name_and_prompts_do_not(
    memory: Memory, direct: psycopg.Connection[Any]
) -> None:
    text = "# Travel\n\nAnn takes the night train to Lisbon.\n\n# Food\n\nAnn eats no fish.\n"
    made = memory.files.create("journeys/lisbon.md", text * 30, metadata={"of": "ann"})
    memory.files.create("other.md", "Nothing about it.")
    [hit] = [hit for hit in memory.search("night train") if hit.kind == "file" and "train" in hit.text]
    assert (hit.id, hit.source["path"], hit.metadata) == (made.id, "/memories/journeys/lisbon.md", {"of": "ann"})
    assert hit.source["heading_path"]
    assert memory.search("lisbon.md journeys", kinds=["file"])[0].id == made.id
    hits = memory.search("Ann", kinds=["file"], limit=5)
    assert len({hit.id for hit in hits}) == len(hits) == 2, "a file is one hit"
    assert [hit.id for hit in memory.search("train", kinds=["file"], metadata={"of": "ann"})] == [made.id]
    assert "Lisbon" not in memory.context("night train to Lisbon").text
    assert "[file " in memory.context("night train to Lisbon", kinds=["file"]).text
    [[vector]] = direct.execute("SELECT embedding::text FROM file_chunks WHERE chunk_text LIKE '%train%' LIMIT 1")
    assert memory.search(vector=json.loads(vector), kinds=["file"], limit=2)[0].id == made.id


def test_the_passages_follow_the_content(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    sections = [f"# Part {n}\n\n{'word ' * 120}{n}\n\n" for n in range(20)]
    memory.files.create("long.md", "".join(sections))
    before = direct.execute("SELECT id FROM file_chunks ORDER BY id").fetchall()
    memory.files.write("long.md", "A new beginning.\n\n" + "".join(sections).replace("word 7\n", "sword 7\n"))
    after = direct.execute("SELECT id FROM file_chunks ORDER BY id").fetchall()
    assert len({*before} - {*after}) <= 2, "what did not change keeps its passages"
    assert [text for text in passages(direct) if "sword" in text]
    assert direct.execute("SELECT count(*) FROM file_chunks WHERE embedding IS NULL").fetchone() == (0,)


def test_five_megabytes_are_kept_and_more_refused(memory: Memory) -> None:
    text = "Ann was here." + "\n" * (MAX_BYTES - 13)
    memory.files.create("big.txt", text)
    assert memory.files.read("big.txt").content == text
    assert memory.search("Ann was here", kinds=["file"])[0].source["path"] == "/memories/big.txt"
    with pytest.raises(InputError, match="5,242,881 bytes in UTF-8; the limit of a file is 5,242,880"):
        memory.files.write("big.txt", text + "x")
    with pytest.raises(InputError, match="limit of a file"):
        memory.files.edit("big.txt", "Ann", "Anna")


def test_forgetting_leaves_nothing_of_a_file(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    made = memory.files.create("secret.md", "The secret word.")
    memory.files.write("secret.md", "The other secret word.")
    memory.files.delete("secret.md")
    counts = memory.forget(made.id, "file")
    assert (counts["files"], counts["memory_history"]) == (0, 7)
    made = memory.files.create("secret.md", "The secret word.")
    counts = memory.forget(made.id, "file")
    assert (counts["files"], counts["file_chunks"], counts["memory_history"]) == (1, 1, 2)
    tables = direct.execute(
        "SELECT DISTINCT table_name::text FROM information_schema.columns WHERE column_name = 'agent_id'"
    )
    for (table,) in tables.fetchall():
        left = direct.execute(f"SELECT 1 FROM {table} t WHERE to_jsonb(t)::text ILIKE '%secret%'").fetchone()
        assert left is None, table


def test_files_go_with_their_agent(memory: Memory, dsn: str, direct: psycopg.Connection[Any]) -> None:
    memory.files.create("a.md", "The boat is red.")
    memory.files.write("a.md", "The boat is green.")
    with Agents(dsn, options=OPTIONS) as agents:
        agents.fork("ann", "bob")
        file = io.StringIO()
        agents.export("ann", file)
        agents.import_(file, "carl")
        assert agents.import_(file, "carl").inserted == {}
        agents.rename("bob", "dora")
    for agent in ("carl", "dora"):
        with Memory(agent, dsn=dsn, options=OPTIONS) as other:
            assert contents(other) == {"/memories/a.md": "The boat is green."}
            assert passages(direct, agent) == ["The boat is green."]
            assert other.search("green boat", kinds=["file"])[0].source["path"] == "/memories/a.md"
            assert {each.kind: each.rows for each in other.stats().kinds if each.rows} == {"file": 1, "file_chunk": 1}
            assert {change.kind for change in other.history()} == {"file", "file_chunk"}
    with Memory("dora", dsn=dsn, options=OPTIONS) as other:
        other.undo()
        assert other.files.read("a.md").content == "The boat is red."


def test_a_transaction_takes_files_with_it(memory: Memory) -> None:
    with suppress(TakenBack), memory.transaction():
        memory.files.create("a.md", "x")
        memory.files.rename("a.md", "b.md")
        assert sorted(contents(memory)) == ["/memories/b.md"]
        raise TakenBack
    assert contents(memory) == {}


def test_other_agents_see_nothing_of_a_file(memory: Memory, dsn: str) -> None:
    made = memory.files.create("a.md", "The boat is red.")
    with Memory("bob", dsn=dsn, options=OPTIONS, isolated=True) as other:
        assert contents(other) == {}
        assert other.search("red boat") == []
        for call in (
            lambda: other.files.read("a.md"),
            lambda: other.files.get(made.id),
            lambda: other.files.delete("a.md"),
        ):
            with pytest.raises(NotFoundError):
                call()
        other.files.create("a.md", "Mine.")
        other.files.write("a.md", "Mine, changed.")
        other.undo()
        assert other.search("mine", kinds=["file"])[0].text == "Mine."
    assert contents(memory) == {"/memories/a.md": "The boat is red."}
