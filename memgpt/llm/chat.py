"""Chat models by their names. The clients are pydantic-ai's; memgpt writes none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memgpt.errors import ConfigurationError, MissingExtraError
from memgpt.llm.bounded_http import bound_provider, too_large
from memgpt.llm.names import SELF_HOSTED_ADDRESSES

if TYPE_CHECKING:
    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider

_EXTRAS: Final = {
    **{name: name for name in ("anthropic", "google", "cohere", "bedrock")},
    "google-cloud": "google",
    **dict.fromkeys(("groq", "mistral", "huggingface", "xai")),
}
"""The extra that brings the client of a provider, None where none does; all others speak through OpenAI's."""


class BrokenAnswerError(Exception):
    """Truncated or malformed response of a model: a stream that was cut, no JSON, a page of something else."""


def connected(name: str, base_url: str | None, api_key: str | None) -> tuple[Model, Provider[Any]]:
    """Return the model of a name such as ``openai:gpt-5``, at ``base_url`` if one is given, and its provider.

    Raises:
        MissingExtraError: the provider's package is not installed.
        ConfigurationError: there is no such model, or no key for it.
    """
    family, _, model = name.partition(":")
    extra = _EXTRAS.get(family, "openai")
    if not model:
        raise ConfigurationError(f"a chat model is named provider:model, such as openai:gpt-5, not {name!r}")
    try:
        from pydantic_ai.models import infer_model
    except ImportError:
        raise MissingExtraError("pydantic_ai", extra or "openai", f"the chat model {name!r}") from None
    speaker = "openai-chat" if base_url and extra == "openai" and family != "openai-responses" else family

    if base_url and family == "cohere":
        raise ConfigurationError(f"{name}: unset MEMGPT_CHAT_BASE_URL; the address for Cohere's client is CO_BASE_URL")
    providers: list[Provider[Any]] = []

    def provider(family: str) -> Provider[Any]:
        from pydantic_ai.providers import infer_provider_class

        arguments = {"api_key": api_key} if api_key else {}
        if address := base_url or SELF_HOSTED_ADDRESSES.get(family):
            arguments["base_url"] = address
        if base_url and family != "bedrock":  # an address of the user's own never gets the provider's key
            arguments.setdefault("api_key", "not-needed")
        providers.append(infer_provider_class(family)(**arguments))
        bound_provider(providers[-1])
        return providers[-1]

    try:
        return infer_model(f"{speaker}:{model}", provider_factory=provider), providers[-1]
    except ImportError as error:
        if extra is None:
            raise ConfigurationError(f"the chat model {name!r} cannot be used: {error}") from error
        raise MissingExtraError(error.name or extra, extra, f"the chat model {name!r}") from error
    except Exception as error:  # each provider's library has its own for a missing key, region or project
        why = str(error).partition(". ")[0]
        raise ConfigurationError(
            f"the chat model {name} cannot be used: {why}. The key may be given in MEMGPT_CHAT_API_KEY too"
        ) from error


def price(model: Model, sent: int, answered: int) -> float | None:
    """US dollars for so many tokens; None where the list price is not known."""
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=sent, output_tokens=answered)
    try:
        return float(calc_price(usage, model.model_name, provider_id=model.system).total_price)
    except LookupError:
        return None


def why(error: BaseException, seconds: float, attempts: int) -> str:
    """Explain a failure at the provider in one line, with what to do."""
    from pydantic_ai import exceptions as failures

    brief = " ".join(str(error).split())[:300]
    if large := too_large(error):
        return f"{large}; check that MEMGPT_CHAT_BASE_URL is the API's address"
    match error:
        case failures.ModelContextWindowExceededError():
            return f"the text is longer than the model's window: {brief}"
        case failures.ModelAuthenticationError():  # without the body: some endpoints repeat the key in it
            return "the endpoint refused the key; set MEMGPT_CHAT_API_KEY or the provider's own variable"
        case failures.ModelQuotaExceededError():
            return "the account's quota or credit is used up"
        case failures.ModelRateLimitError():
            return f"the rate limit did not lift in {attempts} attempts within {seconds:g} s; try again later"
        case failures.ModelNotFoundError():
            return "the endpoint has no such model or address; check MEMGPT_CHAT_MODEL and MEMGPT_CHAT_BASE_URL"
        case failures.ModelConnectionError():
            return f"the endpoint cannot be reached, or broke off: {brief}"
        case BrokenAnswerError():
            return f"no whole answer of a model came ({brief}); check that MEMGPT_CHAT_BASE_URL is the API's address"
        case TimeoutError() | failures.ModelRequestTimeout():
            return f"no whole answer within {seconds:g} s"
        case _:
            return f"the endpoint failed: {type(error).__name__}: {brief}"
