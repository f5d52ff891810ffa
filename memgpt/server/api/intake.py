"""Bodies: how they arrive, how long that may take, and what shape their JSON may have."""

from __future__ import annotations

import asyncio
import time
from itertools import accumulate
from typing import Final

from starlette.types import Receive

from memgpt.server.api.problems import Refused

_STEP: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in _STEP)
_SLICE: Final = 65_536
"""Bytes that are looked at without a pause: other requests are served in between."""


class JsonShape:
    """Counts the levels, brackets and names of a JSON text piece by piece, in linear time, without building anything.

    What is no JSON may be counted wrongly; the parser refuses it at its first wrong character.
    """

    def __init__(self, *, depth: int, values: int) -> None:
        self._most_depth = depth
        self._most_values = values
        self._depth = 0
        self._values = 0
        self._in_text = False
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Count one more piece.

        Raises:
            Refused: the text is nested too deeply, or has too many objects, lists and names.
        """
        piece = self._rest + piece
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        self._rest = b"\\" if backslashes % 2 else b""
        piece = piece[: len(piece) - len(self._rest)]
        pieces = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b" ".join(pieces[1 if self._in_text else 0 :: 2])
        self._in_text ^= len(pieces) % 2 == 0
        brackets = outside.translate(None, _NO_BRACKET)
        opened = brackets.count(b"{") + brackets.count(b"[")
        if self._depth + len(brackets) > self._most_depth:
            self._refuse_deep(brackets)
        self._depth += 2 * opened - len(brackets)
        self._values += opened + outside.count(b":")
        if self._values > self._most_values:
            raise Refused(
                422, f"the JSON has more than {self._most_values:,} objects, lists and names: send it in parts"
            )

    def _refuse_deep(self, brackets: bytes) -> None:
        if max(accumulate(map(_STEP.__getitem__, brackets), initial=self._depth)) > self._most_depth:
            raise Refused(400, f"the JSON is nested deeper than {self._most_depth} levels")


class Intake:
    """Reads bodies: at most so many bytes, within so many seconds, never quiet for long."""

    def __init__(self, *, most: int, seconds: float, quiet_seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._quiet_seconds = quiet_seconds

    def size(self, length: str | None, chunked: bool) -> int:
        """Return the bytes to expect, by the head.

        Raises:
            Refused: they are too many.
        """
        if length is None:
            return self._most if chunked else 0
        if not (length.isascii() and length.isdigit()) or len(length) > 20 or int(length) > self._most:
            raise Refused(413, f"the body is larger than {self._most:,} bytes: send it in parts")
        return int(length)

    async def read(self, receive: Receive, shape: JsonShape | None) -> bytes:
        """Read the whole body.

        Raises:
            Refused: it is too large, too slow, ends early, or has a shape it must not have.
        """
        chunks, size = [], 0
        ends = time.monotonic() + self._seconds
        while True:
            chunk, more = await self._chunk(receive, ends)
            size += len(chunk)
            if size > self._most:
                raise Refused(413, f"the body is larger than {self._most:,} bytes: send it in parts")
            chunks.append(chunk)
            if shape is not None:
                await _count(shape, chunk)
            if not more:
                return b"".join(chunks)

    async def _chunk(self, receive: Receive, ends: float) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(min(self._quiet_seconds, ends - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise Refused(408, f"the body did not arrive within {self._seconds:g} s") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "the body ended early")
        return message.get("body", b""), message.get("more_body", False)


async def _count(shape: JsonShape, chunk: bytes) -> None:
    for start in range(0, len(chunk), _SLICE):
        if start:
            await asyncio.sleep(0)
        shape.feed(chunk[start : start + _SLICE])
