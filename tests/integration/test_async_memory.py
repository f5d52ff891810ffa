"""AsyncMemory: the whole facade for asyncio, cancellation that leaves nothing behind, transactions of one task."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest

import memgpt
from memgpt import AsyncMemory, Memory
from memgpt.blocks.blocks import CoreBlock
from memgpt.config import Settings
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.history.history import AsOf

OPTIONS = Settings(embedding_model="none", pool_size=3, statement_timeout=60)
SLEEP = "SELECT pg_sleep(60)"
PART = ("archival", "core", "documents", "files", "graph", "intents", "messages", "proposals")


@pytest.fixture
def run(dsn: str) -> Callable[[Callable[[AsyncMemory], Coroutine[Any, Any, Any]]], Any]:
    """Runs a coroutine with a memory that is closed afterwards."""

    def work(test: Callable[[AsyncMemory], Coroutine[Any, Any, Any]]) -> Any:
        async def inside() -> Any:
            async with AsyncMemory("ann", dsn=dsn, options=OPTIONS) as memory:
                return await test(memory)

        return asyncio.run(asyncio.wait_for(inside(), 60))

    return work


def signature(function: Any) -> inspect.Signature:
    return inspect.signature(inspect.unwrap(function)).replace(return_annotation=None)


def test_every_verb_and_every_part_is_there_with_its_signature(run: Any, dsn: str) -> None:
    def compare(ours: type[Any], theirs: type[Any]) -> None:
        for name, member in inspect.getmembers_static(theirs):
            if name.startswith("_") or isinstance(member, cached_property):
                continue
            other = inspect.getattr_static(ours, name, None)
            if inspect.isfunction(member):
                assert signature(other) == signature(member), name
                returns = str(inspect.signature(member).return_annotation)
                blocks = inspect.isgeneratorfunction(inspect.unwrap(member)) or "ContextManager" in returns
                assert blocks or returns.startswith("Iterator") or inspect.iscoroutinefunction(other), name
            else:
                assert other is not None or name == "agent", name

    async def test(memory: AsyncMemory) -> None:
        with Memory("ann", dsn=dsn, options=OPTIONS) as plain:
            parts = {name for name in vars(plain) if not name.startswith("_")}
            parts |= {name for name, member in inspect.getmembers_static(Memory) if isinstance(member, cached_property)}
            assert parts >= {*PART}
            compare(AsyncMemory, Memory)
            for name in parts:
                compare(type(getattr(memory, name)), type(getattr(plain, name)))
            compare(type(memory.core["x"]), CoreBlock)
            compare(type(await memory.as_of("2026-01-01T00:00Z")), AsOf)

    run(test)
    assert {*inspect.signature(AsyncMemory).parameters} - {*inspect.signature(Memory).parameters} == {"threads"}


def test_the_facade_does_what_the_other_does(run: Any, tmp_path: Path) -> None:
    async def test(memory: AsyncMemory) -> None:
        assert memory.agent == "ann"
        kept = await memory.remember("The boat is red", tags=["boat"])
        await memory.messages.append("user", "Where is the boat?", session="s")
        await memory.core["human"].append("Name: Ann")
        assert await memory.core["human"].value == "Name: Ann"
        assert [label async for label in memory.core] == ["human"]
        await memory.files.create("a.md", "Red boats.")
        assert {hit.kind for hit in await memory.search("boat")} == {"archival", "message", "file"}
        assert "Name: Ann" in (await memory.context()).text
        assert (await memory.archival.get(kept.id)).text == "The boat is red"
        assert await memory.time_zone == "UTC"
        await memory.graph.add_fact("Ann", "owns", "boat")
        assert [fact.type for fact in await memory.graph.facts()] == ["owns"]
        past = await memory.as_of((await memory.history(limit=1))[0].changed_at)
        assert (await past.block("human")).value == "Name: Ann"
        (tmp_path / "plan.md").write_text("# Plan\n\nTo Oslo.")
        ingested = [each async for each in memory.ingest_uploads({tmp_path / "plan.md": "plan.md"})]
        assert [each.outcome for each in ingested] == ["new"]
        assert {change.kind for change in await memory.undo()} == {"chunk", "document"}
        with pytest.raises(NotFoundError):
            await memory.archival.get(999)

    run(test)


def test_a_transaction_is_its_task_s_and_all_or_nothing(run: Any) -> None:
    async def test(memory: AsyncMemory) -> None:
        seen: list[int] = []

        async def other() -> None:
            seen.append(len(await memory.archival.list()))
            await memory.remember("from another task")

        await memory.remember("zero")  # the agent's row, for which the other task would wait
        async with memory.transaction() as transaction:
            await memory.remember("one")
            with contextlib.suppress(InputError):
                async with memory.transaction():
                    await memory.remember("two")
                    raise InputError("taken back")
            await asyncio.create_task(other())
            await memory.remember("three")
            row = await transaction.run(lambda connection: connection.execute("SELECT count(*) FROM archival_memories"))
            assert row.fetchone() == (4,)
            await asyncio.to_thread(lambda: None)
        assert seen == [1], "another task is not in it, also where it was started inside"
        texts = {memory.text for memory in await memory.archival.list()}
        assert texts == {"zero", "one", "three", "from another task"}
        with contextlib.suppress(InputError):
            async with memory.transaction():
                await memory.remember("four")
                raise InputError("taken back")
        assert len(await memory.archival.list()) == 4
        async with memory.graph.transaction():
            await memory.remember("five")
        assert len(await memory.archival.list()) == 5

    run(test)


async def until_waiting(dsn: str, statement: str = "%pg_sleep%") -> None:
    """Return when a statement runs in the database."""
    query = "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while not await (await connection.execute(query, [statement])).fetchone():
            await asyncio.sleep(0.01)


async def running(dsn: str) -> int:
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (await connection.execute(query)).fetchone()
        assert row is not None
        return int(row[0])


def test_a_cancelled_call_ends_its_statement_and_leaves_nothing(run: Any, dsn: str) -> None:
    async def test(memory: AsyncMemory) -> None:
        async def change() -> None:
            async with memory.transaction() as transaction:
                await memory.remember("half of it")
                await transaction.run(lambda connection: connection.execute(SLEEP))

        task = asyncio.create_task(change())
        await until_waiting(dsn)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await running(dsn) == 0
        assert await memory.archival.list() == []
        assert (await memory.remember("works again")).duplicate is False

    run(test)


def test_a_cancelled_lock_wait_of_one_call_is_ended(run: Any, dsn: str) -> None:
    async def test(memory: AsyncMemory) -> None:
        await memory.core["human"].append("Name: Ann")
        async with await psycopg.AsyncConnection.connect(dsn) as blocker:
            await blocker.execute("SELECT * FROM core_memories FOR UPDATE")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await memory.core["human"].append("City: Oslo")
            await blocker.rollback()
        assert await memory.core["human"].value == "Name: Ann"

    run(test)


def test_calls_beyond_the_threads_wait_and_are_cancelled_there(run: Any, dsn: str) -> None:
    async def test(memory: AsyncMemory) -> None:
        async def sleep() -> None:
            async with memory.transaction() as transaction:
                await transaction.run(lambda connection: connection.execute(SLEEP))

        sleepers = [asyncio.create_task(sleep()) for _ in range(3)]
        while await running(dsn) < 3:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(memory.remember("never"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.gather(*sleepers, return_exceptions=True)
        assert await memory.archival.list() == []

    run(test)


def test_context_variables_and_the_loop_go_on(run: Any) -> None:
    variable: ContextVar[str] = ContextVar("variable")

    async def test(memory: AsyncMemory) -> None:
        variable.set("carried")
        async with memory.transaction() as transaction:
            assert await transaction.run(lambda _: variable.get()) == "carried"
        await asyncio.gather(*(memory.remember(f"text {n}") for n in range(20)))
        assert (await memory.stats()).kinds[1].rows == 20
        async with memory.transaction():
            await memory.files.create("a.md", "x")
            with pytest.raises(ConflictError):
                await memory.files.create("a.md", "y")
            await memory.files.create("b.md", "x")
        assert len(await memory.files.list()) == 2

    run(test)


def test_it_is_at_the_front_door() -> None:
    assert memgpt.AsyncMemory is AsyncMemory
    with pytest.raises(InputError, match="threads"):
        AsyncMemory("ann", options=OPTIONS, threads=0)
