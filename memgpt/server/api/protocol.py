"""HTTP/1.1 that does not wait for ever: for heads, for the rest of bodies nobody wants, for readers of answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_CLOSE = ("Connection", "close")
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientProtocol(H11Protocol):
    """Closes connections whose other side does not do its part in time. Limits of requests hold only once a head is
    there; these hold from the first byte to the last."""

    head_seconds: ClassVar[float] = 20.0
    """For a head to come."""
    rest_seconds: ClassVar[float] = 5.0
    """For the rest of a body whose answer is sent: of a request that was refused by its head."""
    write_seconds: ClassVar[float] = 30.0
    write_bytes: ClassVar[int] = 65_536
    """What the reader of an answer takes in that many seconds, where so much waits."""
    most_connections: ClassVar[int] = 1000
    """Above it the oldest one goes that never showed a key: strangers cannot keep others out."""
    _waiting: asyncio.TimerHandle | None = None
    _watching: asyncio.TimerHandle | None = None
    _since: float = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._since = time.monotonic()
        self._make_room()
        self._wait(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        else:
            self._wait(self.head_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_reader()
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._wait(self.rest_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()
        if self.cycle is not None and self.cycle.response_complete:
            self._watch_reader()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has a head that is too long, as every error is answered."""
        problem = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": msg, "request_id": None}
        body = json.dumps(problem).encode()
        headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))), _CLOSE]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        if len(self.connections) <= self.most_connections:
            return
        strangers = (one for one in self.connections if isinstance(one, PatientProtocol) and not one._has_key())
        oldest = min(strangers, key=lambda one: one._since, default=None)
        if oldest is not None:
            oldest.transport.abort()

    def _has_key(self) -> bool:
        return self.cycle is not None and "caller" in self.cycle.scope["state"]

    def _wait(self, seconds: float) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(seconds, self._close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _watch_reader(self, before: int | None = None) -> None:
        """Look again in a while: by then what waits must be less by a good part, or gone."""
        self._stop_watching()
        size = self.transport.get_write_buffer_size()
        if before is not None and size > max(0, before - self.write_bytes):
            self.transport.abort()
        elif size:
            self._watching = self.loop.call_later(self.write_seconds, self._watch_reader, size)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _close(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE:
            self.transport.write(_TOO_LATE)
        self.transport.close()
