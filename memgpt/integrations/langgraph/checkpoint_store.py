"""Steps of threads: the rows of ``thread_checkpoints``, ``thread_values`` and ``thread_writes``."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.models import Json

SQL = queries.beside(__name__)


class Serialized(NamedTuple):
    """A value as LangGraph's serializer writes it."""

    type: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """The key of a checkpoint."""

    thread_id: str
    namespace: str
    checkpoint_id: str


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint without the values of its channels."""

    thread_id: str
    namespace: str
    checkpoint_id: str
    parent_id: str | None
    checkpoint_type: str
    checkpoint: bytes
    metadata_type: str
    metadata: bytes

    @property
    def step(self) -> Step:
        return Step(self.thread_id, self.namespace, self.checkpoint_id)


@dataclass(frozen=True, slots=True)
class CheckpointFilter:
    """Checkpoints that are wanted; what is None is any."""

    thread_id: str | None = None
    namespace: str | None = None
    checkpoint_id: str | None = None
    before: str | None = None
    labels: Json | None = None


class StoredWrite(NamedTuple):
    """What a task wrote to a channel."""

    task_id: str
    channel: str
    value: Serialized


class CheckpointStore:
    """The threads of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def put(
        self,
        stored: StoredCheckpoint,
        *,
        run_id: str | None,
        channel_versions: Mapping[str, str],
        labels: Json,
        values: Mapping[tuple[str, str], Serialized],
    ) -> None:
        """Write a step, and what channels hold at versions that are new with it."""
        if values:
            parameters = {
                "channel": [channel for channel, _ in values],
                "version": [version for _, version in values],
                "type": [value.type for value in values.values()],
                "value": [value.value for value in values.values()],
            }
            self._run(SQL.put_values, thread_id=stored.thread_id, namespace=stored.namespace, **parameters)
        self._run(
            SQL.put, **asdict(stored), run_id=run_id, channel_versions=Jsonb(channel_versions), labels=Jsonb(labels)
        )

    def put_writes(
        self, step: Step, task_id: str, task_path: str, writes: Mapping[int, tuple[str, Serialized]]
    ) -> None:
        """Write what a task wrote after a step, by number."""
        self._run(
            SQL.put_writes,
            **asdict(step),
            task_id=task_id,
            task_path=task_path,
            number=[*writes],
            channel=[channel for channel, _ in writes.values()],
            type=[value.type for _, value in writes.values()],
            value=[value.value for _, value in writes.values()],
        )

    def list(
        self, wanted: CheckpointFilter, *, after: Step | None = None, limit: int
    ) -> builtins.list[StoredCheckpoint]:
        """Return steps, the latest first, from the one after another on."""
        parameters = self._parameters(
            **{**asdict(wanted), "labels": None if wanted.labels is None else Jsonb(wanted.labels)},
            after_id=after and after.checkpoint_id,
            after_thread=after and after.thread_id,
            after_namespace=after and after.namespace,
            limit=limit,
        )
        with self._connection.cursor(row_factory=class_row(StoredCheckpoint), binary=True) as cursor:
            return cursor.execute(SQL.list, parameters).fetchall()

    def values(self, steps: Sequence[Step]) -> Sequence[Mapping[str, Serialized]]:
        """Return what the channels of each step held."""
        values: builtins.list[dict[str, Serialized]] = [{} for _ in steps]
        for place, channel, of_type, value in self._rows(SQL.values, **_columns(steps)):
            values[place][channel] = Serialized(of_type, value)
        return values

    def writes(self, steps: Sequence[Step], channels: Sequence[str] | None = None) -> Sequence[Sequence[StoredWrite]]:
        """Return what tasks wrote after each step, in the order in which a run applies it."""
        writes: builtins.list[builtins.list[StoredWrite]] = [[] for _ in steps]
        wanted = None if channels is None else [*channels]
        for place, task_id, channel, of_type, value in self._rows(SQL.writes, **_columns(steps), channels=wanted):
            writes[place].append(StoredWrite(task_id, channel, Serialized(of_type, value)))
        return writes

    def ancestors(self, step: Step) -> Sequence[Step]:
        """Return the steps before one, the nearest first."""
        return [Step(step.thread_id, step.namespace, id) for (id,) in self._rows(SQL.ancestors, **asdict(step))]

    def nearest_values(self, steps: Sequence[Step], channels: Sequence[str]) -> Mapping[str, tuple[int, Serialized]]:
        """Return of each channel the value at the first of some steps of one thread that has one, with its place."""
        if not steps:
            return {}
        rows = self._rows(
            SQL.nearest_values,
            thread_id=steps[0].thread_id,
            namespace=steps[0].namespace,
            checkpoints=[step.checkpoint_id for step in steps],
            channels=[*channels],
        )
        return {channel: (place, Serialized(of_type, value)) for channel, place, of_type, value in rows}

    def latest(self, thread_id: str) -> Sequence[Step]:
        """Return the last step of each namespace of a thread."""
        return [Step(thread_id, namespace, id) for namespace, id in self._rows(SQL.latest, thread_id=thread_id)]

    def copy(self, source: str, target: str) -> None:
        """Copy a thread to another one."""
        self._run(SQL.copy, source=source, target=target)

    def delete_threads(self, threads: Sequence[str]) -> None:
        """Remove threads."""
        self._run(SQL.delete_threads, threads=[*threads])

    def delete_runs(self, runs: Sequence[str]) -> None:
        """Remove the steps of runs, and the values that no step has any more."""
        threads = [thread for (thread,) in self._rows(SQL.delete_runs, runs=[*runs])]
        self._run(SQL.delete_unused_values, threads=threads)

    def keep(self, thread_id: str, steps: Sequence[Step]) -> None:
        """Remove the other steps of a thread, and the values that no step has any more."""
        namespaces, ids = [step.namespace for step in steps], [step.checkpoint_id for step in steps]
        self._run(SQL.delete_others, thread_id=thread_id, namespaces=namespaces, checkpoints=ids)
        self._run(SQL.delete_unused_values, threads=[thread_id])

    def _run(self, statement: bytes, **values: Any) -> None:
        self._connection.execute(statement, self._parameters(**values))

    def _rows(self, statement: bytes, **values: Any) -> builtins.list[tuple[Any, ...]]:
        return self._connection.execute(statement, self._parameters(**values), binary=True).fetchall()

    def _parameters(self, **values: Any) -> dict[str, Any]:
        return {"agent_id": self._agent_id, **values}


def _columns(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "threads": [step.thread_id for step in steps],
        "namespaces": [step.namespace for step in steps],
        "checkpoints": [step.checkpoint_id for step in steps],
    }
