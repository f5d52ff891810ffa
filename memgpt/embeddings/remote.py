"""A model behind a provider's client: batches, bounded concurrency, retries, deadline, accounting."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from memgpt.database import forks
from memgpt.embeddings.base import Purpose, Usage, Vectors, checked
from memgpt.embeddings.batching import Piece, batches, joined, pieces
from memgpt.embeddings.static import count_tokens
from memgpt.errors import EmbeddingError
from memgpt.llm import event_loop
from memgpt.llm.retries import explained, retrying

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel as Client
    from pydantic_ai.embeddings import EmbeddingResult
    from pydantic_ai.providers import Provider

_HEADROOM = 0.9  # token counts are estimates: texts are cut a little before the model's limit


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Size of one request, and how many requests may run at once."""

    texts: int
    tokens: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Description:
    """Facts about a model that are known before the first request."""

    name: str
    dimensions: int | None
    requested_dimensions: int | None
    """Sent with each request, to models that can shorten their vectors."""
    max_tokens: int
    price: float | None
    limits: RequestLimits


@dataclass(frozen=True, slots=True)
class _Connection:
    loop: asyncio.AbstractEventLoop
    client: Client
    slots: asyncio.Semaphore


class RemoteModel:
    """See the contract. Nothing connects before the first call."""

    def __init__(
        self,
        description: Description,
        connect: Callable[[], tuple[Client, Provider[Any]]],
        *,
        timeout: float | None,
    ) -> None:
        """``timeout``: seconds one request may take with its retries; half of it for one attempt."""
        self.name = description.name
        self.max_tokens = description.max_tokens
        self.price_per_million_tokens = description.price
        self.usage = Usage(description.price)
        self._dimensions = description.dimensions
        self._requested_dimensions = description.requested_dimensions
        self._limits = description.limits
        self._connect = connect
        self._timeout = timeout
        self._lock = forks.lock()
        self._connection: _Connection | None = None

    @property
    def dimensions(self) -> int:
        """Known, configured, or learned from one short request."""
        if self._dimensions is None:
            self._compute(["dimensions"], "document")
            assert self._dimensions is not None  # noqa: S101 - set by every successful request
        return self._dimensions

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:
        """See the contract. Equal texts are asked for once; all vectors arrive or none."""
        dimensions = self.dimensions
        if not texts:
            return np.empty((0, dimensions), dtype=np.float32)
        distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        vectors = self._compute([*distinct], purpose)
        self.usage.add(texts=len(texts), cached=len(texts) - len(distinct))
        places = [distinct[text] for text in texts]
        return checked(self.name, vectors[places], count=len(texts), dimensions=dimensions)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_tokens(texts)

    def _compute(self, texts: list[str], purpose: Purpose) -> Vectors:
        parts = pieces(texts, max(int(self.max_tokens * _HEADROOM), 1))
        cuts = list(batches(parts, max_texts=self._limits.texts, max_tokens=self._limits.tokens))
        connection = self._connected()
        answers = event_loop.run(self._all(connection, [parts[cut] for cut in cuts], purpose))
        if len({answer.shape[1] for answer in answers}) > 1:
            raise EmbeddingError(f"{self.name} returned vectors of different lengths to one call")
        vectors = joined(parts, np.concatenate(answers), len(texts))
        self._dimensions = vectors.shape[1]
        return checked(self.name, vectors, count=len(texts), dimensions=self._dimensions)

    def _connected(self) -> _Connection:
        with self._lock:
            loop = event_loop.loop()
            if self._connection is None or self._connection.loop is not loop:
                client, provider = self._connect()
                event_loop.run(provider.__aenter__())
                closing = weakref.finalize(self, event_loop.later, partial(provider.__aexit__, *[None] * 3), loop)
                closing.atexit = False  # sockets end with the process anyway
                slots = asyncio.Semaphore(self._limits.concurrency)
                self._connection = _Connection(loop, client, slots)
            return self._connection

    async def _all(self, connection: _Connection, groups: list[list[Piece]], purpose: Purpose) -> list[Vectors]:
        tasks = [asyncio.create_task(self._one(connection, group, purpose)) for group in groups]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # the first failure ends the others
                task.cancel()

    async def _one(self, connection: _Connection, group: list[Piece], purpose: Purpose) -> Vectors:
        async with connection.slots:
            answer = await self._asked(connection.client, [piece.text for piece in group], purpose)
        tokens = answer.usage.input_tokens or sum(piece.tokens for piece in group)
        self.usage.add(tokens=tokens)
        return checked(self.name, answer.embeddings, count=len(group), dimensions=self._dimensions)

    async def _asked(self, client: Client, texts: list[str], purpose: Purpose) -> EmbeddingResult:
        from pydantic_ai.embeddings import EmbeddingSettings
        from pydantic_ai.exceptions import ModelAPIError

        settings = EmbeddingSettings()
        if self._requested_dimensions is not None:
            settings["dimensions"] = self._requested_dimensions
        failure: ModelAPIError | None = None

        async def attempt() -> EmbeddingResult:
            nonlocal failure
            self.usage.add(requests=1)
            try:
                async with asyncio.timeout(self._timeout and self._timeout / 2):
                    return await client.embed(texts, input_type=purpose, settings=settings)
            except ModelAPIError as error:
                failure = error
                raise

        try:
            async with asyncio.timeout(self._timeout):
                return await retrying(self._timeout)(attempt)
        except TimeoutError as error:
            raise EmbeddingError(explained(self.name, failure or error, self._timeout)) from failure
        except Exception as error:  # whatever the providers' libraries raise
            raise EmbeddingError(explained(self.name, error, self._timeout)) from error
