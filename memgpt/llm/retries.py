"""Failures of providers: which are worth another attempt, when, and how the others are explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memgpt.llm.bounded_http import too_large

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

_FIRST_PAUSE = 0.5  # seconds before the second attempt, doubled for each further one
_LONGEST_PAUSE = 20.0


def retrying(timeout: float | None, *also: type[Exception]) -> AsyncRetrying:
    """Repeats what may pass (408, 429, 5xx, broken connections, silence, ``also``) while ``timeout`` seconds allow."""
    from pydantic_ai import exceptions as failures
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay

    passing = (
        *also,
        failures.ModelRateLimitError,
        failures.ModelUnavailableError,
        failures.ModelServerError,
        failures.ModelConnectionError,
        TimeoutError,
    )
    return AsyncRetrying(
        retry=retry_if_exception(
            lambda error: (isinstance(error, passing) or _timed_out(error)) and not too_large(error)
        ),
        wait=_pause,
        stop=stop_after_attempt(1) if timeout is None else stop_before_delay(timeout),
        reraise=True,
    )


def _timed_out(error: BaseException) -> bool:
    return getattr(error, "status_code", None) == 408


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt: what the provider asks for, else exponential with jitter."""
    from tenacity import wait_exponential_jitter

    failure = state.outcome and state.outcome.exception()
    asked = getattr(failure, "retry_after", None)
    if asked is not None:
        return float(asked)
    return wait_exponential_jitter(initial=_FIRST_PAUSE, max=_LONGEST_PAUSE, jitter=_FIRST_PAUSE)(state)


def explained(model: str, error: Exception, timeout: float | None) -> str:
    """Explain a failure at the provider in one line, with what to do."""
    from pydantic_ai import exceptions as failures

    if large := too_large(error):
        return f"{model}: {large}; check that MEMGPT_EMBEDDING_BASE_URL is the API's address; nothing was stored"
    match error:
        case failures.ModelAuthenticationError():  # without the body: some endpoints repeat the key in it
            what = "the endpoint refused the key; set MEMGPT_EMBEDDING_API_KEY or the provider's own variable"
        case failures.ModelQuotaExceededError():
            what = "the account's quota or credit is used up"
        case failures.ModelRateLimitError(retry_after=seconds):
            asks = f" (it asks to wait {seconds:g} s)" if seconds else ""
            what = f"the rate limit did not lift within {timeout} s{asks}; try again later"
        case failures.ModelNotFoundError():
            what = "the endpoint has no such model or address; check MEMGPT_EMBEDDING_MODEL and _BASE_URL"
        case failures.ModelConnectionError():
            what = f"the endpoint cannot be reached: {_brief(error)}"
        case failures.ModelAPIError():
            what = f"the endpoint failed: {_brief(error)}"
        case TimeoutError():
            what = f"no answer within {timeout} s; check that the endpoint is up, or send fewer texts at once"
        case AttributeError() | TypeError() | ValueError() | LookupError():
            # what the clients raise on a 200 whose body is not the JSON they expect, such as a login page
            what = (
                f"the answer is not a list of embeddings ({type(error).__name__}); check that "
                "MEMGPT_EMBEDDING_BASE_URL is the API's address, usually ending in /v1"
            )
        case _:
            what = f"{type(error).__name__}: {_brief(error)}"
    return f"{model}: {what}; nothing was stored"


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
