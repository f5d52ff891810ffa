"""LangGraph's ``BaseCheckpointSaver``: the state of graphs between their steps, as part of a memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from memgpt import validation
from memgpt.errors import InputError
from memgpt.integrations.langgraph.checkpoint_store import (
    CheckpointFilter,
    CheckpointStore,
    Serialized,
    Step,
    StoredCheckpoint,
)
from memgpt.integrations.langgraph.lazy_memory import LazyMemory
from memgpt.memory import Memory, scope_of

T = TypeVar("T")

PAGE: Final = 100
"""Checkpoints that are read at once."""

MOST_BYTES: Final = 400
"""Of each name in the key of a step, in UTF-8: five of them and an agent's id fit into an index."""

STRATEGIES: Final = ("keep_latest", "delete")

COUNTERS: Final = "counters_since_delta_snapshot"
"""Metadata that names the channels whose values are made of what was written since a snapshot."""


class MemgptSaver(BaseCheckpointSaver[str]):
    """A checkpointer in a memory: threads belong to its agent, are isolated like it, and are forgotten with it.

    Inside ``with memory.transaction():`` a step commits together with what it remembered. The asynchronous methods work
    in threads.

    Args:
        memory: whose threads these are.
        serde: another serializer of values, such as LangGraph's encrypting one.
    """

    def __init__(self, memory: Memory | LazyMemory, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        self.lazy = memory if isinstance(memory, LazyMemory) else LazyMemory(memory)

    @classmethod
    @contextmanager
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        agent: str | None = None,
        pool_config: Mapping[str, Any] | None = None,
        serde: SerializerProtocol | None = None,
    ) -> Iterator[Self]:
        """Open a checkpointer of an agent; it is closed at the end of the block."""
        saver = cls(LazyMemory.of(conn_string, agent, pool_config), serde=serde)
        try:
            yield saver
        finally:
            saver.lazy.close()

    @property
    def memory(self) -> Memory:
        """The memory with the threads."""
        return self.lazy.get()

    def setup(self) -> None:
        """Migrate the database, once, before its first use."""
        self.lazy.setup()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that is named, or the latest of the thread."""
        wanted = CheckpointFilter(*_thread(config), get_checkpoint_id(config))
        return next(iter(self._page(wanted, None, 1)), None)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield checkpoints, the latest first; of all threads without a configuration."""
        wanted, last, left = _wanted(config, filter, before), None, limit
        while left is None or left > 0:
            page = self._page(wanted, last, PAGE if left is None else min(left, PAGE))
            yield from page
            if len(page) < PAGE:
                return
            last, left = _step(page[-1].config), None if left is None else left - len(page)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, and the values that its channels have anew."""
        thread_id, namespace = _thread(config)
        without = {name: part for name, part in checkpoint.items() if name != "channel_values"}
        values = checkpoint["channel_values"]
        about = get_checkpoint_metadata(config, metadata)
        stored = StoredCheckpoint(
            _name(thread_id, "thread_id"),
            _name(namespace, "checkpoint_ns", empty=True),
            _name(checkpoint["id"], "the id of a checkpoint"),
            get_checkpoint_id(config),
            *self.serde.dumps_typed(without),
            *self.serde.dumps_typed(about),
        )
        changed = {
            (_name(channel, "channel"), str(version)): Serialized(*self.serde.dumps_typed(values[channel]))
            for channel, version in new_versions.items()
            if channel in values
        }
        versions = {channel: str(version) for channel, version in checkpoint["channel_versions"].items()}
        run_id = about.get("run_id")
        self._write(
            lambda store: store.put(
                stored,
                run_id=None if run_id is None else _name(str(run_id), "run_id"),
                channel_versions=versions,
                labels=_labels(about),
                values=changed,
            )
        )
        return _config(stored.step)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote after a checkpoint."""
        step = _step(config)
        numbered = {
            WRITES_IDX_MAP.get(channel, number): (channel, Serialized(*self.serde.dumps_typed(value)))
            for number, (channel, value) in enumerate(writes)
        }
        if numbered:
            self._write(lambda store: store.put_writes(step, _name(task_id, "task_id"), task_path, numbered))

    def delete_thread(self, thread_id: str) -> None:
        """Remove a thread, for good."""
        self._write(lambda store: store.delete_threads([str(thread_id)]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of some runs, for good."""
        if run_ids:
            self._write(lambda store: store.delete_runs([str(run_id) for run_id in run_ids]))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a whole thread under another name."""
        target = _name(target_thread_id, "target_thread_id")
        self._write(lambda store: store.copy(str(source_thread_id), target))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove the checkpoints of threads: all but the last of each namespace ("keep_latest"), or all ("delete").

        What the last one is made of stays, too: of channels that keep differences the steps back to their snapshot.
        """
        validation.choice(strategy, STRATEGIES, "strategy")

        def work(store: CheckpointStore) -> None:
            if strategy == "delete":
                store.delete_threads([*thread_ids])
                return
            for thread_id in thread_ids:
                kept = [step for latest in store.latest(thread_id) for step in self._needed(store, latest)]
                store.keep(thread_id, kept)

        if thread_ids:
            self._write(work)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what was written to channels since the last value that is stored of each."""
        if not channels:
            return {}

        def work(store: CheckpointStore) -> Mapping[str, DeltaChannelHistory]:
            [*found] = store.list(CheckpointFilter(*_thread(config), get_checkpoint_id(config)), limit=1)
            steps = store.ancestors(found[0].step) if found else []
            seeds = store.nearest_values(steps, channels)
            depths = {channel: seeds[channel][0] + 1 if channel in seeds else len(steps) for channel in channels}
            written = store.writes(steps[: max(depths.values())], channels)
            return {
                channel: self._history(channel, written[: depths[channel]], seeds.get(channel)) for channel in channels
            }

        return self._read(work)

    def get_next_version(self, current: str | int | None, channel: None) -> str:  # type: ignore[override]  # noqa: ARG002
        """Return a version above another; two that follow the same one differ, so that branches share no value."""
        number = 0 if current is None else current if isinstance(current, int) else int(current.split(".")[0])
        return f"{number + 1:032}.{random.random():016}"  # noqa: S311 - no secret

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self.lazy.in_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        checkpoints = self.list(config, filter=filter, before=before, limit=limit)
        while (checkpoint := await self.lazy.in_thread(next, checkpoints, None)) is not None:
            yield checkpoint

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self.lazy.in_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self.lazy.in_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await self.lazy.in_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self.lazy.in_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.lazy.in_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self.lazy.in_thread(lambda: self.prune(thread_ids, strategy=strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await self.lazy.in_thread(lambda: self.get_delta_channel_history(config=config, channels=channels))

    def _page(self, wanted: CheckpointFilter, after: Step | None, limit: int) -> Sequence[CheckpointTuple]:
        def work(store: CheckpointStore) -> Sequence[CheckpointTuple]:
            page = store.list(wanted, after=after, limit=limit)
            steps = [stored.step for stored in page]
            return [
                self._loaded(stored, values, [(w.task_id, w.channel, self._load(w.value)) for w in writes])
                for stored, values, writes in zip(page, store.values(steps), store.writes(steps), strict=True)
            ]

        return self._read(work)

    def _loaded(
        self, stored: StoredCheckpoint, values: Mapping[str, Serialized], writes: Sequence[PendingWrite]
    ) -> CheckpointTuple:
        checkpoint = self.serde.loads_typed((stored.checkpoint_type, stored.checkpoint))
        checkpoint["channel_values"] = {channel: self._load(value) for channel, value in values.items()}
        parent = stored.parent_id and _config(Step(stored.thread_id, stored.namespace, stored.parent_id))
        metadata = self.serde.loads_typed((stored.metadata_type, stored.metadata))
        return CheckpointTuple(_config(stored.step), checkpoint, metadata, parent or None, [*writes])

    def _needed(self, store: CheckpointStore, latest: Step) -> Sequence[Step]:
        """Return a step and those that the values of its channels are made of."""
        [stored] = store.list(CheckpointFilter(latest.thread_id, latest.namespace, latest.checkpoint_id), limit=1)
        metadata = self.serde.loads_typed((stored.metadata_type, stored.metadata))
        [there] = store.values([latest])
        channels = [channel for channel in metadata.get(COUNTERS) or () if channel not in there]
        if not channels:
            return [latest]
        steps = store.ancestors(latest)
        seeds = store.nearest_values(steps, channels)
        depth = max(seeds[channel][0] + 1 if channel in seeds else len(steps) for channel in channels)
        return [latest, *steps[:depth]]

    def _history(
        self, channel: str, written: Sequence[Sequence[Any]], seed: tuple[int, Serialized] | None
    ) -> DeltaChannelHistory:
        writes = [w for of_step in reversed(written) for w in of_step if w.channel == channel]
        history: DeltaChannelHistory = {"writes": [(w.task_id, w.channel, self._load(w.value)) for w in writes]}
        if seed is not None:
            history["seed"] = self._load(seed[1])
        return history

    def _load(self, value: Serialized) -> Any:
        return self.serde.loads_typed((value.type, value.value))

    def _read(self, work: Callable[[CheckpointStore], T]) -> T:
        scope = scope_of(self.memory)
        model = scope.model
        return scope.read(lambda connection: work(CheckpointStore(connection, scope.agent_id)), lambda _: model)

    def _write(self, work: Callable[[CheckpointStore], None]) -> None:
        scope = scope_of(self.memory)
        with scope.change() as (connection, _):
            work(CheckpointStore(connection, scope.agent_id))


def _thread(config: RunnableConfig) -> tuple[str, str]:
    configurable = config.get("configurable", {})
    if configurable.get("thread_id") is None:
        raise InputError("a checkpoint belongs to a thread: give config={'configurable': {'thread_id': …}}")
    return str(configurable["thread_id"]), str(configurable.get("checkpoint_ns") or "")


def _step(config: RunnableConfig) -> Step:
    thread_id, namespace = _thread(config)
    return Step(
        _name(thread_id, "thread_id"),
        _name(namespace, "checkpoint_ns", empty=True),
        _name(get_checkpoint_id(config), "checkpoint_id"),
    )


def _config(step: Step) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": step.thread_id,
            "checkpoint_ns": step.namespace,
            "checkpoint_id": step.checkpoint_id,
        }
    }


def _name(value: object, what: str, *, empty: bool = False) -> str:
    """Check a name, exactly as it was given."""
    checked = validation.text(value, what, empty=empty)
    if (size := len(checked.encode())) > MOST_BYTES:
        raise InputError(f"{what} has {size:,} bytes in UTF-8; the limit is {MOST_BYTES}")
    return checked


def _wanted(
    config: RunnableConfig | None, labels: dict[str, Any] | None, before: RunnableConfig | None
) -> CheckpointFilter:
    thread_id = namespace = checkpoint_id = None
    if config is not None:
        thread_id, _ = _thread(config)
        namespace = config["configurable"].get("checkpoint_ns")
        checkpoint_id = get_checkpoint_id(config)
    return CheckpointFilter(
        thread_id,
        namespace,
        checkpoint_id,
        None if before is None else get_checkpoint_id(before),
        None if labels is None else validation.json_object(labels, "filter"),
    )


def _labels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the metadata is JSON, and can be asked for."""
    labels: dict[str, Any] = {}
    for name, value in metadata.items():
        try:
            labels |= validation.json_object({name: value}, "metadata")
        except InputError:
            continue
    return labels
