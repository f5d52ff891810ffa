"""REST of a running service, for commands that do without the memory in their own process."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import httpx2

from memgpt.cli.operator.remote import address, is_of_this_machine, parsed, refusal
from memgpt.errors import UnavailableError

_SECONDS: Final = 30.0
"""For an answer: as the service has it."""


class RestClient:
    """The memory of one agent in a running service."""

    def __init__(self, url: str, agent: str, key: str | None, patience: float) -> None:
        parts = address(url)
        path = parts.path.rstrip("/").removesuffix("/mcp")
        self._url = f"{parts.scheme}://{parts.netloc}{path}/v1/agents/{quote(agent, safe='')}"
        self._key = key
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(_SECONDS, connect=patience),
            trust_env=not is_of_this_machine(url),
        )

    def post(self, path: str, **content: Any) -> Any:
        """Send something and return the answer.

        Raises:
            MemgptError: the service is away, or refused it.
        """
        url = f"{self._url}/{path}"
        try:
            response = self._client.post(url, **content)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"no service answers at {url} ({reason}): start it with `memgpt serve`") from error
        is_json = response.headers.get("content-type", "").partition(";")[0].endswith("json")
        body = parsed(response.content) if is_json else None
        if not response.is_success or body is None:
            raise refusal(url, self._key, response.status_code, body)
        return body
