"""Model names such as ``openai:text-embedding-3-small``, and the provider clients behind them.

The clients are pydantic-ai's; memgpt writes none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memgpt.config import OFFLINE_MODEL
from memgpt.embeddings import catalog
from memgpt.embeddings.remote import Description, RemoteModel, RequestLimits
from memgpt.errors import ConfigurationError, MissingExtraError
from memgpt.llm.bounded_http import MOST_BYTES, bound_provider
from memgpt.llm.names import SELF_HOSTED_ADDRESSES

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel as Client
    from pydantic_ai.providers import Provider

_UNDESCRIBED_MAX_TOKENS = 512
"""Every embedding model in use reads at least this much at once."""

_HOSTED = RequestLimits(texts=256, tokens=100_000, concurrency=8)
_SELF_HOSTED = RequestLimits(texts=32, tokens=8_000, concurrency=4)  # a CPU answers these within the deadline


_VECTOR_BYTES = 200_000
"""Of one embedding in an answer, at most: 8,192 numbers as JSON."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Client and limits behind one prefix of model names."""

    package: str
    extra: str
    limits: RequestLimits
    speaks_openai: bool = False


def _openai(limits: RequestLimits) -> _Family:
    return _Family("openai", "openai", limits, speaks_openai=True)


_FAMILIES = {
    "openai": _openai(_HOSTED),
    "azure": _openai(_HOSTED),
    "openrouter": _openai(_HOSTED),
    "together": _openai(_HOSTED),
    "fireworks": _openai(_HOSTED),
    "nebius": _openai(_HOSTED),
    "litellm": _openai(_HOSTED),
    "ollama": _openai(_SELF_HOSTED),
    "vllm": _openai(_SELF_HOSTED),
    # the counts below are what each API accepts in one request
    "google": _Family("google.genai", "google", RequestLimits(texts=100, tokens=20_000, concurrency=4)),
    "google-cloud": _Family("google.genai", "google", RequestLimits(texts=1, tokens=20_000, concurrency=8)),
    "cohere": _Family("cohere", "cohere", RequestLimits(texts=96, tokens=100_000, concurrency=4)),
    "voyageai": _Family("voyageai", "voyage", RequestLimits(texts=128, tokens=100_000, concurrency=4)),
    "bedrock": _Family("boto3", "bedrock", RequestLimits(texts=96, tokens=100_000, concurrency=4)),
    "sentence-transformers": _Family(
        "sentence_transformers", "sentence-transformers", RequestLimits(texts=256, tokens=100_000, concurrency=1)
    ),
}
_ALIASES = {"voyage": "voyageai", "google-gla": "google", "gemini": "google", "google-vertex": "google-cloud"}
LOCAL = frozenset({"ollama", "vllm", "sentence-transformers", "model2vec"})
"""Prefixes of models that run where the user says: they cost nothing a token."""


def load(
    name: str,
    *,
    dimensions: int | None,
    base_url: str | None,
    api_key: str | None,
    timeout: float,
) -> RemoteModel:
    """Load the model behind a provider or an OpenAI-compatible address."""
    family, model = _parsed(name, base_url)
    kind = _FAMILIES[family]
    for package in ("pydantic_ai", kind.package):
        if not _installed(package):
            raise MissingExtraError(package, kind.extra, f"the embedding model {name!r}")
    entry = catalog.find(model)
    requested = None
    if entry and dimensions not in (None, entry.dimensions):
        if entry.shortens:
            requested = dimensions
        elif base_url is None:
            raise ConfigurationError(
                f"{name} has {entry.dimensions} dimensions, not {dimensions}: unset MEMGPT_EMBEDDING_DIMENSIONS"
            )
    description = Description(
        name=model if family == "openai" else f"{family}:{model}",
        dimensions=dimensions or (entry.dimensions if entry else None),
        requested_dimensions=requested,
        max_tokens=entry.max_tokens if entry else _UNDESCRIBED_MAX_TOKENS,
        price=0.0 if family in LOCAL else entry.price if entry else None,
        limits=_SELF_HOSTED if base_url else kind.limits,
    )
    connect = partial(_connected, family, model, base_url, api_key)
    deadline = None if family == "sentence-transformers" else timeout  # the first call downloads the model
    return RemoteModel(description, connect, timeout=deadline)


def price(name: str) -> float | None:
    """US dollars per million tokens of a model by its stored name, at list price; None where that is not known."""
    family, _, model = name.partition(":")
    if name == OFFLINE_MODEL or family in LOCAL:
        return 0.0
    entry = catalog.find(model if family in _FAMILIES else name)
    return entry.price if entry else None


def _parsed(name: str, base_url: str | None) -> tuple[str, str]:
    """Return the family and the model as the provider calls it."""
    prefix, colon, rest = name.partition(":")
    family = _ALIASES.get(prefix, prefix)
    if colon and rest and family in _FAMILIES:
        if base_url and not _FAMILIES[family].speaks_openai:
            raise ConfigurationError(
                f"MEMGPT_EMBEDDING_BASE_URL is the address of an OpenAI-compatible endpoint; "
                f"{name} is not served by one: unset it"
            )
        return family, rest
    if base_url or name.startswith("text-embedding-"):
        return "openai", name
    raise ConfigurationError(
        f"no embedding model is called {name!r}: write provider:model with one of the providers "
        f"{', '.join(_FAMILIES)}, model2vec; or set MEMGPT_EMBEDDING_BASE_URL"
    )


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        return False


def _connected(family: str, model: str, base_url: str | None, api_key: str | None) -> tuple[Client, Provider[Any]]:
    from pydantic_ai.embeddings import infer_embedding_model

    speaker = "openai" if base_url else family
    kind = _FAMILIES[family]
    if family == "sentence-transformers":
        _no_progress_bars()
    try:
        provider = _provider(speaker, base_url, api_key)
        bound_provider(provider, max(MOST_BYTES, _VECTOR_BYTES * kind.limits.texts))
        return infer_embedding_model(f"{speaker}:{model}", provider_factory=lambda _: provider), provider
    except Exception as error:  # each provider's library has its own for a missing key, region or project
        why = str(error).partition(". ")[0]  # the rest is advice about other products
        raise ConfigurationError(
            f"the embedding model {family}:{model} cannot be used: {why}. The key may be given in "
            "MEMGPT_EMBEDDING_API_KEY too"
        ) from error


def _no_progress_bars() -> None:
    """Silence the progress bars of model libraries: nobody asked for them."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _provider(family: str, base_url: str | None, api_key: str | None) -> Provider[Any]:
    """Return the provider to talk to, with its key."""
    from pydantic_ai.providers import infer_provider_class

    arguments: dict[str, str] = {}
    if api_key:
        arguments["api_key"] = api_key
    if base_url:  # an address of the user's own never gets OPENAI_API_KEY
        arguments = {"base_url": base_url, "api_key": api_key or "not-needed"}
    elif family in SELF_HOSTED_ADDRESSES:
        arguments["base_url"] = SELF_HOSTED_ADDRESSES[family]
    provider = infer_provider_class(family)(**arguments)
    if _FAMILIES[family].speaks_openai:
        provider.client.max_retries = 0  # retries are RemoteModel's, the same for every provider
    return provider
