"""Type checkers know AsyncMemory: `make types` reads the coroutine below, the test holds the stub to the facade."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import assert_type

from memgpt import AsyncMemory, Block, Change, Context, Fact, File, Hit, Ingested, OpenTransaction, Remembered, Stats
from memgpt.scope.batches import Batch
from tests import async_stub


async def typed(memory: AsyncMemory) -> None:
    """Say what each kind of member gives; nobody calls it."""
    assert_type(await memory.search("boats", kinds=["message"], limit=3), list[Hit])
    assert_type(await memory.remember("The boat is red", tags=["boat"]), Remembered)
    assert_type(await memory.remember_many([{"text": "a"}]), Batch[Remembered])
    assert_type(await memory.context("boats", budget_tokens=500), Context)
    assert_type(await memory.stats(), Stats)
    assert_type(await memory.time_zone, str)
    assert_type(memory.ingest_uploads({Path("a.md"): "a.md"}), AsyncIterator[Ingested])
    assert_type(await memory.core.list(), Sequence[Block])
    assert_type(await memory.core["human"].value, str)
    assert_type(aiter(memory.core), AsyncIterator[str])
    assert_type(await memory.files.read("/memories/a.md"), File)
    assert_type(await memory.graph.add_fact("Ann", "owns", "boat"), Fact)
    assert_type(await memory.undo(), Sequence[Change])
    assert_type(await (await memory.as_of("2026-01-01T00:00Z")).block("human"), Block)
    block: AbstractAsyncContextManager[OpenTransaction] = memory.transaction()
    async with block as transaction:
        assert_type(transaction, OpenTransaction)
    # What is not there, or takes something else, is an error: strict checkers complain of a remark that hides none.
    await memory.serch("boats")  # type: ignore[attr-defined]
    await memory.search("boats", limit="three")  # type: ignore[arg-type]
    await memory.core["human"].append(3)  # type: ignore[arg-type]
    await memory.graph.add_fact("Ann", "owns")  # type: ignore[call-arg]


def test_the_stub_is_that_of_the_facade() -> None:
    assert async_stub.STUB.read_text(encoding="utf-8") == async_stub.text(), "run `make stub`"
