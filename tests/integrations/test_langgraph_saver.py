"""LangGraph's checkpointer in a memory: its conformance suite, and what belongs to the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from memgpt import Agents, Memory
from memgpt.errors import InputError
from memgpt.integrations.langgraph import MemgptSaver
from memgpt.memory import scope_of

CAPABILITIES = {
    "put", "put_writes", "get_tuple", "list", "delete_thread", "delete_for_runs", "copy_thread", "prune",
}  # fmt: skip


def named(thread: str, checkpoint: str | None = None) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread,
            "checkpoint_ns": "",
            **({"checkpoint_id": checkpoint} if checkpoint else {}),
        }
    }


def put(
    saver: MemgptSaver, thread: str, values: dict[str, Any], parent: RunnableConfig | None = None, **metadata: Any
) -> RunnableConfig:
    checkpoint = empty_checkpoint()
    versions: dict[str, Any] = {channel: saver.get_next_version(None, None) for channel in values}
    checkpoint["channel_values"], checkpoint["channel_versions"] = values, versions
    about: Any = {"source": "loop", "step": 1, **metadata}
    return saver.put(parent or named(thread), checkpoint, about, versions)


def rows(dsn: str, agent: str) -> list[int]:
    with psycopg.connect(dsn) as owner:
        return [
            owner.execute(f"SELECT count(*) FROM {table} WHERE agent_id = %s", [agent]).fetchone()[0]  # type: ignore[index]
            for table in ("thread_checkpoints", "thread_values", "thread_writes")
        ]


def test_the_conformance_suite_passes_in_every_capability(open_memory: Callable[..., Memory]) -> None:
    @checkpointer_test(name="MemgptSaver")
    async def saver() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield MemgptSaver(open_memory(uuid4().hex))

    report = asyncio.run(validate(saver))
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert failures == {}
    assert {name for name, result in report.results.items() if result.passed} == {*report.results} >= CAPABILITIES


def test_a_step_commits_with_what_it_remembered(memory: Memory) -> None:
    saver = MemgptSaver(memory)

    def fail() -> None:
        with memory.transaction():
            put(saver, "t", {"x": 1})
            memory.remember("Ann likes tea")
            assert saver.get_tuple(named("t")) is not None
            raise KeyError("nothing of it stays")

    with pytest.raises(KeyError):
        fail()
    assert saver.get_tuple(named("t")) is None
    assert memory.search("tea") == []


def test_threads_are_the_agents_and_go_with_it(open_memory: Callable[..., Memory], module_dsn: str) -> None:
    memory, other = open_memory(), open_memory("other")
    for each in (memory, other):
        saver = MemgptSaver(each)
        saver.put_writes(put(saver, "t", {"x": each.agent}), [("x", 2)], "task")
    assert rows(module_dsn, memory.agent) == [1, 1, 1]
    with Agents(module_dsn) as agents:
        agents.fork(memory.agent, f"{memory.agent}-fork")
        with Memory(f"{memory.agent}-fork", dsn=module_dsn) as fork:
            copied = MemgptSaver(fork).get_tuple(named("t"))
            assert copied is not None
            assert copied.checkpoint["channel_values"] == {"x": memory.agent}
            counts = fork.forget_agent()
    assert [counts[table] for table in ("thread_checkpoints", "thread_values", "thread_writes")] == [1, 1, 1]
    assert rows(module_dsn, f"{memory.agent}-fork") == [0, 0, 0]
    assert rows(module_dsn, other.agent) == [1, 1, 1]


@pytest.mark.parametrize("table", ["thread_checkpoints", "thread_values", "thread_writes"])
def test_a_request_sees_no_thread_of_another_agent(open_memory: Callable[..., Memory], table: str) -> None:
    theirs, ours = MemgptSaver(open_memory("other")), MemgptSaver(open_memory(isolated=True))
    for saver in (theirs, ours):
        saver.put_writes(put(saver, "t", {"x": 1}), [("x", 2)], "task")
    with scope_of(ours.memory).transaction() as connection:
        rows = connection.execute(f"SELECT agent_id FROM {table}".encode()).fetchall()
        assert rows == [(ours.memory.agent,)]
    assert len([*ours.list(None)]) == 1


def test_a_checkpoint_put_again_replaces_itself_and_filters_read_what_is_json(memory: Memory) -> None:
    saver = MemgptSaver(memory)
    config = put(saver, "t", {"x": {1, 2}}, score=10, odd={1}, text="a\0b")
    [found] = saver.list(named("t"), filter={"score": 10})
    assert found.checkpoint["channel_values"] == {"x": {1, 2}}
    assert found.metadata["text"] == "ab"  # type: ignore[typeddict-item]
    assert [*saver.list(None, filter={"score": 9})] == []
    saver.put(named("t"), found.checkpoint, {"source": "update"}, {})
    [again] = saver.list(named("t"))
    assert (again.metadata["source"], again.config) == ("update", config)


def test_lists_go_on_over_pages(memory: Memory) -> None:
    saver = MemgptSaver(memory)
    with memory.transaction():
        for n in range(105):
            put(saver, f"t{n % 2}", {"n": n})
    assert len([*saver.list(None)]) == 105
    assert [found.checkpoint["channel_values"]["n"] for found in saver.list(named("t1"), limit=2)] == [103, 101]

    async def collected() -> int:
        return len([found async for found in saver.alist(None, limit=101)])

    assert asyncio.run(collected()) == 101


def test_pruning_keeps_what_differences_are_made_of(memory: Memory, module_dsn: str) -> None:
    saver, config = MemgptSaver(memory), None
    for step in range(6):
        values = {"ch": _DeltaSnapshot([step]), "plain": step} if step in (0, 2) else {"plain": step}
        config = put(saver, "t", values, config, counters_since_delta_snapshot={"ch": [1, 1]})
        saver.put_writes(config, [("ch", f"written after {step}")], "task")
    assert config is not None
    before = saver.get_delta_channel_history(config=config, channels=["ch"])
    assert [write[2] for write in before["ch"]["writes"]] == [f"written after {step}" for step in (2, 3, 4)]
    saver.prune(["t"])
    assert saver.get_delta_channel_history(config=config, channels=["ch"]) == before
    assert rows(module_dsn, memory.agent) == [4, 5, 4]  # from the snapshot of step 2 on
    saver.prune(["t"], strategy="delete")
    assert rows(module_dsn, memory.agent) == [0, 0, 0]


def test_values_go_with_the_last_step_that_has_them(memory: Memory, module_dsn: str) -> None:
    saver = MemgptSaver(memory)
    first = put(saver, "t", {"x": 1}, run_id="one")
    put(saver, "t", {"x": 2}, first, run_id="two")
    saver.delete_for_runs(["one"])
    assert rows(module_dsn, memory.agent) == [1, 1, 0]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"configurable": {}}, "a checkpoint belongs to a thread"),
        (named("x" * 401), "thread_id has 401 bytes"),
        (named("a\0b"), "thread_id has a NUL character"),
    ],
)
def test_what_is_no_thread_is_refused(memory: Memory, config: RunnableConfig, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        MemgptSaver(memory).put(config, empty_checkpoint(), {}, {})
    with pytest.raises(InputError, match="strategy must be one of"):
        MemgptSaver(memory).prune(["t"], strategy="some")


def test_the_longest_names_fit_into_the_index(module_dsn: str) -> None:
    with Memory("ä" * 255, dsn=module_dsn) as memory:
        saver = MemgptSaver(memory)
        long = {"configurable": {"thread_id": "t" * 400, "checkpoint_ns": "n" * 400}}
        checkpoint = empty_checkpoint()
        checkpoint["id"] = "i" * 400
        checkpoint["channel_values"] = {"c" * 400: 1}
        checkpoint["channel_versions"] = {"c" * 400: "1"}
        saver.put_writes(saver.put(long, checkpoint, {}, {"c" * 400: "1"}), [("c", 1)], "k" * 400)  # type: ignore[arg-type]
        assert saver.get_tuple(long) is not None  # type: ignore[arg-type]


def test_a_connection_string_opens_a_checkpointer_that_sets_itself_up(empty_dsn: str) -> None:
    with MemgptSaver.from_conn_string(empty_dsn, agent="ann") as saver:
        saver.setup()
        put(saver, "t", {"x": 1})
        assert saver.memory.agent == "ann"
        assert saver.get_tuple(named("t")) is not None
