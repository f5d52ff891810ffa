"""Embedding models behind one small contract, and the function that finds one by name."""

from __future__ import annotations

from memgpt.config import NO_MODEL, OFFLINE_MODEL, Settings
from memgpt.embeddings.base import EmbeddingModel, Purpose, Usage, UsageTotals, Vectors, checked
from memgpt.embeddings.none import NoModel
from memgpt.embeddings.static import StaticModel
from memgpt.errors import ConfigurationError

__all__ = [
    "EmbeddingModel",
    "Purpose",
    "Usage",
    "UsageTotals",
    "Vectors",
    "checked",
    "from_settings",
    "load",
]


def load(
    name: str = OFFLINE_MODEL,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout: float = 60.0,
) -> EmbeddingModel:
    """Load the embedding model of a name: the offline default, ``none``, or ``provider:model``.

    Args:
        name: such as ``wordllama-l2-supercat-256``, ``openai:text-embedding-3-small``,
            ``ollama:nomic-embed-text``; ``docs/embedding-models.md`` lists the providers.
        dimensions: length of the vectors, where the model cannot tell or can be asked for fewer.
        base_url: address of an OpenAI-compatible endpoint that serves the model.
        api_key: absent, the provider's own variable is used, except with ``base_url``.
        timeout: seconds one request to a provider may take, its retries included.

    Raises:
        MissingExtraError: the provider's package is not installed.
        ConfigurationError: no model has that name, or it cannot have that many dimensions.
    """
    if name == NO_MODEL:
        return NoModel(dimensions)
    if name == OFFLINE_MODEL:
        if dimensions not in (None, StaticModel.dimensions):
            raise ConfigurationError(
                f"{name} has {StaticModel.dimensions} dimensions, not {dimensions}: "
                "unset MEMGPT_EMBEDDING_DIMENSIONS or choose another MEMGPT_EMBEDDING_MODEL"
            )
        return StaticModel()
    if name.startswith("model2vec:"):
        from memgpt.embeddings.model2vec import Model2Vec

        return Model2Vec(name.removeprefix("model2vec:"), dimensions)
    if name.startswith("onnx:"):
        from memgpt.embeddings.onnx import OnnxModel

        return OnnxModel(name.removeprefix("onnx:"), dimensions)
    from memgpt.embeddings import providers

    return providers.load(name, dimensions=dimensions, base_url=base_url, api_key=api_key, timeout=timeout)


def from_settings(settings: Settings) -> EmbeddingModel:
    """Load the embedding model that the settings name."""
    key = settings.embedding_api_key
    return load(
        settings.embedding_model,
        dimensions=settings.embedding_dimensions,
        base_url=settings.embedding_base_url,
        api_key=key.get_secret_value() if key else None,
    )
