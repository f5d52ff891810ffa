"""``memory.archival`` on a real database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql

from memgpt import Memory
from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError, ReadOnlyError
from memgpt.memory import scope_of

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def found(memory: Memory, query: str) -> list[int]:
    return [hit.id for hit in memory.search(query, kinds=["archival"])]


def test_a_memory_comes_back_as_it_was_given(memory: Memory) -> None:
    kept = memory.remember(
        "Flight at 9:40",
        tags=["travel", "oslo", "travel"],
        importance=0.75,
        source="mail",
        metadata={"a": [1, None, "ü"]},
        created_at="2024-05-01",
        expires_at="2999-01-01T00:00+02:00",
    )
    row = memory.archival.get(kept.id)
    assert (row.text, row.tags, row.importance, row.source) == ("Flight at 9:40", ["travel", "oslo"], 0.75, "mail")
    assert (row.metadata, row.language, row.access_count) == ({"a": [1, None, "ü"]}, "english", 0)
    assert row.created_at == datetime(2024, 5, 1, tzinfo=UTC)
    assert row.expires_at == datetime(2998, 12, 31, 22, tzinfo=UTC)


def test_exact_duplicates_are_folded_in_a_call_and_across_calls(memory: Memory) -> None:
    first = memory.remember("Ann likes tea", tags=["a"])
    answers = memory.remember_many([{"text": "new"}, {"text": "Ann likes tea", "tags": ["b"]}, {"text": "new"}])
    assert [a.duplicate for a in answers] == [False, True, True]
    assert answers[1].id == first.id
    assert answers[0].id == answers[2].id
    assert memory.archival.get(first.id).tags == ["a", "b"]
    assert len(memory.archival.list()) == 2
    assert [c.action for c in memory.history("archival")] == ["update", "insert", "insert"]


SOON, LATER = datetime(2999, 1, 1, tzinfo=UTC), datetime(2999, 2, 1, tzinfo=UTC)


def test_remembering_again_merges_as_an_update_that_undo_takes_back(memory: Memory) -> None:
    first = memory.remember("Ann is on holiday", tags=["a"], importance=0.7, metadata={"x": 1, "y": 1}, expires_at=SOON)
    before = memory.archival.get(first.id)
    again = memory.remember(
        "Ann is on holiday", tags=["b", "a"], importance=0.6, source="hr", metadata={"y": 2, "z": 2}, expires_at=LATER
    )
    assert (again.id, again.duplicate) == (first.id, True)
    row = memory.archival.get(first.id)
    assert (row.tags, row.importance, row.source) == (["a", "b"], pytest.approx(0.7), "hr")
    assert (row.metadata, row.expires_at, row.created_at) == ({"x": 1, "y": 2, "z": 2}, LATER, before.created_at)
    assert [c.action for c in memory.history("archival", first.id)] == ["update", "insert"]
    memory.remember("Ann is on holiday")
    assert memory.archival.get(first.id).expires_at is None, "this time for good"
    memory.undo()
    memory.undo()
    assert memory.archival.get(first.id) == before


def test_remembering_again_writes_nothing_where_nothing_is_new(memory: Memory) -> None:
    fields: dict[str, Any] = {"tags": ["a", "b"], "importance": 0.7, "metadata": {"x": [1]}, "source": "mail"}
    first = memory.remember("Ann likes tea", **fields)
    assert memory.remember("Ann likes tea", tags=["b"], importance=0.1, metadata={"x": [1]}).duplicate
    assert memory.remember_many([{"text": "Ann likes tea"}, {"text": "Ann likes tea"}])[1].id == first.id
    assert len(memory.history("archival")) == 1


def test_a_text_that_occurs_twice_in_a_batch_is_merged(memory: Memory) -> None:
    one, two = memory.remember_many(
        [
            {"text": "tea", "tags": ["a"], "expires_at": SOON, "metadata": {"k": 1}},
            {"text": "tea", "tags": ["b"], "importance": 0.9, "metadata": {"k": 2}, "source": "mail"},
        ]
    )
    assert (one.duplicate, two.duplicate, one.id) == (False, True, two.id)
    row = memory.archival.get(one.id)
    assert (row.tags, row.importance, row.expires_at) == (["a", "b"], pytest.approx(0.9), None)
    assert (row.metadata, row.source) == ({"k": 2}, "mail")
    assert len(memory.history("archival")) == 1


def test_superseding_with_a_text_that_lives_merges_into_that_memory(memory: Memory) -> None:
    old, there = memory.remember("Ann lives in Rome"), memory.remember("Ann lives in Oslo", tags=["a"])
    kept = memory.archival.supersede(old.id, "Ann lives in Oslo", tags=["b"], importance=0.9)
    assert (kept.id, kept.duplicate) == (there.id, True)
    row = memory.archival.get(there.id)
    assert (row.tags, row.importance) == (["a", "b"], pytest.approx(0.9))
    assert memory.archival.get(old.id).superseded_by == there.id
    memory.undo()
    assert memory.archival.get(there.id).tags == ["a"]
    assert len(memory.archival.list()) == 2


def test_a_vector_comes_to_a_memory_that_had_none(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        kept = memory.remember("tea")
        assert memory.remember("tea", embedding=np.ones(256)).duplicate
        assert [hit.id for hit in memory.search(vector=np.ones(256))] == [kept.id]
        memory.undo()
        assert memory.search(vector=np.ones(256)) == []


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "tags": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
                "importance": st.sampled_from([0.25, 0.5, 0.75]),
                "expires_at": st.sampled_from([None, SOON, LATER]),
            }
        ),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
@hypothesis_settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_order_and_grouping_of_rememberings_do_not_matter(
    dsn: str, memories: list[dict[str, Any]], cut: int, random: Random
) -> None:
    shuffled = random.sample(memories, len(memories))
    with Memory(f"agent {uuid4()}", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        one, *_ = [memory.remember("one", **fields).id for fields in memories]
        other, *_ = [
            r.id
            for group in (shuffled[:cut], shuffled[cut:])
            for r in memory.remember_many({"text": "other", **fields} for fields in group)
        ]
        rows = [memory.archival.get(id) for id in (one, other)]
        assert {(frozenset(row.tags), row.importance, row.expires_at) for row in rows} == {
            (
                frozenset(tag for m in memories for tag in m["tags"]),
                max(m["importance"] for m in memories),
                None if any(m["expires_at"] is None for m in memories) else max(m["expires_at"] for m in memories),
            )
        }
        while memory.archival.list():
            memory.undo()


def test_what_is_superseded_is_not_superseded_or_changed_again(memory: Memory) -> None:
    old = memory.remember("Luc wants 40 g of saffron.")
    new = memory.archival.supersede(old.id, "Luc wants 60 g of saffron.")
    for again in (
        lambda: memory.archival.supersede(old.id, "Luc wants 80 g of saffron."),
        lambda: memory.archival.supersede(old.id, "Luc wants 60 g of saffron.", tags=["kitchen"]),
        lambda: memory.archival.update(old.id, tags=["kitchen"]),
        lambda: memory.archival.update(old.id, text="Luc wants 80 g of saffron."),
    ):
        with memory.transaction(), pytest.raises(ConflictError, match=f"superseded by archival memory {new.id}"):
            again()
    assert [m.text for m in memory.archival.list(superseded=True)] == [
        "Luc wants 60 g of saffron.",
        "Luc wants 40 g of saffron.",
    ]
    assert memory.archival.get(new.id).tags == []
    memory.undo()
    assert memory.archival.supersede(old.id, "Luc wants 80 g of saffron.").id


def test_of_many_that_supersede_at_once_exactly_one_wins(memory: Memory) -> None:
    old = memory.remember("Luc wants 40 g of saffron.")
    barrier = Barrier(4)

    def supersede(n: int) -> str | None:
        barrier.wait()
        try:
            memory.archival.supersede(old.id, f"Luc wants {n} kg of saffron.")
        except ConflictError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(4) as threads:
        answers = [*threads.map(supersede, range(4))]
    [living] = memory.archival.list()
    assert answers.count(None) == 1
    assert {a for a in answers if a} == {
        f"archival memory {old.id} was superseded by archival memory {living.id}: change that one"
    }


def test_near_duplicates_are_reported_and_kept(memory: Memory) -> None:
    first = memory.remember("The flight to Oslo leaves at 9:40 in the morning.")
    second = memory.remember("The flight to Oslo leaves at 9:40 in the morning!")
    assert (second.duplicate, list(second.similar)) == (False, [first.id])
    assert memory.remember("Bananas are rich in potassium.").similar == []
    [near, *_] = memory.archival.near_duplicates("the flight to Oslo leaves at 9:40 in the morning")
    assert near.memory.id in (first.id, second.id)
    assert 0.95 <= near.similarity <= 1.0001


def test_near_duplicates_of_a_memory_are_found_by_its_vector(memory: Memory, dsn: str) -> None:
    text = "The flight to Oslo leaves at 9:40 in the morning"
    kept, twin, *_ = memory.remember_many([{"text": text}, {"text": f"{text}!"}, {"text": "Bananas are healthy."}])
    with Memory(memory.agent, dsn=dsn, options=Settings(embedding_model="none")) as unable:
        [near] = unable.archival.near_duplicates(kept.id)  # no model is asked
        unembedded = unable.remember("Nobody embeds this.").id
    assert (near.memory, near.memory.text) == (memory.archival.get(twin.id), f"{text}!")
    assert 0.95 <= near.similarity <= 1.0001
    assert [near.memory.id for near in memory.archival.near_duplicates(twin.id, limit=1)] == [kept.id]
    memory.archival.supersede(twin.id, "Bananas are yellow.")
    assert memory.archival.near_duplicates(kept.id) == []
    assert [near.memory.id for near in memory.archival.near_duplicates(twin.id)] == [kept.id]
    with pytest.raises(NotFoundError):
        memory.archival.near_duplicates(999)
    with pytest.raises(ConflictError, match="has no vector yet"):
        memory.archival.near_duplicates(unembedded)
    many = memory.remember_many({"text": f"{text}{'!' * n}"} for n in range(2, 72))
    assert len(memory.archival.near_duplicates(many[0].id, threshold=0.5, limit=100)) == 70, "as many as are asked for"
    with Memory("bob", dsn=dsn) as bob, pytest.raises(NotFoundError):
        bob.archival.near_duplicates(kept.id)


def test_what_is_superseded_or_expired_is_no_near_duplicate(memory: Memory) -> None:
    old = memory.remember("The flight to Oslo leaves at 9:40.")
    memory.archival.supersede(old.id, "Bananas are rich in potassium.")
    memory.remember("The flight to Oslo leaves at 9:40!", expires_at=PAST)
    assert memory.archival.near_duplicates("The flight to Oslo leaves at 9:40.") == []


def test_a_text_that_another_memory_has_is_a_conflict(memory: Memory) -> None:
    one, two = memory.remember("one"), memory.remember("two")
    with pytest.raises(ConflictError, match=f"archival memory {one.id} says this already"):
        memory.archival.update(two.id, text="one")
    with memory.transaction():  # which goes on after the conflict
        with pytest.raises(ConflictError):
            memory.archival.update(two.id, text="one")
        memory.archival.update(two.id, text="three")
    assert memory.archival.get(two.id).text == "three"
    assert memory.archival.update(two.id, text="three", importance=1.0).importance == 1.0


def test_update_changes_what_is_given_and_embeds_a_new_text(memory: Memory) -> None:
    kept = memory.remember("Ann lives in Rome", tags=["home"], expires_at="2999-01-01")
    memory.remember("a violin needs new strings")
    row = memory.archival.update(kept.id, text="the violin was sold", metadata={"a": 1})
    assert (row.text, row.tags, row.metadata) == ("the violin was sold", ["home"], {"a": 1})
    assert row.expires_at is not None
    assert memory.archival.update(kept.id, clear_expiry=True).expires_at is None
    assert kept.id in found(memory, "selling a violin")
    [hit, *_] = memory.search('"lives in Rome"', kinds=["archival"], explain=True)  # a phrase that is nowhere now
    assert hit.explain is not None
    assert hit.explain["query"]["nowhere"] == ['"lives in Rome"']
    with pytest.raises(NotFoundError):
        memory.archival.update(999, text="x")
    with pytest.raises(InputError, match="give both"):
        memory.archival.update(kept.id, embedding=np.ones(256))


def test_what_is_superseded_is_found_no_more(memory: Memory) -> None:
    old = memory.remember("Ann lives in Rome")
    new = memory.archival.supersede(old.id, "Ann lives in Oslo", tags=["home"])
    assert found(memory, "where does Ann live?") == [new.id]
    row = memory.archival.get(old.id)
    assert (row.superseded_by, row.superseded_at is not None) == (new.id, True)
    assert [m.id for m in memory.archival.list()] == [new.id]
    assert [m.id for m in memory.archival.list(superseded=True)] == [new.id, old.id]
    memory.undo()
    assert found(memory, "where does Ann live?") == [old.id]
    with pytest.raises(InputError, match="says this already"):
        memory.archival.supersede(old.id, "Ann lives in Rome")
    cafe = memory.remember("caf\u00e9")
    with pytest.raises(InputError, match="says this already"):
        memory.archival.supersede(cafe.id, "cafe\u0301")


def test_superseding_what_is_not_there_writes_nothing(memory: Memory) -> None:
    with memory.transaction(), pytest.raises(NotFoundError):
        memory.archival.supersede(999, "new")
    assert memory.archival.list() == []


def test_the_text_of_a_superseded_memory_can_be_remembered_again(memory: Memory) -> None:
    old = memory.remember("Ann lives in Rome")
    new = memory.archival.supersede(old.id, "Ann lives in Oslo")
    back = memory.archival.supersede(new.id, "Ann lives in Rome")
    assert back.id not in (old.id, new.id)
    assert found(memory, "where does Ann live?") == [back.id]


def test_what_is_expired_is_found_no_more_and_can_be_remembered_again(memory: Memory) -> None:
    old = memory.remember("The shop is closed today", expires_at=PAST)
    assert found(memory, "is the shop closed?") == []
    assert memory.archival.list() == []
    again, other, twice = memory.remember_many(
        [{"text": "The shop is closed today"}, {"text": "other"}, {"text": "The shop is closed today"}]
    )
    assert (again.duplicate, other.duplicate, twice.duplicate) == (False, False, True)
    assert again.id == twice.id != old.id
    assert found(memory, "is the shop closed?")[0] == again.id
    memory.undo()
    assert memory.archival.get(old.id).superseded_at is None
    other_memory = memory.remember("something else")
    assert memory.archival.update(other_memory.id, text="The shop is closed today").text == "The shop is closed today"


def test_touch_is_a_write_of_its_own_and_never_part_of_a_read(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    kept = memory.remember("Ann likes tea")
    long_ago = "UPDATE archival_memories SET accessed_at = '2020-01-01'"
    direct.execute(long_ago)
    memory.search("tea")
    memory.archival.get(kept.id)
    memory.context("tea")
    assert memory.archival.get(kept.id).accessed_at.year == 2020
    memory.archival.touch([kept.id, kept.id])
    memory.archival.touch([kept.id])
    row = memory.archival.get(kept.id)
    assert (row.access_count, row.accessed_at.year > 2020) == (1, True)
    assert len(memory.history()) == 1


def test_list_pages_through_all_by_tags(memory: Memory) -> None:
    same = datetime(2024, 1, 1, tzinfo=UTC)
    memory.remember_many(
        {"text": f"t{n}", "tags": ["even", "x"] if n % 2 == 0 else ["x"], "created_at": same + timedelta(days=n // 4)}
        for n in range(20)
    )
    pages, last = [], None  # type: ignore[var-annotated]
    while page := memory.archival.list(limit=3, tags=["x", "even"], after=last):
        pages.extend(page)
        last = page[-1]
    assert [m.text for m in pages] == [f"t{n}" for n in range(18, -1, -2)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"text": " "}, "item 1: text is empty"),
        ({"text": "x", "importance": 2}, "item 1: importance must be from 0 to 1"),
        ({"text": "x", "tag": ["a"]}, "unknown key 'tag'"),
        ({"text": "x", "embedding": [1, 2]}, "item 1: embedding has shape"),
        ({"text": "x", "embedding": [float("nan")] * 256}, "NaN"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "x", "metadata": {"a": float("inf")}}, "cannot be written as JSON"),
        ({"text": "x", "expires_at": "soon"}, "not an ISO 8601 time"),
        ({"text": "x", "tags": "travel"}, "must be a list"),
    ],
)
def test_a_batch_is_all_or_nothing(memory: Memory, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        memory.remember_many([{"text": "good"}, bad])
    assert memory.archival.list() == []


def test_a_batch_larger_than_a_statement_keeps_its_order(memory: Memory) -> None:
    vectors = np.random.default_rng(1).normal(size=(1203, 256)).astype(np.float32)
    answers = memory.remember_many({"text": f"text {n}", "embedding": v} for n, v in enumerate(vectors))
    assert [a.id for a in answers] == sorted(a.id for a in answers)
    assert memory.archival.get(answers[1202].id).text == "text 1202"
    assert memory.search(vector=vectors[700], limit=1)[0].text == "text 700"
    assert len({c.change_id for c in memory.history("archival", limit=1203)}) == 1


def test_an_error_in_the_second_statement_undoes_the_first(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    direct.execute("ALTER TABLE archival_memories ADD CONSTRAINT no_bomb CHECK (text <> 'bomb')")
    texts = [*(f"text {n}" for n in range(700)), "bomb"]
    with pytest.raises(InputError, match="no_bomb"):
        memory.remember_many({"text": text, "embedding": np.ones(256)} for text in texts)
    assert memory.archival.list() == []
    assert memory.history() == []


def test_eight_writers_lose_nothing_and_fold_what_they_share(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:

        def write(writer: int) -> list[int]:
            own = [memory.remember(f"writer {writer} text {n}").id for n in range(10)]
            shared = memory.remember_many(
                {"text": f"shared {n}"} for n in sorted(range(20), key=lambda n: n * writer % 7)
            )
            return own + [r.id for r in shared]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(write, range(1, 9)))
        there = memory.archival.list(limit=200)
    assert len(there) == 8 * 10 + 20
    assert {id for ids in answers for id in ids} == {m.id for m in there}


def test_batches_that_share_texts_in_other_orders_do_not_wait_for_each_other(memory: Memory) -> None:
    vectors = np.random.default_rng(1).normal(size=(500, 256)).astype(np.float32)
    items = [{"text": f"shared {n} " + "word " * 200, "embedding": v} for n, v in enumerate(vectors)]
    together = Barrier(4)

    def write(batch: list[dict[str, Any]]) -> int:
        together.wait()
        return sum(not r.duplicate for r in memory.remember_many(batch))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, [items, items[::-1], items, items[::-1]])) == [0, 0, 0, 500]


def test_a_crash_between_embedding_and_commit_leaves_nothing(memory: Memory, dsn: str) -> None:
    memory.remember("before")
    code = """if True:
        import os, sys
        from memgpt import Memory
        memory = Memory("ann", dsn=sys.argv[1])
        with memory.transaction():
            memory.remember_many({"text": f"text {n}"} for n in range(600))
            memory.messages.append("user", "hello")
            assert memory.search("text 7", kinds=["archival"])
            os._exit(9)
    """
    assert subprocess.run([sys.executable, "-c", code, dsn], check=False).returncode == 9
    assert [m.text for m in memory.archival.list()] == ["before"]
    assert memory.messages.count() == 0
    assert len(memory.history()) == 1
    assert not memory.remember("text 7").duplicate


def test_an_embedder_that_fails_leaves_nothing(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(scope_of(memory)._models._embedder, "embed", fail)
    with pytest.raises(RuntimeError):
        memory.remember_many([{"text": "one"}, {"text": "two"}])
    assert memory.archival.list() == []
    assert memory.history() == []


def test_a_transaction_composes_stores(memory: Memory) -> None:
    with pytest.raises(KeyError), memory.transaction():  # noqa: PT012
        memory.remember("one")
        memory.core["human"].append("Ann")
        memory.messages.append("user", "hello")
        assert len(memory.search("one hello")) == 2  # it sees its own writes
        raise KeyError
    assert (memory.archival.list(), list(memory.core), memory.messages.count()) == ([], [], 0)
    with memory.transaction():
        memory.remember("two")
        with memory.transaction():
            memory.core["human"].append("Ann")
    assert ([m.text for m in memory.archival.list()], list(memory.core)) == (["two"], ["human"])


def test_delete_is_undone_with_its_vector(memory: Memory) -> None:
    kept = memory.remember("The flight to Oslo leaves at 9:40.")
    memory.archival.delete(kept.id)
    with pytest.raises(NotFoundError):
        memory.archival.get(kept.id)
    with pytest.raises(NotFoundError):
        memory.archival.delete(kept.id)
    memory.undo()
    assert found(memory, "departure of an aeroplane to Norway") == [kept.id]


def test_another_agents_memories_are_not_there(memory: Memory, dsn: str) -> None:
    kept = memory.remember("secret")
    with Memory("bob", dsn=dsn) as bob:
        assert (bob.archival.list(), bob.archival.near_duplicates("secret")) == ([], [])
        for attempt in (bob.archival.get, bob.archival.delete, lambda id: bob.archival.update(id, text="x")):
            with pytest.raises(NotFoundError):
                attempt(kept.id)
        bob.archival.touch([kept.id])
        assert not bob.remember("secret").duplicate
    assert memory.archival.get(kept.id).text == "secret"


def test_a_standby_reads_and_refuses_writes_in_words(memory: Memory, direct: psycopg.Connection[Any], dsn: str) -> None:
    kept = memory.remember("The flight to Oslo leaves at 9:40.")
    name = sql.Identifier(direct.info.dbname)
    direct.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    with Memory("ann", dsn=dsn) as standby:
        assert [h.id for h in standby.search("Oslo flight")] == [kept.id]
        assert "Oslo" in standby.context("Oslo flight").text
        assert standby.archival.get(kept.id).access_count == 0
        assert standby.stats().sessions == 0
        with pytest.raises(ReadOnlyError, match="primary"):
            standby.remember("more")
