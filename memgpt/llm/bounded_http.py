"""Answers of other servers that end: no provider fills this process's memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Final

MOST_BYTES: Final = 16 * 2**20
"""Of one answer."""
MOST_LINES: Final = 200_000
"""Of an answer that is a stream of events: each costs more to read than its bytes."""
MOST_LINE: Final = 2 * 2**20
"""Bytes of one such line: what reads them begins anew with each piece that comes."""


class AnswerTooLargeError(Exception):
    """The other side sends more than any answer has."""


def bound(client: Any, most: int = MOST_BYTES) -> Any:
    """Let a client of httpx, or of its successor httpx2, read at most so many bytes of an answer.

    It asks for answers that are not compressed and takes no others: a small one may be large when it is unpacked.
    """

    async def plain(request: Any) -> None:
        request.headers["Accept-Encoding"] = "identity"

    async def bounded(response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise AnswerTooLargeError("the answer is compressed, though that was not asked for")
        response.stream = _bounded(response, most)

    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], plain], "response": [*hooks["response"], bounded]}
    return client


def bound_provider(provider: Any, most: int = MOST_BYTES) -> None:
    """Bound the client that a provider of pydantic-ai makes for itself, which has no public name."""
    make = provider._http_client_factory
    if make is None:  # its library has no such client: Amazon's, xAI's
        return
    bound(provider._own_http_client, most)
    provider._http_client_factory = lambda: bound(make(), most)


def too_large(error: BaseException | None) -> AnswerTooLargeError | None:
    """Return the error for an oversized response behind an error of a provider's library; None if that is not the
    cause."""
    while error is not None and not isinstance(error, AnswerTooLargeError):
        error = error.__cause__ or error.__context__
    return error


def _bounded(response: Any, most: int) -> Any:
    library = import_module(type(response).__module__.partition(".")[0])
    stream = response.stream
    events = response.headers.get("content-type", "").startswith("text/event-stream")

    class Bounded(library.AsyncByteStream):  # type: ignore[misc,name-defined]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = lines = line = 0
            async for chunk in stream:
                size += len(chunk)
                lines += chunk.count(b"\n")
                line = len(chunk) - chunk.rfind(b"\n") - 1 if b"\n" in chunk else line + len(chunk)
                if events and lines > MOST_LINES:
                    raise AnswerTooLargeError(f"the answer has more than {MOST_LINES:,} lines")
                if events and line > MOST_LINE:
                    raise AnswerTooLargeError(f"the answer has a line of more than {MOST_LINE:,} bytes")
                if size > most:
                    raise AnswerTooLargeError(f"the answer is larger than {most:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
