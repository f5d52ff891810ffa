"""The model an agent speaks through. The clients are pydantic-ai's; this holds retries, deadlines and plain errors."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from memgpt.agent.events import Restarted, Text
from memgpt.database import forks
from memgpt.errors import ChatError, WindowExceededError
from memgpt.llm import chat, event_loop
from memgpt.llm.chat import BrokenAnswerError
from memgpt.llm.retries import retrying

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

MOST_ATTEMPTS: Final = 4
MOST_CALLS: Final = 32
"""Tool calls of one answer; it is not read beyond them, so what a model asks for after them is not done."""
_LOOKS_EVERY: Final = 0.2
"""Seconds after which a wait for the model notices that it is to stop."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Cost of one request."""

    input_tokens: int
    output_tokens: int
    cost: float | None
    seconds: float


class ChatModel:
    """A model by its name, such as ``openai:gpt-5`` or ``anthropic:claude-sonnet-5-5``.

    Args:
        base_url: address of an endpoint that speaks the provider's protocol; OpenAI's is Chat Completions there.

    Raises:
        MissingExtraError: the provider's package is not installed.
        ConfigurationError: there is no such model, or no key for it.
    """

    def __init__(self, name: str, *, base_url: str | None = None, api_key: str | None = None) -> None:
        self.name = name
        self._connect = partial(chat.connected, name, base_url, api_key)
        self._model, self._provider = self._connect()
        self._closing: weakref.finalize[Any, Any] | None = None
        self._inherited = False
        forks.register(self)

    def after_fork(self) -> None:
        """Leave the client with its sockets to the parent."""
        self._inherited = True

    @property
    def window(self) -> int | None:
        """Tokens the model reads at once, where that is known."""
        window = self._model.profile.get("context_window")
        return int(window) if window else None

    @property
    def priced(self) -> bool:
        """Tell whether the cost of an answer will be known."""
        return chat.price(self._model, 1, 1) is not None

    def spent(self, response: ModelResponse, seconds: float, sent: int, answered: int) -> Spent:
        """Return the tokens and the price of a response; where the endpoint does not count, ``sent`` and
        ``answered``."""
        usage = response.usage
        if usage.unmeasured_requests or not (usage.input_tokens or usage.output_tokens):
            return Spent(sent, answered, chat.price(self._model, sent, answered), seconds)
        try:
            cost: float | None = float(response.cost().total_price)
        except (LookupError, ValueError, AssertionError):  # it answers under a name of its own
            cost = chat.price(self._model, usage.input_tokens, usage.output_tokens)
        return Spent(usage.input_tokens, usage.output_tokens, cost, seconds)

    def stream(
        self,
        messages: Sequence[ModelMessage],
        parameters: ModelRequestParameters,
        *,
        max_tokens: int,
        seconds: float,
        stop: threading.Event | None = None,
    ) -> Iterator[Text | Restarted | ModelResponse]:
        """Yield the model's words, piece by piece, and the whole response last.

        Passing failures (429, 5xx, silence, lost connections, answers that are not whole) are tried again, at most
        three times and within ``seconds``. Closing the iterator ends the request; so does ``stop``, after which no
        response comes.

        Raises:
            WindowExceededError: the endpoint says that the messages are too long.
            ChatError: the model failed.
        """
        if self._inherited:
            self._inherited, self._closing = False, None
            self._model, self._provider = self._connect()
        if self._closing is None:  # the client opens on the loop; nobody closes a model, so its end does
            leave = partial(self._provider.__aexit__, *[None] * 3)
            self._closing = weakref.finalize(self, event_loop.later, leave, event_loop.loop())
            self._closing.atexit = False
            event_loop.run(self._provider.__aenter__())
        pieces: queue.Queue[Any] = queue.Queue()
        work = self._pump(messages, parameters, max_tokens, seconds, pieces)
        future = asyncio.run_coroutine_threadsafe(work, event_loop.loop())
        future.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := _next(pieces, stop)) is not None:
                yield piece
            if stop is None or not stop.is_set():
                future.result()
        except Exception as error:
            raise _explained(self.name, error, seconds) from error
        finally:
            future.cancel()

    async def _pump(
        self,
        messages: Sequence[ModelMessage],
        parameters: ModelRequestParameters,
        max_tokens: int,
        seconds: float,
        pieces: queue.Queue[Any],
    ) -> None:
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta, ToolCallPart
        from tenacity import stop_after_attempt, stop_any

        ends = time.monotonic() + seconds
        patient = retrying(seconds, BrokenAnswerError)
        async for attempt in patient.copy(stop=stop_any(patient.stop, stop_after_attempt(MOST_ATTEMPTS))):  # type: ignore[arg-type]
            with attempt, _broken():
                if attempt.retry_state.attempt_number > 1:
                    pieces.put(Restarted())
                async with (
                    asyncio.timeout(max(0.1, ends - time.monotonic())),
                    _request(self._model, messages, parameters, max_tokens) as stream,
                ):
                    calls = 0
                    async for event in stream:
                        match event:
                            case PartStartEvent(part=ToolCallPart()):
                                calls += 1
                                if calls > MOST_CALLS:
                                    break
                            case PartStartEvent(part=TextPart(content=text)) if text:
                                pieces.put(Text(text))
                            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                                pieces.put(Text(text))
                    pieces.put(_whole(stream.get()) if calls <= MOST_CALLS else _cut(stream.get()))


def _next(pieces: queue.Queue[Any], stop: threading.Event | None) -> Any:
    """Return the next piece; None at the end and on a stop."""
    while stop is None or not stop.is_set():
        try:
            return pieces.get(timeout=None if stop is None else _LOOKS_EVERY)
        except queue.Empty:
            continue
    return None


def _request(model: Model, messages: Sequence[ModelMessage], parameters: ModelRequestParameters, most: int) -> Any:
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.settings import ModelSettings

    settings = ModelSettings(max_tokens=most)
    if "max_retries" not in model.unsupported_settings:
        settings["max_retries"] = 0  # retries are ChatModel's
    return model_request_stream(model, messages, model_settings=settings, model_request_parameters=parameters)


def _whole(response: ModelResponse) -> ModelResponse:
    """Return the response if the model said that it had ended: a stream may be cut where it looks complete."""
    ended = (response.provider_details or {}).get("finish_reason")  # OpenAI's client makes up a "stop" without it
    if ended or response.finish_reason not in (None, "stop") or response.provider_name == "xai":
        return response
    raise BrokenAnswerError("the response was cut off")


def _cut(response: ModelResponse) -> ModelResponse:
    """Return the response up to its last call that is taken."""
    from pydantic_ai.messages import ToolCallPart

    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    parts = [part for part in response.parts if not isinstance(part, ToolCallPart)]
    return replace(response, parts=[*parts, *calls[:MOST_CALLS]])


@contextmanager
def _broken() -> Iterator[None]:
    """Tell answers that are none from other failures."""
    from pydantic_ai import exceptions as failures

    try:
        yield
    except failures.ContentFilterError:
        raise
    except failures.UnexpectedModelBehavior as error:
        raise BrokenAnswerError(str(error)) from error
    except failures.ModelAPIError as error:
        if type(error) is failures.ModelAPIError:  # none of its kinds: what came could not be read
            raise BrokenAnswerError(str(error)) from error
        raise


def _explained(model: str, error: Exception, seconds: float) -> ChatError:
    from pydantic_ai import exceptions as failures

    if isinstance(error, failures.ModelContextWindowExceededError):
        brief = " ".join(str(error).split())[:300]
        return WindowExceededError(f"{model}: the messages are longer than the model's window: {brief}")
    what = chat.why(error, seconds, MOST_ATTEMPTS)
    return ChatError(f"{model}: {what}. The conversation is kept: send or resume again")
