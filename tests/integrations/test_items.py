"""Store items: values at a namespace and a key, in every verb a memory has for its rows."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt import Agents, ItemCondition, Memory, NewItem
from memgpt.errors import InputError, NotFoundError
from memgpt.items.predicates import (
    all_of,
    any_of,
    begins_with,
    compares,
    contains,
    equals,
    has_text,
    is_empty,
    none_of,
    one_of,
)
from memgpt.items.store import _beyond
from memgpt.memory import scope_of

EXPIRE = "UPDATE store_items SET expires_at = now() - interval '1 minute' WHERE agent_id = %s AND key = ANY (%s)"


def keys(memory: Memory, *prefix: str, **options: Any) -> list[str]:
    return [found.item.key for found in memory.items.search(prefix, **options)]


def test_a_value_is_kept_replaced_and_deleted(memory: Memory) -> None:
    place = ("users", "ann")
    id = memory.items.put(place, "food", {"likes": "pizza", "rating": 4.5})
    first = memory.items.get(place, "food")
    assert (first.id, first.namespace, first.key, first.value) == (
        id, ["users", "ann"], "food", {"likes": "pizza", "rating": 4.5},
    )  # fmt: skip
    assert memory.items.put(place, "food", {"likes": "pasta"}) == id
    second = memory.items.get(place, "food")
    assert (second.value, second.created_at) == ({"likes": "pasta"}, first.created_at)
    assert second.updated_at > first.updated_at
    memory.items.delete(place, "food")
    with pytest.raises(NotFoundError, match="has no item 'food' in 'users/ann'"):
        memory.items.get(place, "food")
    with pytest.raises(NotFoundError):
        memory.items.delete(place, "food")


def test_of_two_values_at_one_place_the_later_counts(memory: Memory) -> None:
    ids = memory.items.put_many([NewItem(("a",), "k", {"n": n}) for n in range(3)])
    assert len(set(ids)) == 1
    assert memory.items.get(("a",), "k").value == {"n": 2}


@pytest.mark.parametrize(
    ("namespace", "key", "value", "problem"),
    [
        ((), "k", {}, "namespace is empty"),
        ("users", "k", {}, "must be labels"),
        (("a", ""), "k", {}, r"namespace\[1\] is empty"),
        (("a",), "", {}, "key is empty"),
        (("a",), "k", [], "value must be a mapping"),
        (("a",), "k", {"x": math.nan}, "cannot be written as JSON"),
        (("a",), "k", {"x": "\0"}, "NUL"),
        (("a" * 800,), "k" * 800, {}, "1,600 bytes in UTF-8; the limit is 1,500"),
    ],
)
def test_what_cannot_be_kept_is_refused(memory: Memory, namespace: Any, key: str, value: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        memory.items.put(namespace, key, value)
    assert memory.items.namespaces() == []


def test_the_longest_place_fits_into_the_index(open_memory: Callable[..., Memory], module_dsn: str) -> None:
    with Memory("ä" * 255, dsn=module_dsn) as memory:
        memory.items.put(("é" * 125, "ü" * 125), "ö" * 500, {"x": 1})
        assert keys(memory, "é" * 125) == ["ö" * 500]


def test_a_namespace_is_a_branch_and_no_beginning_of_a_word(memory: Memory) -> None:
    for namespace in [("foo",), ("foo", "child"), ("foobar",), ("foo\x01",), ("fo",), ("foo", "child", "deep")]:
        memory.items.put(namespace, "k", {"v": 1})
    assert {tuple(f.item.namespace) for f in memory.items.search(("foo",))} == {
        ("foo",), ("foo", "child"), ("foo", "child", "deep"),
    }  # fmt: skip
    assert len(memory.items.search()) == 6
    assert memory.items.namespaces(("foo",)) == [("foo",), ("foo", "child"), ("foo", "child", "deep")]
    assert memory.items.namespaces(suffix=("child",)) == [("foo", "child")]
    assert memory.items.namespaces(("*", "child")) == [("foo", "child"), ("foo", "child", "deep")]
    assert memory.items.namespaces(max_depth=1, limit=2, offset=1) == [("foo",), ("foo\x01",)]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.lists(st.text(min_size=1), max_size=3))
def test_all_below_a_namespace_and_nothing_else_is_in_its_range(prefix: list[str], other: list[str]) -> None:
    def binary(labels: list[str]) -> list[bytes]:
        return [label.replace("\0", "").encode("utf-8", "surrogatepass") for label in labels]

    begins, beyond = binary(prefix), binary(_beyond(tuple(prefix)))
    for candidate in (begins + binary(other), binary(other)):
        assert (begins <= candidate < beyond) is (candidate[: len(begins)] == begins)


CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({"n": 9}, "b"),
    ({"n": {"$gt": 9}}, "ac"),
    ({"n": {"$gte": 9, "$lt": 100}}, "ab"),
    ({"n": {"$lte": 9.5}}, "b"),
    ({"n": {"$ne": 9}}, "acde"),
    ({"n": {"$eq": "10"}}, "d"),
    ({"n": {"$gt": "1"}}, "d"),
    ({"tag": "x", "n": {"$gt": 1}}, "ab"),
    ({"deep": {"a": [1, 2]}}, "e"),
    ({"flag": None}, "e"),
]


@pytest.mark.parametrize(("wanted", "found"), CONDITIONS, ids=str)
def test_filters_compare_numbers_as_numbers(memory: Memory, wanted: dict[str, Any], found: str) -> None:
    values: dict[str, dict[str, Any]] = {
        "a": {"n": 10, "tag": "x"},
        "b": {"n": 9, "tag": "x"},
        "c": {"n": 100.5, "tag": "y"},
        "d": {"n": "10"},
        "e": {"deep": {"a": [1, 2]}, "flag": None},
    }
    memory.items.put_many(NewItem(("f",), key, value) for key, value in values.items())
    assert sorted(keys(memory, "f", filter=wanted)) == [*found]


PREDICATES: list[tuple[ItemCondition, str]] = [
    (equals("n", 9), "b"),
    (equals("n", "10"), "d"),
    (none_of([equals("n", 9)]), "acde"),
    (compares("n", ">", 9.5), "ac"),
    (none_of([compares("n", ">", 9.5)]), "bde"),
    (compares("n", "<=", "2"), "d"),
    (one_of("n", [9, 10, "10"]), "abd"),
    (none_of([one_of("n", [9, 10])]), "cde"),
    (one_of("n", []), ""),
    (contains("tags", "x"), "ab"),
    (contains("tags", 7), "b"),
    (none_of([contains("tags", "x")]), "cde"),
    (equals("tags", ["x"]), "a"),
    (equals(["deep", "a"], [1, 2]), "e"),
    (equals("deep", {"a": [1, 2]}), "e"),
    (equals("flag", None), "e"),
    (equals("yes", True), "c"),
    (has_text("says", 'A.*"b'), "a"),
    (has_text("says", "\N{GRINNING FACE} ü", ignore_case=True), "b"),
    (has_text("says", "a.*", ignore_case=True), "a"),
    (begins_with("says", "A"), "a"),
    (is_empty("says"), "cde"),
    (is_empty("tags"), "cd"),
    (equals('odd "key".$', 1), "e"),
    (all_of([]), "abcde"),
    (any_of([equals("n", 9), all_of([has_text("says", "A.*"), compares("n", ">=", 10)])]), "ab"),
]


def test_predicates_compare_each_type_with_its_own(memory: Memory) -> None:
    values: dict[str, dict[str, Any]] = {
        "a": {"n": 10, "tags": ["x"], "says": 'A.*"b'},
        "b": {"n": 9, "tags": ["x", 7], "says": "\N{GRINNING FACE} Ü"},
        "c": {"n": 100.5, "tags": [], "says": "", "yes": True},
        "d": {"n": "10"},
        "e": {"deep": {"a": [1, 2]}, "flag": None, "tags": "x", 'odd "key".$': 1, "says": None},
    }
    memory.items.put_many(NewItem(("p",), key, value) for key, value in values.items())
    for number, (where, found) in enumerate(PREDICATES):
        assert sorted(keys(memory, "p", where=where)) == [*found], number
    assert keys(memory, "p", where=one_of("n", [9, 10]), keys=["b", "d"]) == ["b"]


def test_what_no_predicate_compares_is_refused(memory: Memory) -> None:
    for wrong, arguments in ((equals, ("n", b"x")), (compares, ("\0", ">", 1)), (one_of, ("n", [{}]))):
        with pytest.raises(InputError):
            wrong(*arguments)
    with pytest.raises(InputError, match="cannot be written as JSON"):
        memory.items.search(where=equals("n", math.nan))


def test_an_unknown_operator_is_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match=r"must be one of \$eq, \$ne"):
        memory.items.search(filter={"n": {"$regex": "x"}})


def test_items_are_found_by_meaning_within_a_namespace_and_by_search_everywhere(memory: Memory) -> None:
    memory.items.put(("users", "ann"), "pet", {"says": "My dog has a cough"})
    memory.items.put(("users", "bob"), "bill", {"says": "The invoice is overdue"})
    memory.items.put(("hidden",), "dog", {"says": "a dog that nobody finds"}, text="")
    assert keys(memory, "users", query="a sick animal") == ["pet", "bill"]
    assert keys(memory, "users", "bob", query="a sick animal") == ["bill"]
    best, *_ = memory.search("is my puppy ill?")
    assert (best.kind, best.source) == ("item", {"namespace": ["users", "ann"], "key": "pet"})
    assert best.metadata == {"says": "My dog has a cough"}
    assert [hit.source["key"] for hit in memory.search("", kinds=["item"])] == ["bill", "pet"]
    assert memory.search("dog", metadata={"says": "a dog that nobody finds"}) == []
    assert "[item " in memory.context("invoice").text


@pytest.mark.parametrize(("distance", "order"), [("cosine", "ab"), ("inner_product", "ba"), ("l2", "ab")])
def test_vectors_of_an_applications_own_model(memory: Memory, distance: Any, order: str) -> None:
    memory.items.put_many(
        [
            NewItem(("v",), "a", {"n": 1}, vectors=[("x", [1, 0, 0]), ("y", [0, 0, 1])]),
            NewItem(("v",), "b", {"n": 2}, vectors=[("x", [9, 9, 0])]),
            NewItem(("v",), "c", {"n": 3}),
        ],
        collection="mine",
    )
    memory.items.put_many([NewItem(("v",), "d", {"n": 4}, vectors=[("x", [1, 0])])], collection="mine")
    found = memory.items.search(("v",), vector=[1, 0, 0], collection="mine", distance=distance)
    assert "".join(each.item.key for each in found) == order
    assert memory.items.search(("v",), vector=[1, 0, 0], collection="other") == []
    assert keys(memory, "v", vector=[1, 0], collection="mine") == ["d"]
    memory.items.put(("v",), "a", {"n": 5})  # without vectors: those of the value before are not its own
    assert keys(memory, "v", vector=[1, 0, 0], collection="mine") == ["b"]
    memory.undo()
    assert keys(memory, "v", vector=[1, 0, 0], collection="mine") == ["b"]


def test_what_has_expired_is_gone_for_readers_and_forgotten_by_a_sweep(memory: Memory, module_dsn: str) -> None:
    for key, minutes in (("short", 5.0), ("long", 5.0), ("ever", None)):
        memory.items.put(("t",), key, {"says": key}, ttl_minutes=minutes)
    with psycopg.connect(module_dsn, autocommit=True) as owner:
        owner.execute(EXPIRE, [memory.agent, ["short"]])
    assert keys(memory, "t") == ["ever", "long"]
    assert keys(memory, "t", expired=True, refresh=False) == ["ever", "long", "short"]
    assert "short" not in {hit.text for hit in memory.search("", kinds=["item"])}
    with pytest.raises(NotFoundError):
        memory.items.get(("t",), "short")
    assert memory.items.sweep() == 1
    assert keys(memory, "t", expired=True) == ["ever", "long"]
    assert "short" not in str(memory.history("item"))
    before = memory.items.get(("t",), "long", refresh=False).expires_at
    memory.items.get(("t",), "long")
    after = memory.items.get(("t",), "long", refresh=False).expires_at
    assert before is not None
    assert after is not None
    assert after > before


def test_items_join_a_transaction(memory: Memory) -> None:
    def fail() -> None:
        with memory.transaction():
            memory.items.put(("a",), "k", {"n": 1})
            memory.remember("a memory beside it")
            assert keys(memory, "a") == ["k"]
            raise KeyError("nothing of it stays")

    with pytest.raises(KeyError):
        fail()
    assert memory.items.search() == []
    assert memory.search("memory") == []


def test_items_have_a_history(memory: Memory) -> None:
    memory.items.put(("a",), "k", {"says": "pizza"})
    memory.items.put(("a",), "k", {"says": "pizza"})  # no change
    memory.items.put(("a",), "k", {"says": "pasta"})
    [update, insert] = memory.history("item")
    assert (insert.action, update.action) == ("insert", "update")
    assert update.old is not None
    assert update.old["value"] == {"says": "pizza"}
    assert memory.as_of(insert.changed_at).item(insert.row_id).value == {"says": "pizza"}
    memory.undo()
    assert memory.items.get(("a",), "k").value == {"says": "pizza"}
    assert keys(memory, query="pizza") == ["k"]
    memory.items.delete(("a",), "k")
    memory.undo()
    assert memory.items.get(("a",), "k").value == {"says": "pizza"}
    counts = memory.forget(insert.row_id, "item")
    assert (counts["store_items"], counts["memory_history"]) == (1, 5)
    assert memory.history("item") == []


def test_items_are_exported_imported_and_forked(open_memory: Callable[..., Memory], module_dsn: str) -> None:
    memory = open_memory()
    memory.items.put_many([NewItem(("a", "b"), "k", {"says": "tea"}, vectors=[("says", [1.5, 0, 2])])], collection="c")
    memory.items.put(("t",), "k", {"says": "coffee"}, ttl_minutes=60)
    copies = [f"{memory.agent}-{how}" for how in ("fork", "import")]
    with Agents(module_dsn) as agents:
        agents.fork(memory.agent, copies[0])
        file = io.StringIO()
        counts = agents.export(memory.agent, file)
        assert (counts["store_items"], counts["store_vectors"]) == (2, 1)
        assert agents.import_(file, copies[1]).inserted["store_vectors"] == 1
        again = agents.import_(file, copies[1])
        assert (again.inserted, again.skipped["store_items"], again.skipped["store_vectors"]) == ({}, 2, 1)
        for copy in copies:
            with Memory(copy, dsn=module_dsn) as other:
                assert keys(other, "a", vector=[1, 0, 1], collection="c") == ["k"]
                assert [hit.text for hit in other.search("tea", kinds=["item"])][:1] == ["tea"]
                assert other.items.get(("t",), "k").ttl_minutes == 60
                counts = other.forget_agent()
                assert (counts["store_items"], counts["store_vectors"]) == (2, 1)
    assert len(memory.items.search()) == 2


def test_writers_at_the_same_time_leave_one_value_and_a_whole_history(memory: Memory) -> None:
    memory.remember("the agent is there")
    barrier = threading.Barrier(4)

    def write(number: int) -> None:
        barrier.wait()
        for n in range(5):
            memory.items.put_many([NewItem(("a",), key, {"from": number, "n": n}) for key in ("k", "l")])

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(write, range(4))] == [None] * 4
    for key in ("k", "l"):
        item = memory.items.get(("a",), key)
        history = memory.history("item", item.id, limit=100)
        assert [change.action for change in history] == ["update"] * 19 + ["insert"]
        assert history[0].new is not None
        assert history[0].new["value"] == item.value


@pytest.mark.parametrize("statement", ["SELECT key FROM store_items", "SELECT collection FROM store_vectors"])
def test_a_request_sees_no_item_of_another_agent(open_memory: Callable[..., Memory], statement: str) -> None:
    other, ours = open_memory("other"), open_memory(isolated=True)
    other.items.put_many([NewItem(("a",), "theirs", {"says": "secret"}, vectors=[("says", [1, 0])])])
    ours.items.put_many([NewItem(("a",), "k", {"says": "secret"}, vectors=[("says", [1, 0])])])
    assert keys(ours) == keys(ours, query="secret") == keys(ours, vector=[1, 0]) == ["k"]
    assert [hit.source["key"] for hit in ours.search('"secret"')] == ["k"]
    with scope_of(ours).transaction() as connection:
        assert len(connection.execute(statement).fetchall()) == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("UPDATE store_items SET agent_id = %s", [other.agent])
