"""The loop: send what fits, keep what comes back, run what it calls, until it answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from memgpt import validation
from memgpt.agent import summary
from memgpt.agent.chat_model import ChatModel, Spent
from memgpt.agent.events import Cut, Ended, Event, Evicted, Pressure, Restarted, Text, ToolCalled, ToolReturned, Turn
from memgpt.agent.record import TurnProgress, TurnRecord
from memgpt.agent.request import Inspection, Sent, described, put_together, system_text
from memgpt.agent.store import TurnStep
from memgpt.agent.toolbox import memory_tools
from memgpt.agent.tools import Tool, by_name, parsed, tool
from memgpt.config import Settings
from memgpt.database import forks
from memgpt.errors import ChatError, ConfigurationError, ConflictError, InputError, NoModelError, WindowExceededError
from memgpt.memory import Memory, scope_of
from memgpt.models import Block, Message

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

WIDEST: Final = 32_768
"""Tokens of a window nobody chose: more costs more with every step."""

_NARROWEST: Final = 2048
_MARGIN: Final = 0.95
"""Share of the window that is used: tokenizers differ."""
_PRESSURE: Final = 0.75
_PROMPT: Final = 600
"""Tokens of instructions and core memory that a long message leaves room for at least."""
_SAME_CALL: Final = 3
"""Times a tool may be called with the same arguments in a turn."""
_FAILURES: Final = 6
"""Failed calls in a row after which a turn is stopped."""
_REFITS: Final = 3
_MOST_COUNTS: Final = 4096
"""Texts whose tokens need not be counted again."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """Limits of one turn; reaching one ends the turn with what there is."""

    steps: int = 30
    """Requests to the model for answers."""
    tokens: int | None = None
    """Sent and received, in all steps, as the provider counts them."""
    seconds: float = 300.0
    """From the user's message to the answer, as far as it depends on the model."""
    cost: float | None = None
    """US dollars, for models whose price is known."""


class Agent:
    """A model with a memory that it manages itself.

    One agent object leads one session; its turns come one after the other. Every step is kept as it happens: after a
    crash :meth:`resume` goes on where it stopped, and what a tool did is done once.

    Args:
        memory: what it remembers with.
        model: ``provider:model``; absent, ``MEMGPT_CHAT_MODEL``.
        session: the conversation.
        tools: functions of yours the model may call; typed parameters, a docstring. They run inside the transaction
            that keeps their answer, so what they write through ``memory`` is done once; what they do elsewhere may
            be repeated after a crash.
        instructions: in the place of the ones that come with memgpt.
        window: most tokens of a request and its answer.
        limits: of one turn.

    Raises:
        ConfigurationError: there is no model, or it cannot be used.
    """

    def __init__(
        self,
        memory: Memory,
        model: str | ChatModel | None = None,
        *,
        session: str = "default",
        tools: Sequence[Callable[..., Any]] = (),
        instructions: str | None = None,
        window: int | None = None,
        limits: TurnLimits | None = None,
    ) -> None:
        options = scope_of(memory).options
        self.memory = memory
        self.model = chat_model(model, options)
        self.session = validation.name(session, "session")
        self.window = window or options.chat_window or min(self.model.window or WIDEST, WIDEST)
        if self.window < _NARROWEST:
            raise InputError(f"a window of {self.window} tokens is too narrow: {_NARROWEST} at least")
        self.limits = limits or TurnLimits()
        if self.limits.cost is not None and not self.model.priced:
            raise ConfigurationError(f"the price of {self.model.name} is not known, so its cost cannot be limited")
        self._instructions = instructions
        self._record = TurnRecord(memory, self.session)
        self._progress: TurnProgress | None = None
        own: list[Tool] = [tool(function) for function in tools]
        self.tools: Mapping[str, Tool] = by_name([*memory_tools(memory, self._began), *own])
        self._described = described(self.tools)
        self._described_text = json.dumps([*self._described])
        self._most_answer = min(4096, self.window // 4)
        self._scale = 1.0
        self._counts: dict[tuple[int, int], int] = {}
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Leave a turn that is under way to the parent."""
        self._stop = threading.Event()

    def send(self, text: str) -> Turn:
        """Answer a message of the user; see :meth:`stream`."""
        return _last(self.stream(text))

    def stream(self, text: str) -> Generator[Event]:
        """Answer a message of the user, telling what happens; the last event is ``Ended``. Closing it cancels.

        Raises:
            ChatError: the model failed; :meth:`resume` tries again.
            ConflictError: the session is in a turn already, or another process took this one over.
        """
        progress = self._record.begin(validation.text(text, "text"))
        yield from self._run(progress, None)

    def resume(self) -> Turn | None:
        """Go on with a turn that a crash or a failing model interrupted; None when there is none."""
        events = self.resume_stream()
        return None if events is None else _last(events)

    def resume_stream(self) -> Generator[Event] | None:
        """:meth:`resume`, telling what happens."""
        progress = self._record.take_over()
        return None if progress is None else self._run(*progress)

    def cancel(self) -> bool:
        """End the turn the session is in, here or in another process; False when there is none.

        What was kept stays; tool calls not yet made are not made.
        """
        self._stop.set()
        progress = self._record.take_over()
        if progress is None:
            return False
        self._record.end(progress[0], "cancelled")
        return True

    def steps(self, turn_id: int | None = None, *, limit: int = 50) -> Sequence[TurnStep]:
        """Return the latest steps of the agent or of a turn, newest first: what each sent and took."""
        return self._record.steps(validation.optional_id(turn_id, "turn_id"), validation.limit(limit))

    def inspect(self, step_id: int) -> Inspection:
        """Exactly what was sent to the model in a step, and the tokens of each part.

        Raises:
            NotFoundError: the agent has no step of that id.
        """
        return self._record.inspect(step_id)

    def context(self) -> Sent:
        """Return the request that would be sent now."""
        return self._fitting(*self._record.window(self._rows), self.memory.core.list())

    def _run(self, progress: TurnProgress, last: TurnStep | None) -> Generator[Event]:
        """Run a turn to its end; ``last`` is an answer whose calls are not all made."""
        self._stop.clear()
        self._progress = progress
        try:
            if last is not None and last.calls_done < last.calls:
                answer = self.memory.messages.get(last.answer_id or 0)
                yield from self._calls(progress, last.id, answer, last.calls_done)
            elif last is not None and not last.calls:
                progress.text = self.memory.messages.get(last.answer_id or 0).content
                yield Ended(self._record.end(progress, "done"))
                return
            turn = yield from self._answers(progress)
        except GeneratorExit:
            self._record.end(progress, "cancelled", "the reader went away")
            raise
        except ConflictError:
            if not self._stop.is_set():
                raise
            turn = progress.turn("cancelled", None)
        except Exception as error:  # whatever it is: the next turn must not find this one running
            self._record.end(progress, "failed", validation.replaced(str(error)))
            raise
        yield Ended(turn)

    def _answers(self, progress: TurnProgress) -> Generator[Event, None, Turn]:
        while (reason := self._limit_reached(progress)) is None:
            sent, response, seconds = yield from self._asked(progress)
            if response is None:
                return self._record.end(progress, "cancelled")
            said = _clean(response.text or "")
            refused = response.finish_reason == "content_filter"
            if refused and not said:
                said = _clean(str((response.provider_details or {}).get("refusal") or "The model refused to answer."))
                yield Text(said)
            taken = self._spent(response, seconds, sent)
            self._calibrate(sent, taken.input_tokens)
            if not said and not response.tool_calls:
                raise ChatError(
                    f"{self.model.name} returned an empty response. The conversation is kept: resume to try again"
                )
            step_id, answer, ended = self._record.answered(progress, self.model.name, sent, response, taken, said)
            if response.finish_reason == "length":
                yield Cut()
            if ended is not None:
                return ended
            yield from self._calls(progress, step_id, answer, 0)
            if progress.failures >= _FAILURES:
                return self._record.end(
                    progress, "stopped", f"{progress.failures} tool calls failed one after the other"
                )
            if progress.calls and max(progress.calls.values()) > 2 * _SAME_CALL:
                return self._record.end(progress, "stopped", "the model repeats itself")
        return self._record.end(progress, "stopped", reason)

    def _asked(self, progress: TurnProgress) -> Generator[Event, None, tuple[Sent, ModelResponse | None, float]]:
        for _ in range(_REFITS):
            sent = yield from self._prepared(progress)
            began = time.monotonic()
            response = None
            try:
                for piece in self.model.stream(
                    sent.model_messages(),
                    sent.parameters(),
                    max_tokens=self._most_answer,
                    seconds=self._seconds_left(progress),
                    stop=self._stop,
                ):
                    if isinstance(piece, (Text, Restarted)):
                        yield piece
                    else:
                        response = piece
            except WindowExceededError as error:
                failure = error
                self._rescale(1.25)
                continue
            return sent, response, time.monotonic() - began
        raise failure

    def _prepared(self, progress: TurnProgress) -> Generator[Event, None, Sent]:
        while True:
            before, messages = self._record.window(self._rows)
            blocks = self.memory.core.list()
            sent = self._fitting(before, messages, blocks)
            if sent.tokens <= self._budget:
                break
            yield from self._evict(progress, sent, before, messages)
        if sent.tokens > self._budget * _PRESSURE:
            warned = self._fitting(before, messages, blocks, pressure=True)
            if warned.tokens <= self._budget:
                yield Pressure(warned.tokens, self._budget)
                return warned
        return sent

    def _evict(
        self, progress: TurnProgress, sent: Sent, before: str | None, messages: Sequence[Message]
    ) -> Iterator[Event]:
        room = self._budget - (sent.tokens - sent.tokens_by_part["messages"])
        evicted = summary.to_evict(messages, room, self._longest, self._count)
        if not evicted:
            parts = ", ".join(f"{part} {tokens}" for part, tokens in sent.tokens_by_part.items())
            raise WindowExceededError(
                f"{sent.tokens} tokens do not fit into {self._budget} ({parts}): shorten the blocks of core memory, or "
                "widen the window (MEMGPT_CHAT_WINDOW)"
            )
        text, by_model = before or "", True
        seconds, zone = self._seconds_left(progress), scope_of(self.memory).zone
        try:
            for condensed, asked, response, took in summary.condense(
                self.model, before, evicted, window=self.window, seconds=seconds, count=self._count, zone=zone
            ):
                text, request, taken = condensed, asked, self._spent(response, took, asked)
        except ChatError:
            text = summary.beginnings(before, evicted, window=self.window, count=self._count)
            request, taken, by_model = Sent("", [], [], self._longest, {}), Spent(0, 0, 0.0, 0.0), False
        name = self.model.name if by_model else "none"
        self._record.summarised(progress, name, request, text, evicted[-1], taken)
        yield Evicted(len(evicted), text, by_model)

    def _calls(self, progress: TurnProgress, step_id: int, answer: Message, first: int) -> Iterator[Event]:
        for position, call in enumerate(answer.tool_calls or []):
            if position < first:
                continue
            if self._stop.is_set():
                raise ConflictError("cancelled")
            if self._seconds_left(progress) <= 0 or progress.failures >= _FAILURES:  # the turn ends: see _answers
                return
            yield ToolCalled(call["name"], parsed(call["arguments"]))
            key = f"{call['name']} {call['arguments']}"
            progress.calls[key] += 1
            refusal = None
            if progress.calls[key] > _SAME_CALL:
                refusal = (
                    f"Error: {call['name']} was called with these arguments {_SAME_CALL} times already in this turn; "
                    "use what it answered, or do something else"
                )
            result, failed = self._record.call(progress, step_id, position, call, self.tools, refusal)
            progress.failures = progress.failures + 1 if failed else 0
            yield ToolReturned(call["name"], result, failed)

    def _fitting(
        self, before: str | None, messages: Sequence[Message], blocks: Sequence[Block], *, pressure: bool = False
    ) -> Sent:
        parts = system_text(blocks, before, self._instructions, pressure)
        return put_together(parts, self._described, messages, self._longest, self._count)

    def _limit_reached(self, progress: TurnProgress) -> str | None:
        limits, used = self.limits, progress.input_tokens + progress.output_tokens
        if progress.answers >= limits.steps:
            return f"the limit of {limits.steps} steps is reached"
        if limits.tokens is not None and used >= limits.tokens:
            return f"the limit of {limits.tokens:,} tokens is reached"
        if limits.cost is not None and (progress.cost or 0.0) >= limits.cost:
            return f"the limit of ${limits.cost} is reached"
        if self._seconds_left(progress) <= 0:
            return f"the limit of {limits.seconds:g} seconds is reached"
        return None

    def _seconds_left(self, progress: TurnProgress) -> float:
        return self.limits.seconds - (time.monotonic() - progress.began)

    @property
    def _budget(self) -> int:
        return int(self.window * _MARGIN / self._scale) - self._most_answer

    @property
    def _longest(self) -> int:
        fixed = self._count(self._described_text) + _PROMPT
        return max(256, min(self.window // 4, (self._budget - fixed) // 2))

    @property
    def _rows(self) -> int:
        return min(4000, max(200, self.window // 16))

    def _count(self, text: str) -> int:
        key = (hash(text), len(text))  # no text is kept
        if key not in self._counts:
            if len(self._counts) >= _MOST_COUNTS:
                self._counts.clear()
            self._counts[key] = self._counted(text)
        return self._counts[key]

    def _counted(self, text: str) -> int:
        return scope_of(self.memory).count_tokens([text])[0]

    def _spent(self, response: ModelResponse, seconds: float, sent: Sent) -> Spent:
        return self.model.spent(response, seconds, sent.tokens, self._count(response.text or ""))

    def _calibrate(self, sent: Sent, counted: int) -> None:
        """Believe the provider's count of tokens where it is higher than ours."""
        if counted > sent.tokens * self._scale:
            self._rescale(counted / (sent.tokens * self._scale))

    def _rescale(self, factor: float) -> None:
        self._scale = min(2.0, self._scale * factor)

    def _began(self) -> Any:
        assert self._progress is not None  # noqa: S101 - tools run in turns only
        return self._progress.row.started_at


def chat_model(model: ChatModel | str | None, options: Settings) -> ChatModel:
    """Return the chat model that was passed, or named, or else configured.

    Raises:
        NoModelError: there is none.
        ConfigurationError: it cannot be used.
    """
    if isinstance(model, ChatModel):
        return model
    name = model or options.chat_model
    if name is None:
        raise NoModelError("no chat model is configured: set MEMGPT_CHAT_MODEL, such as openai:gpt-5")
    key = options.chat_api_key
    return ChatModel(name, base_url=options.chat_base_url, api_key=key.get_secret_value() if key else None)


def _last(events: Iterator[Event]) -> Turn:
    for event in events:
        if isinstance(event, Ended):
            return event.turn
    raise ChatError("the event stream stopped before the turn ended")


def _clean(text: str) -> str:
    """Replace what PostgreSQL cannot hold in a text."""
    return text.replace("\0", "").encode(errors="replace").decode().strip()
