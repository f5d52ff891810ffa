"""Static models of the model2vec family, from a folder or hub: ``model2vec:minishlab/potion-base-8M``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from memgpt.database import forks
from memgpt.embeddings.base import UNLIMITED, Purpose, Usage, Vectors, checked
from memgpt.embeddings.static import encodable, forgetful
from memgpt.errors import ConfigurationError, EmbeddingError, MissingExtraError

if TYPE_CHECKING:
    from model2vec import StaticModel


class Model2Vec:
    """Runs here, reads texts of any length; downloaded by the first call if it is not a folder."""

    max_tokens = UNLIMITED
    price_per_million_tokens: float | None = 0.0

    def __init__(self, source: str, dimensions: int | None) -> None:
        """``dimensions`` keeps the first so many, for models trained to allow that."""
        try:
            import model2vec  # noqa: F401
        except ImportError:
            raise MissingExtraError("model2vec", "model2vec", f"the embedding model 'model2vec:{source}'") from None
        self.name = f"model2vec:{source}"
        self.usage = Usage(self.price_per_million_tokens)
        self._source = source
        self._requested = dimensions
        self._lock = forks.lock()
        self._loaded: StaticModel | None = None

    @property
    def dimensions(self) -> int:
        return int(self._model().dim)

    def embed(self, texts: Sequence[str], *, purpose: Purpose = "document") -> Vectors:  # noqa: ARG002
        """See the contract. A text without any known token gets the mean of all tokens."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        model = self._model()
        clean = [encodable(text) for text in texts]
        vectors = checked(
            self.name,
            [self._filled(vector) for vector in model.encode(clean, max_length=None, use_multiprocessing=False)],
            count=len(texts),
            dimensions=self.dimensions,
        )
        self.usage.add(texts=len(texts), requests=1, tokens=sum(self.count_tokens(clean)))
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in self._model().tokenize([encodable(text) for text in texts])]

    def _filled(self, vector: Vectors) -> Vectors:
        if vector.any():
            return vector
        mean: Vectors = self._model().embedding.mean(axis=0)
        return mean

    def _model(self) -> StaticModel:
        from model2vec import StaticModel

        with self._lock:
            if self._loaded is None:
                try:
                    self._loaded = StaticModel.from_pretrained(
                        self._source, dimensionality=self._requested, max_length=None, force_download=False
                    )
                    forgetful(self._loaded.tokenizer)
                except ValueError as error:
                    raise ConfigurationError(f"{self.name} cannot be loaded: {error}") from error
                except OSError as error:
                    raise EmbeddingError(
                        f"{self.name} cannot be loaded: {error}; give the folder it lies in, or allow the download"
                    ) from error
            return self._loaded
