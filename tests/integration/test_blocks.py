"""Core memory: editing blocks exactly, within their limits, together with others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import truediv

import pytest

from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.memory import Memory

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, actor="tester", options=WITHOUT_MODEL) as memory:
        yield memory


@pytest.fixture
def other(dsn: str) -> Iterator[Memory]:
    with Memory("bob", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def test_first_write_creates_the_block_with_its_purpose(memory: Memory) -> None:
    assert "human" not in memory.core
    with pytest.raises(NotFoundError, match="no block 'human'"):
        _ = memory.core["human"].value

    block = memory.core["human"].append("Prefers metric units.")

    assert (block.value, block.version, block.limit) == ("Prefers metric units.", 1, 5000)
    assert "person" in block.description
    assert memory.core["human"].block == block
    assert "human" in memory.core
    assert memory.core["notes"].rethink("x").description == ""


def test_labels_iterate_in_the_order_of_creation(memory: Memory) -> None:
    for label in ("zeta", "alpha", "human"):
        memory.core.create(label, f"value of {label}")
    memory.core["zeta"].append("more")
    assert list(memory.core) == ["zeta", "alpha", "human"]
    assert [block.value for block in memory.core.list()] == ["value of zeta\nmore", "value of alpha", "value of human"]
    assert 5 not in memory.core


def test_create_and_delete(memory: Memory) -> None:
    block = memory.core.create("plan", "a", description="d", limit=10, read_only=True)
    assert (block.description, block.limit, block.read_only, block.agent_id) == ("d", 10, True, "ann")
    with pytest.raises(ConflictError, match="has a block 'plan' already"):
        memory.core.create("plan")
    with pytest.raises(InputError, match="read-only"):
        memory.core.delete("plan")
    memory.core["plan"].describe(read_only=False)
    with pytest.raises(ConflictError, match="version 2, not 1"):
        memory.core.delete("plan", expected_version=1)
    memory.core.delete("plan")
    assert "plan" not in memory.core
    with pytest.raises(NotFoundError, match="no block 'plan'"):
        memory.core.delete("plan")


def test_insert_at_a_line(memory: Memory) -> None:
    for value, text, line, expected in (
        ("", "x", 1, "x"),
        ("a\nb", "x", 1, "x\na\nb"),
        ("a\nb", "x", 2, "a\nx\nb"),
        ("a\nb", "x", 3, "a\nb\nx"),
        ("a\nb", "x\ny", None, "a\nb\nx\ny"),
        ("a\n", "x", None, "a\nx"),
    ):
        memory.core["context"].rethink(value)
        assert memory.core["context"].insert(text, line).value == expected


def test_insert_refuses_a_line_that_is_not_there(memory: Memory) -> None:
    memory.core["context"].rethink("a\nb")
    for line in (0, 4, -1, True):
        with pytest.raises(InputError, match=r"from 1 to 3.*has 2 lines"):
            memory.core["context"].insert("x", line)
    assert memory.core["context"].value == "a\nb"


def test_replace_is_exact(memory: Memory) -> None:
    human = memory.core["human"]
    human.rethink("Name: Ann\nCity: Lyon (since 2019)\nPet: none")
    assert human.replace("Lyon (since 2019)", "Oslo").value == "Name: Ann\nCity: Oslo\nPet: none"
    assert human.replace("\nPet: none", "").value == "Name: Ann\nCity: Oslo"


def test_replace_of_an_absent_text_shows_the_nearest_line(memory: Memory) -> None:
    human = memory.core["human"]
    with pytest.raises(NotFoundError):
        human.replace("a", "b")
    human.rethink("Name: Ann\nCity: Lyon, in the old town\nPet: none")
    with pytest.raises(
        InputError, match=r"'city: lyon' does not occur.*nearest is line 2: 'City: Lyon, in the old town'"
    ):
        human.replace("city: lyon", "x")
    with pytest.raises(InputError, match="old text is empty"):
        human.replace("", "x")
    human.rethink("")
    with pytest.raises(InputError, match="which is empty"):
        human.replace("a", "b")


def test_replace_of_an_ambiguous_text_shows_every_place(memory: Memory) -> None:
    human = memory.core["human"]
    human.rethink("likes tea\nhates milk\nlikes tea with lemon")
    with pytest.raises(InputError) as error:
        human.replace("likes tea", "x")
    assert "occurs 2 times" in str(error.value)
    assert "line 1: 'likes tea'; line 3: 'likes tea with lemon'" in str(error.value)
    human.rethink("aaa")
    with pytest.raises(InputError, match="occurs 2 times"):
        human.replace("aa", "b")
    human.rethink("x " * 100 + "needle" + " y" * 100 + "\nneedle")
    with pytest.raises(InputError, match=r"line 1: '….*needle.*…'; line 2: 'needle'"):
        human.replace("needle", "b")


def test_limit_says_how_many_characters_are_over(memory: Memory) -> None:
    memory.core.create("short", "12345678", limit=10)
    with pytest.raises(InputError, match="would have 13 characters, 3 over its limit of 10"):
        memory.core["short"].append("éééé")
    assert memory.core["short"].append("é").value == "12345678\né"
    with pytest.raises(InputError, match="2 over its limit of 8"):
        memory.core["short"].describe(limit=8)
    assert memory.core["short"].describe("why", limit=12).limit == 12
    with pytest.raises(InputError, match="1 over"):
        memory.core.create("tiny", "12", limit=1)
    with pytest.raises(InputError, match="over its limit of 5,000"):
        memory.core["new"].append("x" * 5001)
    assert "new" not in memory.core


def test_read_only_blocks_are_not_edited(memory: Memory) -> None:
    memory.core.create("policy", "Be kind.", read_only=True)
    policy = memory.core["policy"]
    for edit in (
        lambda: policy.append("x"),
        lambda: policy.replace("kind", "rude"),
        lambda: policy.insert("x", 1),
        lambda: policy.rethink("x"),
    ):
        with pytest.raises(InputError, match="read-only"):
            edit()  # type: ignore[no-untyped-call]
    policy.describe(read_only=False)
    assert policy.append("Always.").value == "Be kind.\nAlways."


def test_an_edit_that_changes_nothing_is_no_change(memory: Memory) -> None:
    memory.core["human"].rethink("same")
    assert memory.core["human"].rethink("same").version == 1
    assert len(memory.history()) == 1


def test_pinned_edits_conflict_and_others_do_not(memory: Memory) -> None:
    human = memory.core["human"]
    first = human.append("a")
    second = human.append("b", expected_version=first.version, expected_sha256=first.sha256)
    with pytest.raises(ConflictError, match="version 2, not 1"):
        human.append("c", expected_version=1)
    with pytest.raises(ConflictError, match="SHA-256"):
        human.rethink("c", expected_sha256=first.sha256)
    with pytest.raises(ConflictError):
        human.replace("a", "c", expected_version=1)
    with pytest.raises(ConflictError):
        human.insert("c", 1, expected_version=1)
    with pytest.raises(ConflictError):
        human.describe("c", expected_version=1)
    assert human.block == second
    with pytest.raises(NotFoundError):
        memory.core["absent"].append("x", expected_version=1)


def test_concurrent_appenders_lose_nothing(memory: Memory) -> None:
    lines = [f"line {n}" for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(memory.core["context"].append, lines))
    block = memory.core["context"].block
    assert sorted(block.value.split("\n")) == sorted(lines)
    assert block.version == 64
    assert len(memory.history(label="context", limit=100)) == 64


def test_of_concurrent_pinned_edits_one_wins(memory: Memory) -> None:
    memory.core["context"].rethink("start")

    def edit(n: int) -> bool:
        try:
            memory.core["context"].rethink(f"by {n}", expected_version=1)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(edit, range(8))) == 1
    assert memory.core["context"].block.version == 2


def test_shared_blocks_are_seen_and_edited_by_others(memory: Memory, other: Memory) -> None:
    memory.core["project"].rethink("Ship in May.")
    assert memory.core["project"].share_with("bob", "cleo").shared_with == ["bob", "cleo"]

    assert list(other.core) == ["project"]
    assert other.core["project"].append("Or June.").agent_id == "ann"
    assert memory.core["project"].value == "Ship in May.\nOr June."
    assert other.history() == []
    assert memory.history()[0].actor == "api@bob"

    memory.core["project"].describe(read_only=True)
    with pytest.raises(InputError, match="read-only: its owner, agent 'ann'"):
        other.core["project"].append("x")
    for refused in (
        lambda: other.core["project"].describe("mine"),
        lambda: other.core["project"].share_with("dora"),
        lambda: other.core["project"].unshare(),
        lambda: other.core.delete("project"),
    ):
        with pytest.raises(InputError, match="belongs to agent 'ann'"):
            refused()

    memory.core["project"].unshare("bob")
    assert "project" not in other.core
    assert memory.core["project"].unshare().shared_with == []


def test_own_label_wins_and_sharing_onto_it_is_refused(memory: Memory, other: Memory) -> None:
    other.core["human"].rethink("Bob's human")
    memory.core["human"].rethink("Ann's human")
    memory.core["plan"].rethink("Ann's plan")
    with pytest.raises(ConflictError, match="agent 'bob' has a block 'human' already"):
        memory.core["human"].share_with("cleo", "bob")
    assert memory.core["human"].block.shared_with == []
    with pytest.raises(InputError, match="with itself"):
        memory.core["human"].share_with("ann")

    memory.core["plan"].share_with("bob")
    memory.core["plan"].share_with("bob")
    other.core.create("plan", "Bob's plan")
    assert other.core["plan"].value == "Bob's plan"
    assert [block.value for block in other.core.list()] == ["Bob's human", "Bob's plan"]
    other.core.delete("plan")
    assert other.core["plan"].value == "Ann's plan"


def test_edits_join_an_open_transaction(memory: Memory) -> None:
    with pytest.raises(ZeroDivisionError), memory.transaction():
        truediv(memory.core["human"].append("lost").version, 0)
    assert "human" not in memory.core


def test_bad_texts_are_refused(memory: Memory) -> None:
    for bad in ("", "  ", "a\0b", "\ud800", 5, None):
        with pytest.raises(InputError):
            memory.core["human"].append(bad)  # type: ignore[arg-type]
        with pytest.raises(InputError):
            memory.core[bad]  # type: ignore[index]
    assert list(memory.core) == []


def test_blame_says_which_change_wrote_each_line(memory: Memory, dsn: str) -> None:
    def blamed() -> list[tuple[str, int | None, str | None]]:
        return [(one.text, one.version, one.actor) for one in memory.core["human"].blame()]

    memory.core.create("human")
    assert blamed() == [], "no lines, nobody"
    memory.core["human"].rethink("Name: Ann\n\nLives in Graz")
    with Memory("ann", dsn=dsn, actor="else", options=WITHOUT_MODEL) as somebody:
        somebody.core["human"].replace("Graz", "Linz")
        somebody.core["human"].describe("Who it is about.")
    memory.core["human"].append("Likes trains")
    written = [
        ("Name: Ann", 2, "tester"),
        ("", 2, "tester"),
        ("Lives in Linz", 3, "else"),
        ("Likes trains", 5, "tester"),
    ]
    assert blamed() == written
    entries = memory.history(label="human")
    for line in memory.core["human"].blame():
        [entry] = [entry for entry in entries if entry.change_id == line.change_id]
        assert (entry.actor, entry.changed_at) == (line.actor, line.changed_at)
        assert entry.new is not None
        assert entry.new["version"] == line.version
    with Memory("ann", dsn=dsn, actor="vandal", options=WITHOUT_MODEL) as vandal:
        vandal.core["human"].rethink("nothing")
        assert blamed() == [("nothing", 6, "vandal")]
        vandal.undo()
        assert blamed() == written, "an undo gives the lines back to who wrote them"
        vandal.undo(memory.history(label="human")[0].change_id)
        assert blamed() == [("nothing", 6, "vandal")], "an undo of an undo, too"
        vandal.undo()
        vandal.core.delete("human")
        vandal.undo()
    assert blamed() == written
    memory.core["human"].rethink("Likes trains\nName: Ann\nLives in Linz")
    assert [version for _, version, _ in blamed()].count(memory.core["human"].block.version) == 1, "one line has moved"


def test_blame_of_what_is_older_than_the_history_or_anothers(memory: Memory, other: Memory) -> None:
    memory.core["project"].rethink("one\ntwo")
    memory.core["project"].append("three")
    with memory.transaction() as connection:
        connection.execute("DELETE FROM memory_history WHERE action = 'insert'")
    versions = [(one.line, one.version, one.actor, one.change_id is None) for one in memory.core["project"].blame()]
    assert versions == [(1, None, None, True), (2, None, None, True), (3, 2, "tester", False)]
    memory.core["project"].share_with("bob")
    with pytest.raises(InputError, match="only the owner has its history"):
        other.core["project"].blame()
    other.core["project"].replace("two", "zwei")
    assert [one.actor for one in memory.core["project"].blame()] == [None, "api@bob", "tester"]
    with pytest.raises(NotFoundError):
        memory.core["nothing"].blame()
