"""The MCP endpoint of a running service, as a client without MCP's SDK reaches it over streamable HTTP.

It understands of the messages what the transport needs: their version, the session, and what was subscribed to.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2

from memgpt.errors import AccessError, InputError, MemgptError, UnavailableError

Message = dict[str, Any]

_SESSION: Final = "Mcp-Session-Id"
_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
"""Where a request says in which version of the protocol it is, from 2026-07-28 on."""
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods with a name that the header ``Mcp-Name`` repeats, and where the name is."""
_PLAIN: Final = re.compile(r"(?!=\?base64\?)[!-~](?:[ -~]*[!-~])?")
"""What a header takes as it is."""
_RETRY: Final = 0.25
"""Seconds between two attempts to reach a service that is away."""
_SILENCE: Final = 60.0
"""Seconds without a sign of life after which a stream is opened anew: the service gives one every 15."""
_ANSWER: Final = 600.0
"""Seconds of silence in an answer."""
_PARTING: Final = 5.0
"""Seconds for ending a session."""


def address(url: str) -> SplitResult:
    """Return the parts of the address of a service.

    Raises:
        InputError: it is none, or has a password in it.
    """
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        named = None
    if not named:
        raise InputError(f"--connect takes the address of `memgpt serve`, such as http://127.0.0.1:8283, not {url!r}")
    if parts.username or parts.password:
        raise InputError("--connect takes no name or password, which others could read: set MEMGPT_API_KEY")
    return parts


def endpoint(url: str, agent: str | None) -> str:
    """Return the address of a service's MCP endpoint for one agent."""
    parts = address(url)
    query = dict(parse_qsl(parts.query)) | ({"agent": agent} if agent else {})
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") or "/mcp", urlencode(query), ""))


def is_of_this_machine(url: str) -> bool:
    """Tell whether an address is of this machine, which no proxy leads to."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


class Remote:
    """The MCP endpoint of a running service, and the session with it."""

    def __init__(self, url: str, key: str | None, patience: float) -> None:
        self._url = url
        self._key = key
        self._patience = patience
        self._greeting: Message | None = None
        self._renewing = asyncio.Lock()
        self._version: str | None = None
        self.session: str | None = None
        self.subscribed: set[str] = set()
        self.reached = False
        """Whether any message got through."""
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=4),
            timeout=httpx2.Timeout(_ANSWER, connect=patience),
            trust_env=not is_of_this_machine(url),
        )

    async def exchange(self, message: Message) -> AsyncIterator[Message]:
        """Send a message, and yield what comes back because of it, as it comes.

        Raises:
            MemgptError: the service is away, refused it, or broke off.
        """
        session = self.session
        async with self._sent("POST", message) as response:
            if not (session and response.status_code == 404 and message.get("method") != "initialize"):
                async for reply in self._answer(message, response):
                    yield reply
                return
            await response.aread()
        await self.renew(session)
        async for reply in self._once(message):
            yield reply

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[Message] | None]:
        """Open the stream of what the service says by itself; None where it was not opened, but may be later.

        Raises:
            MemgptError: there is no such stream, or the service is away.
        """
        session = self.session
        async with self._sent("GET", None) as response:
            if session and response.status_code == 404:
                await response.aread()
                await self.renew(session)
                yield None
            elif response.status_code == 429 or response.status_code >= 500:
                yield None
            else:
                yield self._replies(response)

    async def renew(self, session: str) -> None:
        """Begin a new session in the place of one that the service does not know any more, with its subscriptions."""
        async with self._renewing:
            if self.session != session or self._greeting is None:
                return
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            wanted: list[Message] = [
                {"jsonrpc": "2.0", "id": f"bridge-{n}", "method": "resources/subscribe", "params": {"uri": uri}}
                for n, uri in enumerate(sorted(self.subscribed))
            ]
            for message in (self._greeting, ready, *wanted):
                async for _ in self._once(message):  # another process may not know the new one: once is enough
                    pass

    async def _once(self, message: Message) -> AsyncIterator[Message]:
        async with self._sent("POST", message) as response:
            async for reply in self._answer(message, response):
                yield reply

    async def _answer(self, message: Message, response: httpx2.Response) -> AsyncIterator[Message]:
        async for reply in self._replies(response):
            self._note(message, reply, response)
            yield reply

    async def close(self) -> None:
        """End the session."""
        if self.session:
            with suppress(httpx2.TransportError):  # else it ends by itself
                await self._client.delete(self._url, headers={_SESSION: self.session}, timeout=_PARTING)
        await self._client.aclose()

    @asynccontextmanager
    async def _sent(self, verb: str, message: Message | None) -> AsyncIterator[httpx2.Response]:
        """Send, and again while the service is away, unless that could do something twice."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        body = None if message is None else json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
        timeout = httpx2.Timeout(_SILENCE if message is None else _ANSWER, connect=self._patience)
        while True:
            request = self._client.build_request(
                verb, self._url, content=body, headers=self._headers(message), timeout=timeout
            )
            try:
                response = await self._client.send(request, stream=True)
                break
            except httpx2.TransportError as error:
                once = (message or {}).get("method") == "tools/call"
                if once and not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                    raise self._broken() from error
                if loop.time() > until:
                    raise self._away(error) from error
                await asyncio.sleep(_RETRY)
        try:
            yield response
        finally:
            await response.aclose()

    def _headers(self, message: Message | None) -> dict[str, str]:
        headers = {"Accept": "application/json, text/event-stream" if message else "text/event-stream"}
        if message is not None:
            headers["Content-Type"] = "application/json"
        if version := version_of(message):
            method, parameters = str((message or {}).get("method", "")), _object(_object(message).get("params"))
            headers |= {"MCP-Protocol-Version": version, "Mcp-Method": _encoded(method)}
            if isinstance(name := parameters.get(_NAMED.get(method, "")), str):
                headers["Mcp-Name"] = _encoded(name)
        elif (message or {}).get("method") != "initialize":
            headers |= {_SESSION: self.session} if self.session else {}
            headers |= {"MCP-Protocol-Version": self._version} if self._version else {}
        return headers

    async def _replies(self, response: httpx2.Response) -> AsyncIterator[Message]:
        """Yield the messages of an answer: of a stream each as it comes.

        Raises:
            MemgptError: the service refused, or the stream broke off.
        """
        try:
            if _kind(response) == "text/event-stream":
                self.reached = True
                async for event in httpx2.EventSource(response, max_event_size=None):
                    if isinstance(message := parsed(event.data), dict):
                        yield message
                return
            body = await response.aread()
        except (httpx2.TransportError, httpx2.SSEError) as error:
            raise self._broken() from error
        if response.status_code == 202 and not body:
            self.reached = True
            return
        answer = parsed(body) if _kind(response) == "application/json" else None
        if not isinstance(answer, dict) or "jsonrpc" not in answer:
            raise refusal(self._url, self._key, response.status_code, parsed(body))
        self.reached = True
        yield answer

    def _note(self, message: Message, reply: Message, response: httpx2.Response) -> None:
        """Note of an exchange what later ones need."""
        method, result = message.get("method"), reply.get("result")
        uri = _object(message.get("params")).get("uri")
        if not isinstance(result, dict) or reply.get("id") != message.get("id"):
            return
        if method == "initialize":
            self._greeting = message
            self.session = response.headers.get(_SESSION)
            self._version = result.get("protocolVersion")
        elif method == "resources/subscribe" and isinstance(uri, str):
            self.subscribed.add(uri)
        elif method == "resources/unsubscribe":
            self.subscribed.discard(str(uri))

    def _away(self, error: Exception) -> UnavailableError:
        reason = str(error) or type(error).__name__
        return UnavailableError(
            f"no service answers at {self._url} ({reason}): start it with `memgpt serve`, or correct --connect"
        )

    def _broken(self) -> UnavailableError:
        return UnavailableError(
            f"the connection to {self._url} broke before the answer came: what was asked may have been done"
        )


def refusal(url: str, key: str | None, status: int, body: Any) -> MemgptError:
    """Return the error of an answer that is none of memgpt's, or a refusal."""
    detail = body.get("detail") if isinstance(body, dict) else None
    says = f" ({detail})" if detail else ""
    match status:
        case 401 if not key:
            return AccessError(f"{url} needs a key: set MEMGPT_API_KEY to one of `memgpt key create`")
        case 401:
            return AccessError(f"{url} refused the key{says}: set MEMGPT_API_KEY to a valid one of `memgpt key create`")
        case 403 | 421:
            return AccessError(f"{url} refused the request{says or f' with status {status}'}")
        case 429 | 503:
            return UnavailableError(f"the service at {url} is busy{says}: try again in a moment")
    return InputError(
        f"{url} does not answer as memgpt does (status {status}){says}: --connect takes the address of `memgpt serve`, "
        "such as http://127.0.0.1:8283"
    )


def version_of(message: Message | None) -> str | None:
    """Return the version of the protocol that a message names; None for the versions that agree on it beforehand."""
    meta = _object(_object(message).get("params")).get("_meta")
    version = _object(meta).get(_VERSION)
    return version if isinstance(version, str) else None


def parsed(text: bytes | str) -> Any:
    """Return a JSON value; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> Message:
    return value if isinstance(value, dict) else {}


def _kind(response: httpx2.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _encoded(value: str) -> str:
    """Return a value as a header of MCP carries it: in base64 where it is not plain."""
    return value if _PLAIN.fullmatch(value) else f"=?base64?{b64encode(value.encode()).decode()}?="
