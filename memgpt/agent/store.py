"""Turns of an agent and their steps: what was asked, what was sent to the model, what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from memgpt.database import queries
from memgpt.errors import ConflictError, NotFoundError
from memgpt.models import Author, Json, Message

SQL = queries.beside(__name__)


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One answer to one user message."""

    id: int
    session: str
    message_id: int
    status: str
    reason: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewStep:
    """One request to a model, answered."""

    turn_id: int
    number: int
    session: str
    kind: str
    model: str
    system: str
    tools: Sequence[Json]
    message_ids: Sequence[int]
    longest: int
    """Tokens a message may have before it is shown cut."""
    sent_hash: str
    tokens_by_part: dict[str, int]
    answer_id: int | None = None
    calls: int = 0
    summary: str | None = None
    summary_until: datetime | None = None
    summary_until_id: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TurnStep:
    """A step as it is kept; the fields are those of :class:`NewStep`."""

    id: int
    turn_id: int
    number: int
    session: str
    kind: str
    model: str
    system: str | None
    """None after something it quoted was forgotten."""
    tools: list[Json]
    message_ids: list[int]
    longest: int
    sent_hash: str
    tokens_by_part: dict[str, int]
    answer_id: int | None
    calls: int
    calls_done: int
    """Tool calls whose effect is committed."""
    summary: str | None
    summary_until: datetime | None
    summary_until_id: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    seconds: float | None
    finish_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StepOutline:
    """A step without what it sent."""

    id: int
    turn_id: int
    number: int
    kind: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    seconds: float | None


class TurnStore:
    """The turns and steps of one agent, on a connection (and in a transaction) of the caller."""

    def __init__(self, connection: Connection[Any], author: Author) -> None:
        self._connection = connection
        self._agent_id = author.agent_id

    def begin(self, session: str, message_id: int, runner: UUID) -> TurnRow:
        """Begin a turn.

        Raises:
            ConflictError: the session is in a turn already.
        """
        try:
            turn = self._turn(SQL.begin, session=session, message_id=message_id, runner=runner)
        except psycopg.errors.UniqueViolation as error:
            raise ConflictError(
                f"session {session!r} is in a turn already: wait for it, cancel() it, "
                "or resume() it if its process ended"
            ) from error
        assert turn is not None  # noqa: S101 - the statement always gives one row
        return turn

    def latest(self, session: str) -> TurnRow | None:
        """Return the turn a session is in, or was in last."""
        return self._turn(SQL.latest, session=session)

    def turns(self, session: str, *, limit: int) -> Sequence[TurnRow]:
        """Return the latest turns of a session, newest first."""
        with self._connection.cursor(row_factory=class_row(TurnRow)) as cursor:
            return cursor.execute(SQL.turns, self._parameters(session=session, limit=limit)).fetchall()

    def outlines(self, turn_ids: Sequence[int]) -> Sequence[StepOutline]:
        """Return the steps of some turns, oldest first."""
        with self._connection.cursor(row_factory=class_row(StepOutline)) as cursor:
            return cursor.execute(SQL.outlines, self._parameters(turn_ids=[*turn_ids])).fetchall()

    def take_over(self, turn_id: int, runner: UUID) -> TurnRow | None:
        """Make this process the one that runs a turn, again if it failed; None when it has ended otherwise."""
        return self._turn(SQL.take_over, turn_id=turn_id, runner=runner)

    def end(self, turn_id: int, status: str, reason: str | None = None, *, runner: UUID) -> bool:
        """End a running turn; False when it is not running, or another process runs it."""
        parameters = self._parameters(turn_id=turn_id, status=status, reason=reason, runner=runner)
        return self._connection.execute(SQL.end, parameters).fetchone() is not None

    def hold(self, turn_id: int, runner: UUID) -> bool:
        """Keep the turn this process's until the transaction ends; False when it no longer is."""
        parameters = self._parameters(turn_id=turn_id, runner=runner)
        return self._connection.execute(SQL.hold, parameters).fetchone() is not None

    def add_step(self, step: NewStep) -> int:
        """Keep a step; its id."""
        parameters = {name: getattr(step, name) for name in NewStep.__slots__} | {
            "tools": Jsonb([*step.tools]),
            "message_ids": [*step.message_ids],
            "tokens_by_part": Jsonb(step.tokens_by_part),
        }
        row = self._connection.execute(SQL.add_step, self._parameters(**parameters)).fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        return int(row[0])

    def claim(self, step_id: int, call: int, runner: UUID) -> bool:
        """Take a step's tool call number ``call`` (from 0) in this transaction; False when it is done, or not ours."""
        parameters = self._parameters(step_id=step_id, call=call, runner=runner)
        return self._connection.execute(SQL.claim, parameters).fetchone() is not None

    def steps(self, *, turn_id: int | None = None, limit: int = 1000) -> Sequence[TurnStep]:
        """Return steps, newest first."""
        return self._steps(turn_id=turn_id, step_id=None, limit=limit)

    def step(self, id: int) -> TurnStep:
        """One step.

        Raises:
            NotFoundError: the agent has no step of that id.
        """
        steps = self._steps(turn_id=None, step_id=id, limit=1)
        if not steps:
            raise NotFoundError(f"agent {self._agent_id!r} has no step {id}")
        return steps[0]

    def window(self, session: str, *, limit: int) -> tuple[str | None, Sequence[Message]]:
        """Return the last summary of a session, and its newest messages after what was summarised, oldest first."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(SQL.window, self._parameters(session=session, limit=limit)).fetchall()
        summary = rows[0]["summary"] if rows else None
        return summary, [Message(**{name: row[name] for name in Message.__slots__}) for row in rows]

    def messages(self, ids: Sequence[int]) -> Sequence[Message]:
        """Messages by their ids, in the order of the conversation; those that are gone are absent."""
        with self._connection.cursor(row_factory=class_row(Message)) as cursor:
            return cursor.execute(SQL.messages, self._parameters(ids=[*ids])).fetchall()

    def _turn(self, query: bytes, **values: Any) -> TurnRow | None:
        with self._connection.cursor(row_factory=class_row(TurnRow)) as cursor:
            return cursor.execute(query, self._parameters(**values)).fetchone()

    def _steps(self, **values: Any) -> Sequence[TurnStep]:
        with self._connection.cursor(row_factory=class_row(TurnStep)) as cursor:
            return cursor.execute(SQL.steps, self._parameters(**values)).fetchall()

    def _parameters(self, **values: Any) -> Json:
        return {"agent_id": self._agent_id, **values}
