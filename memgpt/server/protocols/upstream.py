"""The upstream: the endpoint at ``MEMGPT_CHAT_BASE_URL``, asked in the protocol that a client speaks."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx

from memgpt.config import Settings
from memgpt.errors import InputError, NoModelError
from memgpt.llm.bounded_http import AnswerTooLargeError
from memgpt.models import Json

log = logging.getLogger("memgpt.server.api")

FAILURES: Final = (httpx.HTTPError, AnswerTooLargeError)
"""Of the way to the upstream and back."""
_SECONDS: Final = httpx.Timeout(600.0, connect=10.0)
_JSON: Final = {"Content-Type": "application/json"}


class Upstream:
    """One address and key, for all protocols that are spoken there."""

    def __init__(self, client: httpx.AsyncClient, options: Settings) -> None:
        self._client = client
        self._root = (options.chat_base_url or "").rstrip("/").removesuffix("/v1")
        self._versioned = (options.chat_base_url or "").rstrip("/")
        self._key = options.chat_api_key.get_secret_value() if options.chat_api_key else None

    @property
    def configured(self) -> bool:
        return bool(self._root)

    def require(self) -> None:
        """Refuse a request where there is no upstream.

        Raises:
            NoModelError: the service has none.
        """
        if not self.configured:
            raise NoModelError("no upstream model is configured: set MEMGPT_CHAT_BASE_URL (and MEMGPT_CHAT_API_KEY)")

    async def openai(
        self, method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask in OpenAI's protocol; the body of the response is yet to be read. The address ends as clients of OpenAI's
        have it, usually in ``/v1``."""
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return await self._send(method, f"{self._versioned}{path}", body, {**(headers or {}), **key})

    async def anthropic(
        self, method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask in Anthropic's protocol, whose clients have the address without ``/v1``: both forms are read."""
        key = {"x-api-key": self._key} if self._key else {}
        return await self._send(method, f"{self._root}/v1{path}", body, {**(headers or {}), **key})

    async def _send(self, method: str, address: str, body: Json | None, headers: Mapping[str, str]) -> httpx.Response:
        content = None if body is None else _encoded(body)
        sending = self._client.build_request(
            method, address, content=content, headers={**headers, **({} if body is None else _JSON)}, timeout=_SECONDS
        )
        return await self._client.send(sending, stream=True)


async def listed(response: httpx.Response) -> list[Json]:
    """Read the list of models of a response, whatever protocol it is in; empty where it is none."""
    try:
        value = json.loads(await response.aread())
    except (*FAILURES, ValueError, RecursionError) as error:
        log.warning("upstream lists no models: %s", type(error).__name__)
        return []
    finally:
        await response.aclose()
    data = value.get("data") if isinstance(value, dict) else None
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _encoded(value: Any) -> bytes:
    """Encode a request to be sent on, halves of surrogate pairs joined or replaced.

    Raises:
        InputError: it has a number that is none in JSON.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InputError(f"the request cannot be written as JSON: {error}") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
