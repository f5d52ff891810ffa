"""Embedding models behind one small contract, and the function that finds one by name."""

from __future__ import annotations

from memgpt.config import NO_MODEL, OFFLINE_MODEL, Settings
from memgpt.embeddings.absent import NoModel
from memgpt.embeddings.contract import (
    EmbeddingCache,
    EmbeddingModel,
    Purpose,
    Usage,
    UsageTotals,
    Vectors,
    checked,
)
from memgpt.embeddings.static import StaticModel
from memgpt.errors import ConfigurationError

__all__ = [
    "EmbeddingCache",
    "EmbeddingModel",
    "Purpose",
    "Usage",
    "UsageTotals",
    "Vectors",
    "checked",
    "from_settings",
    "load",
]


def load(name: str = OFFLINE_MODEL, *, dimensions: int | None = None) -> EmbeddingModel:
    """The embedding model of that name.

    Raises:
        ConfigurationError: no model has that name, or it cannot have that many dimensions.
    """
    if name == NO_MODEL:
        return NoModel(dimensions)
    if name == OFFLINE_MODEL:
        if dimensions not in (None, StaticModel.dimensions):
            raise ConfigurationError(f"{name} has {StaticModel.dimensions} dimensions, not {dimensions}")
        return StaticModel()
    raise ConfigurationError(f"no embedding model is called {name!r}")


def from_settings(settings: Settings) -> EmbeddingModel:
    """The embedding model the settings name."""
    return load(settings.embedding_model, dimensions=settings.embedding_dimensions)
