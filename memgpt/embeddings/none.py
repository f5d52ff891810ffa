"""The model of an installation that stores vectors made elsewhere (``MEMGPT_EMBEDDING_MODEL=none``)."""

from __future__ import annotations

from collections.abc import Sequence

from memgpt.config import NO_MODEL
from memgpt.embeddings.base import UNLIMITED, Purpose, Usage, Vectors
from memgpt.embeddings.static import count_tokens
from memgpt.errors import ConfigurationError


class NoModel:
    """Knows how long the caller's vectors are, and embeds nothing."""

    name = NO_MODEL
    max_tokens = UNLIMITED
    price_per_million_tokens: float | None = 0.0

    def __init__(self, dimensions: int | None = None) -> None:
        self._dimensions = dimensions
        self.usage = Usage(self.price_per_million_tokens)

    @property
    def dimensions(self) -> int:
        if self._dimensions is None:
            raise ConfigurationError(
                "the embedding model is 'none' and the length of your vectors is not known: "
                "set MEMGPT_EMBEDDING_DIMENSIONS"
            )
        return self._dimensions

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:
        raise ConfigurationError(
            f"the embedding model is 'none', so {len(texts)} {purpose} text(s) cannot be embedded: "
            "pass the embeddings with the texts, or set MEMGPT_EMBEDDING_MODEL"
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return count_tokens(texts)
