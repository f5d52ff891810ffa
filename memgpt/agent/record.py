"""The record of a turn while it goes on: every step is one transaction, every tool call with its effect another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg

from memgpt import validation
from memgpt.agent.chat_model import Spent
from memgpt.agent.events import Turn
from memgpt.agent.request import NOT_RUN, Inspection, Sent, inspect
from memgpt.agent.store import NewStep, StepOutline, TurnRow, TurnStep, TurnStore
from memgpt.agent.tools import Tool, parsed
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, ContentionError, InputError, MemgptError, NotFoundError, UnavailableError
from memgpt.memory import Memory, scope_of
from memgpt.messages.turns_before import turns_before
from memgpt.models import Json, Message

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse


@dataclass
class TurnProgress:
    """A turn that is being run here."""

    row: TurnRow
    runner: UUID
    number: int = 0
    """Of the last step."""
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    text: str = ""
    began: float = field(default_factory=time.monotonic)
    calls: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    """Tool calls that failed, one after the other."""

    def spend(self, tokens_in: int, tokens_out: int, cost: float | None) -> None:
        self.input_tokens += tokens_in
        self.output_tokens += tokens_out
        self.cost = None if self.cost is None or cost is None else self.cost + cost

    def turn(self, status: str, reason: str | None) -> Turn:
        seconds = time.monotonic() - self.began
        return Turn(
            *(self.row.id, self.text, status, reason, self.answers, self.input_tokens, self.output_tokens),
            *(self.cost, seconds),
        )


class TurnRecord:
    """The turns of one session of a memory."""

    def __init__(self, memory: Memory, session: str) -> None:
        self._memory = memory
        self._scope = scope_of(memory)
        self._session = session

    def begin(self, text: str) -> TurnProgress:
        """Keep the user's message and begin the turn that answers it."""
        label, runner = self._memory.intents.classify(text), uuid4()

        def write() -> TurnRow:
            vector = self._vector(text)
            with self._scope.transaction() as connection:
                message = self._memory.messages.append(
                    "user",
                    text,
                    session=self._session,
                    embedding=vector,
                    intent=label.intent,
                    intent_confidence=label.confidence,
                )
                return self._store(connection).begin(self._session, message.id, runner)

        return TurnProgress(self._scope.repeat_on_switch(write), runner)

    def take_over(self) -> tuple[TurnProgress, TurnStep | None] | None:
        """Go on with the turn that another process left, or that failed; with its last answer, if there is one."""
        runner = uuid4()
        with self._scope.transaction() as connection:
            store = self._store(connection)
            latest = store.latest(self._session)
            row = latest and store.take_over(latest.id, runner)
            if row is None:
                return None
            steps = store.steps(turn_id=row.id)
        progress = TurnProgress(row, runner, number=steps[0].number if steps else 0)
        for step in steps:
            progress.spend(step.input_tokens or 0, step.output_tokens or 0, step.cost)
        answers = [step for step in steps if step.kind == "answer"]
        progress.answers = len(answers)
        return progress, answers[0] if answers else None

    def window(self, limit: int) -> tuple[str | None, Sequence[Message]]:
        """Return the summary of what was evicted, and the messages since."""
        return self._scope.read(lambda connection: self._store(connection).window(self._session, limit=limit))

    def answered(
        self, progress: TurnProgress, model: str, sent: Sent, response: ModelResponse, spent: Spent, text: str
    ) -> tuple[int, Message, Turn | None]:
        """Keep what the model answered: the step, the message and, where no tool is called, the turn that is over."""
        calls = _calls(response)
        ended = None if calls else _end_of(response)
        step = self._step(progress, model, sent, spent)

        def write() -> tuple[int, Message]:
            vector = self._vector(text)
            with self._scope.transaction() as connection:
                store = self._store(connection)
                self._hold(store, progress)
                message = self._memory.messages.append(
                    "assistant", text or None, session=self._session, tool_calls=calls or None, embedding=vector
                )
                step_id = store.add_step(
                    replace(step, answer_id=message.id, calls=len(calls), finish_reason=response.finish_reason)
                )
                if ended:
                    store.end(progress.row.id, *ended, runner=progress.runner)
            return step_id, message

        step_id, message = self._scope.repeat_on_switch(write)
        progress.number += 1
        progress.answers += 1
        progress.text = text
        progress.spend(spent.input_tokens, spent.output_tokens, spent.cost)
        return step_id, message, ended and progress.turn(*ended)

    def summarised(
        self, progress: TurnProgress, model: str, sent: Sent, summary: str, last: Message, spent: Spent
    ) -> None:
        """Keep a summary of everything up to a message: the session goes on from there."""
        step = self._step(progress, model, sent, spent)
        with self._scope.transaction() as connection:
            store = self._store(connection)
            self._hold(store, progress)
            store.add_step(
                replace(
                    step,
                    kind="summary",
                    summary=summary,
                    summary_until=last.created_at,
                    summary_until_id=last.id,
                )
            )
        progress.number += 1
        progress.spend(spent.input_tokens, spent.output_tokens, spent.cost)

    def call(
        self,
        progress: TurnProgress,
        step_id: int,
        position: int,
        call: Json,
        tools: Mapping[str, Tool],
        refusal: str | None,
    ) -> tuple[str, bool]:
        """Run one tool call; its effect and its answer are kept together, once. The answer, and whether it failed."""
        with self._scope.transaction() as connection:
            if not self._store(connection).claim(step_id, position, progress.runner):
                raise _lost(progress)
            result, failed = (refusal, True) if refusal else _tried(connection, call, tools)
            result = validation.replaced(result)
            self._memory.messages.append(
                "tool", result, session=self._session, name=call["name"], tool_call_id=call["id"]
            )
        return result, failed

    def end(self, progress: TurnProgress, status: str, reason: str | None = None) -> Turn:
        """End the turn; calls that were not made are answered, so that the conversation is complete."""
        with self._scope.transaction() as connection:
            store = self._store(connection)
            steps = store.steps(turn_id=progress.row.id, limit=1)
            if steps and steps[0].answer_id is not None and store.hold(progress.row.id, progress.runner):
                self._answer_rest(store, progress, steps[0])
            store.end(progress.row.id, status, reason, runner=progress.runner)
        return progress.turn(status, reason)

    def inspect(self, step_id: int) -> Inspection:
        """Return the request of a step."""
        validation.row_id(step_id, "step_id")

        def work(connection: Connection) -> Inspection:
            store = self._store(connection)
            step = store.step(step_id)
            answer = store.messages([step.answer_id] if step.answer_id else [])
            return inspect(step, store.messages(step.message_ids), answer[0] if answer else None)

        return self._scope.read(work)

    def steps(self, turn_id: int | None, limit: int) -> Sequence[TurnStep]:
        """Return steps, newest first."""
        return self._scope.read(lambda connection: self._store(connection).steps(turn_id=turn_id, limit=limit))

    def turns(self, limit: int) -> Sequence[tuple[TurnRow, Sequence[StepOutline]]]:
        """Return the latest turns of the session, newest first, each with its steps."""

        def work(connection: Connection) -> Sequence[tuple[TurnRow, Sequence[StepOutline]]]:
            store = self._store(connection)
            rows = store.turns(self._session, limit=limit)
            steps = store.outlines([row.id for row in rows]) if rows else ()
            return [(row, [step for step in steps if step.turn_id == row.id]) for row in rows]

        return self._scope.read(work)

    def _answer_rest(self, store: TurnStore, progress: TurnProgress, step: TurnStep) -> None:
        try:
            calls = self._memory.messages.get(step.answer_id or 0).tool_calls or []
        except NotFoundError:  # the message was deleted meanwhile: nothing waits for an answer
            return
        for position in range(step.calls_done, step.calls):
            if store.claim(step.id, position, progress.runner):
                call = calls[position]
                self._memory.messages.append(
                    "tool", NOT_RUN, session=self._session, name=call["name"], tool_call_id=call["id"]
                )

    def _step(self, progress: TurnProgress, model: str, sent: Sent, spent: Spent) -> NewStep:
        return NewStep(
            turn_id=progress.row.id,
            number=progress.number + 1,
            session=self._session,
            kind="answer",
            model=model,
            system=sent.system,
            tools=sent.tools,
            message_ids=[message.id for message in sent.messages],
            longest=sent.longest,
            sent_hash=sent.hash,
            tokens_by_part=dict(sent.tokens_by_part),
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost=spent.cost,
            seconds=spent.seconds,
        )

    def _hold(self, store: TurnStore, progress: TurnProgress) -> None:
        if not store.hold(progress.row.id, progress.runner):
            raise _lost(progress)

    def _vector(self, text: str) -> Any:
        """Embed a text before the transaction that keeps it: a slow provider holds no lock."""
        if not text.strip():
            return None
        return self._scope.embed([text], before=[turns_before(self._scope, self._session)])[0]

    def _store(self, connection: Connection) -> TurnStore:
        return TurnStore(connection, self._scope.author)


def _end_of(response: ModelResponse) -> tuple[str, str | None]:
    return ("stopped", "the model refused") if response.finish_reason == "content_filter" else ("done", None)


def _lost(progress: TurnProgress) -> ConflictError:
    return ConflictError(f"turn {progress.row.id} was cancelled or taken over; nothing more was done here")


def _tried(connection: Connection, call: Json, tools: Mapping[str, Tool]) -> tuple[str, bool]:
    """Run a tool; what fails leaves nothing but its error, which is for the model."""
    wanted: Callable[[Json | str], str]
    if call["name"] not in tools:
        return f"Error: there is no tool {call['name']!r}; the tools are {', '.join(tools)}", True
    wanted = tools[call["name"]].call
    try:
        with connection.transaction():
            return wanted(parsed(call["arguments"])), False
    except (psycopg.OperationalError, UnavailableError, ContentionError):
        raise  # the connection is gone, and with it the transaction: nothing can be kept
    except MemgptError as error:
        return f"Error: {error}", True
    except Exception as error:  # noqa: BLE001 - whatever a user's function raises goes back to the model
        return f"Error: {type(error).__name__}: {error}", True


def _calls(response: ModelResponse) -> list[Json]:
    """Return the tool calls of a response as they are stored: ids that differ, and nothing that PostgreSQL cannot
    hold."""
    from pydantic_ai.messages import ToolCallPart

    calls: list[Json] = []
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            id = part.tool_call_id
            if not id.strip() or len(id) > validation.MAX_NAME or any(call["id"] == id for call in calls):
                id = f"{id[:100]}_{len(calls)}"
            call = {"id": id, "name": part.tool_name.strip()[:64] or "unnamed", "arguments": parsed(part.args)}
            calls.append(_storable(call))
    return calls


def _storable(call: Json) -> Json:
    """Return a tool call that JSON and PostgreSQL can hold; keep arguments that they cannot as plain text."""
    clean: Json = validation.mended(call)
    try:
        return validation.json_object(clean, "the call", most=validation.MAX_TEXT)
    except InputError:
        return clean | {"arguments": validation.replaced(str(call["arguments"]))[: validation.MAX_TEXT // 2]}
