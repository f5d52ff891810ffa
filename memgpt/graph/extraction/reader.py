"""Asking a model what texts say: several at once, each checked against the schema, each with its cost."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic_core import PydanticSerializationError

from memgpt import validation
from memgpt.errors import ChatError, InputError
from memgpt.graph.extraction.schema import Schema
from memgpt.llm import chat, event_loop
from memgpt.llm.retries import retrying
from memgpt.models import Json

if TYPE_CHECKING:
    from pydantic_ai import Agent

PROMPT: Final = resources.files("memgpt.graph.extraction").joinpath("prompts", "extract.md").read_text(encoding="utf-8")
PROMPT_VERSION: Final = 2
"""Changes when the prompt does: answers to the old one are not taken for answers to the new one."""

SECONDS: Final = 120.0
"""For one text, with every attempt."""

MOST_ATTEMPTS: Final = 4
MOST_TOKENS: Final = 8000
"""Of one answer."""


KEPT: Final = "What was extracted is kept: the same call goes on from there"


@dataclass(frozen=True, slots=True)
class Reading:
    """Answer of the model to one text: one that fits the schema, or the reason why there is none."""

    answer: Json | None
    reason: str | None
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None when the model's price is unknown."""
    passing: bool = False
    """There is no answer because of the endpoint and not of the text."""


def _unusable() -> tuple[type[BaseException], ...]:
    """Failures that every other text would meet too."""
    from pydantic_ai import exceptions as failures

    return failures.ModelAuthenticationError, failures.ModelQuotaExceededError, failures.ModelNotFoundError


def request_text(schema: Schema) -> str:
    """Return approximately what is sent of the schema with every text."""
    return json.dumps(schema.json_schema)


class Reader:
    """A model that reads with one schema. A context manager: it closes its connections.

    Raises:
        MissingExtraError: the provider's package is not installed.
        ConfigurationError: there is no such model, or no key for it.
    """

    def __init__(self, name: str, schema: Schema, *, base_url: str | None = None, api_key: str | None = None) -> None:
        self.name = name
        self.schema = schema
        self._model, self._provider = chat.connected(name, base_url, api_key)

    @cached_property
    def _agent(self) -> Agent[None, Any]:
        from pydantic_ai import Agent
        from pydantic_ai.settings import ModelSettings

        settings = ModelSettings(max_tokens=MOST_TOKENS, timeout=SECONDS)
        if "max_retries" not in self._model.unsupported_settings:
            settings["max_retries"] = 0  # retries are the reader's
        return Agent(
            self._model, output_type=self.schema.shape, instructions=PROMPT, retries=1, model_settings=settings
        )

    def price(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars by the list price; None where it is not known."""
        return chat.price(self._model, input_tokens, output_tokens)

    def read(self, texts: Sequence[str], *, concurrency: int) -> Generator[tuple[int, Reading], None, None]:
        """Yield the positions and readings of the texts, as they come. Closing the iterator ends what is under way.

        An answer that does not fit the schema is asked for once more, with what is wrong about it.

        Raises:
            ChatError: the model cannot be used at all: a wrong key, no such model, no credit left.
        """
        answers: queue.Queue[tuple[int, Reading] | None] = queue.Queue()
        future = asyncio.run_coroutine_threadsafe(self._all(texts, concurrency, answers), event_loop.loop())
        future.add_done_callback(lambda _: answers.put(None))
        try:
            while (item := answers.get()) is not None:
                yield item
            future.result()
        finally:
            future.cancel()

    async def _all(self, texts: Sequence[str], concurrency: int, answers: queue.Queue[Any]) -> None:
        slots = asyncio.Semaphore(concurrency)

        async def one(place: int, text: str) -> None:
            async with slots:
                answers.put((place, await self._one(text)))

        tasks = [asyncio.create_task(one(place, text)) for place, text in enumerate(texts)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, text: str) -> Reading:
        from pydantic_ai import exceptions as failures
        from pydantic_ai.usage import RunUsage
        from tenacity import stop_after_attempt, stop_any

        used = RunUsage()
        patient = retrying(SECONDS)
        answer, reason, passing = None, None, False
        try:
            async with asyncio.timeout(SECONDS):
                attempts = patient.copy(stop=stop_any(patient.stop, stop_after_attempt(MOST_ATTEMPTS)))  # type: ignore[arg-type]
                async for attempt in attempts:
                    with attempt:
                        output = (await self._agent.run(text, usage=used)).output
            answer = validation.json_object(output.model_dump(mode="json"), "it")
        except (InputError, PydanticSerializationError) as error:  # a NUL, NaN: never to be kept, so it would block all
            reason = f"the answer cannot be used: {error}"
        except _unusable() as error:
            why = chat.why(error, SECONDS, MOST_ATTEMPTS)
            raise ChatError(f"{self.name}: {why}. {KEPT}") from error
        except failures.ModelRequestRejectedError as error:  # too long, or what this endpoint does not take
            reason = chat.why(error, SECONDS, MOST_ATTEMPTS)
        except failures.UnexpectedModelBehavior as error:  # malformed twice, cut off, refused
            reason = f"the answer cannot be used: {' '.join(str(error.__cause__ or error).split())[:400]}"
        except (failures.ModelAPIError, TimeoutError) as error:
            reason, passing = chat.why(error, SECONDS, MOST_ATTEMPTS), True
        cost = self.price(used.input_tokens, used.output_tokens)
        if reason is not None:  # it may repeat what the endpoint said
            reason = reason.replace("\0", " ").encode("utf-8", "replace").decode()
        return Reading(answer, reason, used.input_tokens, used.output_tokens, cost, passing)

    def __enter__(self) -> Self:
        event_loop.run(self._provider.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        event_loop.run(self._provider.__aexit__(None, None, None))
