"""Whose a transaction is, and what of it a rollback takes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.memory import scope_of

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        memory.remember("seed")  # the agent is there: nobody waits for its row
        yield memory


def texts(memory: Memory) -> set[str]:
    return {kept.text for kept in memory.archival.list()} - {"seed"}


class Failure(Exception):
    """What a caller's own code raises."""


@contextmanager
def rolled_back(memory: Memory) -> Iterator[None]:
    """A transaction that fails at its end."""
    with suppress(Failure), memory.transaction():
        yield
        raise Failure


@pytest.fixture
def direct(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def test_a_rollback_in_one_coroutine_leaves_what_another_has_finished(memory: Memory) -> None:
    async def main() -> None:
        begun, finished = asyncio.Event(), asyncio.Event()

        async def failing() -> None:
            with memory.transaction():
                memory.remember("half of A")
                begun.set()
                await finished.wait()
                raise Failure

        async def other() -> None:
            await begun.wait()
            memory.remember("all of B")
            assert texts(memory) == {"all of B"}
            finished.set()

        results = await asyncio.gather(failing(), other(), return_exceptions=True)
        assert isinstance(results[0], Failure)

    asyncio.run(main())
    assert texts(memory) == {"all of B"}


def test_transactions_of_coroutines_may_overlap(memory: Memory) -> None:
    async def main() -> None:
        turns = [asyncio.Event() for _ in range(3)]

        async def first() -> None:
            with memory.transaction():
                memory.remember("C1")
                turns[0].set()
                await turns[1].wait()
                memory.remember("C2")
            turns[2].set()

        async def second() -> None:
            await turns[0].wait()
            with memory.transaction():
                memory.remember("D1")
                turns[1].set()
                await turns[2].wait()
                assert texts(memory) == {"C1", "C2", "D1"}
                memory.remember("D2")

        await asyncio.gather(first(), second())

    asyncio.run(main())
    assert texts(memory) == {"C1", "C2", "D1", "D2"}


def test_a_task_started_inside_a_transaction_is_not_part_of_it(memory: Memory) -> None:
    async def main() -> None:
        async def other() -> None:
            memory.remember("finished by a task")

        with rolled_back(memory):
            memory.remember("rolled back")
            await asyncio.create_task(other())

    asyncio.run(main())
    assert texts(memory) == {"finished by a task"}


def test_a_thread_that_a_task_waits_in_is_part_of_its_transaction(memory: Memory) -> None:
    async def main() -> None:
        with memory.transaction():
            await asyncio.to_thread(memory.remember, "kept")
            assert await asyncio.to_thread(texts, memory) == {"kept"}
        with rolled_back(memory):
            await asyncio.gather(*(asyncio.to_thread(memory.remember, f"lost {n}") for n in range(8)))

    asyncio.run(main())
    assert texts(memory) == {"kept"}


def test_calls_of_threads_in_one_transaction_do_not_mix(memory: Memory) -> None:
    """The failed ones leave nothing, the others everything."""

    async def main() -> None:
        with memory.transaction():
            works = [
                asyncio.to_thread(memory.remember_many, [{"text": f"{n} {part}"} for part in range(3)])
                for n in range(6)
            ]
            bad = [asyncio.to_thread(memory.archival.update, 10**9, text="nobody") for _ in range(6)]
            results = await asyncio.gather(*works, *bad, return_exceptions=True)
            assert [type(r) for r in results[6:]] == [NotFoundError] * 6

    asyncio.run(main())
    assert texts(memory) == {f"{n} {part}" for n in range(6) for part in range(3)}


def test_what_outlives_a_transaction_does_not_use_it(memory: Memory) -> None:
    async def main() -> None:
        go = threading.Event()

        def later() -> None:
            go.wait(10)
            memory.remember("after the end")

        with rolled_back(memory):
            thread = asyncio.create_task(asyncio.to_thread(later))
            await asyncio.sleep(0)
            memory.remember("rolled back")
        go.set()
        await thread

    asyncio.run(main())
    assert texts(memory) == {"after the end"}


def test_a_pool_of_threads_is_not_part_of_it(memory: Memory) -> None:
    with ThreadPoolExecutor(4) as pool, rolled_back(memory):
        memory.remember("rolled back")
        list(pool.map(memory.remember, [f"from the pool {n}" for n in range(8)]))
    assert texts(memory) == {f"from the pool {n}" for n in range(8)}


def test_an_inner_transaction_is_a_savepoint(memory: Memory) -> None:
    with memory.transaction():
        memory.remember("before")
        with rolled_back(memory):
            memory.remember("inner")
            with memory.transaction():
                memory.remember("innermost")
        assert texts(memory) == {"before"}
        with memory.transaction():
            memory.remember("after")
    assert texts(memory) == {"before", "after"}
    assert len(memory.history()) == 3


def test_a_call_that_fails_leaves_the_transaction_as_it_was(memory: Memory, direct: psycopg.Connection[Any]) -> None:
    direct.execute("ALTER TABLE archival_memories ADD CONSTRAINT no_bomb CHECK (text <> 'bomb')")
    with memory.transaction():
        first = memory.remember("first")
        with pytest.raises(InputError, match="no_bomb"):
            memory.remember_many([{"text": f"text {n}"} for n in range(700)] + [{"text": "bomb"}])
        second = memory.remember("second")
        with pytest.raises(ConflictError):
            memory.archival.update(second.id, text="first")
        with pytest.raises(NotFoundError):
            memory.forget(10**9)
        memory.archival.update(first.id, text="changed")
    assert texts(memory) == {"changed", "second"}


def test_a_read_that_fails_leaves_the_transaction_as_it_was(memory: Memory) -> None:
    with memory.transaction():
        memory.remember("before")
        with pytest.raises(InputError, match="division by zero"):
            scope_of(memory).read(lambda connection: connection.execute("SELECT 1 / 0"))
        memory.remember("after")
    assert texts(memory) == {"before", "after"}


def test_searches_follow_a_rollback(memory: Memory) -> None:
    """How many rows there are decides how they are searched; rows rolled back are none."""
    with memory.transaction():
        with rolled_back(memory):
            memory.graph.add_fact("Ann", "lives_in", "Zurich")
            assert [hit.kind for hit in memory.search("Zurich")] == ["fact"]
        assert memory.search("Zurich") == []
        memory.remember("Zurich is a city")
        assert [hit.kind for hit in memory.search("Zurich")] == ["archival"]


def test_the_first_write_of_an_agent_can_be_rolled_back(dsn: str) -> None:
    with Memory("new", dsn=dsn, options=WITHOUT_MODEL) as memory:
        with rolled_back(memory):
            memory.remember("gone with its agent")
        memory.remember("first of a new agent")
        assert texts(memory) == {"first of a new agent"}
        memory.forget_agent()
        memory.remember("again")
        assert texts(memory) == {"again"}


def test_memories_that_share_a_database_have_transactions_of_their_own(memory: Memory) -> None:
    other = Memory("bob", database=scope_of(memory).database, options=WITHOUT_MODEL)
    twin = Memory("ann", database=scope_of(memory).database, options=WITHOUT_MODEL)
    other.remember("seed")
    with rolled_back(memory):
        memory.remember("rolled back")
        other.remember("of bob")
        twin.remember("of a twin")
        with other.transaction():
            other.remember("of bob, in his transaction")
    assert texts(memory) == {"of a twin"}
    assert texts(other) == {"of bob", "of bob, in his transaction"}


def test_a_transaction_may_be_left_in_another_context(memory: Memory) -> None:
    """Fixtures and dependencies are generators, which frameworks enter and leave where they like."""

    def dependency() -> Iterator[None]:
        with memory.transaction():
            memory.remember("kept")
            yield

    async def main() -> None:
        opened = dependency()

        async def step() -> None:
            next(opened, None)

        await asyncio.create_task(step())
        await asyncio.create_task(step())
        memory.remember("afterwards")

    asyncio.run(main())
    assert texts(memory) == {"kept", "afterwards"}
