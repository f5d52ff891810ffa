"""A server on 127.0.0.1 that speaks the chat protocols of several providers, streaming, and misbehaves when told to.

What it says is scripted: a queue of reactions, one for each request, then ``otherwise``.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.chat_dialects import Dialect, Json, Say, dialect

__all__ = ["BreakOff", "ChatServer", "Fail", "Hang", "Page", "Say", "said"]


@dataclass(frozen=True)
class Fail:
    """An error of the endpoint."""

    status: int
    message: str = "no"
    code: str | None = None
    kind: str = "error"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Something that is no answer of a model."""

    body: str
    media_type: str = "text/html"


@dataclass(frozen=True)
class BreakOff:
    """Some of the text, and then: the connection is reset; the body ends as if it were whole; an event that is no JSON;
    an event that says that the provider failed."""

    text: str
    how: Literal["reset", "end", "garbage", "error"] = "reset"


@dataclass(frozen=True)
class Hang:
    """Nothing more is sent, after some of the text."""

    text: str = ""


Reaction = Say | Fail | Page | BreakOff | Hang | Callable[[Json], "Reaction"]


class ChatServer:
    """Answers what ``dialect`` knows."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.bodies: list[bytes] = []
        """The requests as they were received."""
        self.heads: list[tuple[str, Mapping[str, str]]] = []
        """Their addresses, and their headers by lower-case name."""
        self.closing = threading.Event()
        self.hanging = threading.Event()
        self._script: deque[Reaction] = deque()
        self._otherwise: Reaction = Say("ok")
        self._lock = threading.Lock()
        self._calls = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def root(self) -> str:
        """The address without a path, for all but OpenAI's clients."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """The address for OpenAI's clients."""
        return f"{self.root}/v1"

    def script(self, *reactions: Reaction, otherwise: Reaction | None = None) -> None:
        self._script.extend(reactions)
        if otherwise is not None:
            self._otherwise = otherwise

    def reaction(self, body: bytes) -> Say | Fail | Page | BreakOff | Hang:
        request: Json = json.loads(body)
        with self._lock:
            self.requests.append(request)
            self.bodies.append(body)
            reaction = self._script.popleft() if self._script else self._otherwise
        while callable(reaction):
            reaction = reaction(request)
        return reaction

    def call_id(self) -> str:
        with self._lock:
            self._calls += 1
            return f"call_{self._calls}"

    @contextmanager
    def running(self) -> Iterator[ChatServer]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._http.shutdown()
            thread.join()
            self._http.server_close()


def said(request: Json) -> list[tuple[str, str]]:
    """(role, text) of every message of a request in OpenAI's or Anthropic's protocols, the system prompt first."""
    messages = request.get("messages") or request["input"]
    if system := request.get("system") or request.get("instructions"):
        messages = [{"role": "system", "content": system}, *messages]
    return [(message.get("role") or _ROLES[message["type"]], _text(_content(message))) for message in messages]


_ROLES = {"function_call": "assistant", "function_call_output": "tool"}


def _content(message: Json) -> Any:
    return next((message[key] for key in ("content", "output", "arguments") if key in message), "")


def _text(content: Any) -> str:
    """Text of a message: a string, or parts of which some hold others."""
    if isinstance(content, list):
        return "\n".join(_text(part.get("text") or part.get("content") or part.get("input")) for part in content)
    return content if isinstance(content, str) else str(content)


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.heads.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if self.path.startswith("/v1/messages/count_tokens"):
                server.requests.append(json.loads(body))
                self._json({"input_tokens": len(body)})
                return
            speaks = dialect(self.path)
            match server.reaction(body):
                case Fail(status, message, code, kind, headers):
                    error = {"type": "error", "error": {"message": message, "code": code, "type": kind}}
                    self._whole(status, json.dumps(error), {**headers, "Content-Type": "application/json"})
                case Page(text, media_type):
                    self._whole(200, text, {"Content-Type": media_type})
                case BreakOff(text, how):
                    self._broken_off(speaks, json.loads(body), text, how)
                case Hang(text):
                    self._send(speaks, *speaks.events(json.loads(body), Say(text), server.call_id)[:1])
                    server.hanging.set()
                    server.closing.wait()
                    self.close_connection = True
                case Say() as say if speaks.whole is not None and not json.loads(body).get("stream"):
                    self._json(speaks.whole(json.loads(body), say, server.call_id))
                case Say() as say:
                    said, end = speaks.events(json.loads(body), say, server.call_id)
                    self._send(speaks, [*said, *end])
                    self._last()

        def do_GET(self) -> None:
            """The list of models, as Anthropic's clients or as OpenAI's have it."""
            theirs = {"type": "model", "id": "claude", "display_name": "Claude", "created_at": "2026-01-01T00:00:00Z"}
            other = {"id": "gpt", "object": "model", "created": 1, "owned_by": "them"}
            self._json({"data": [theirs if "anthropic-version" in self.headers else other]})

        def _json(self, value: Json) -> None:
            self._whole(200, json.dumps(value), {"Content-Type": "application/json"})

        def _whole(self, status: int, text: str, headers: Mapping[str, str]) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _broken_off(self, speaks: Dialect, request: Json, text: str, how: str) -> None:
            said, end = speaks.events(request, Say(text), server.call_id)
            ends = {"garbage": [speaks.garbage, *end], "error": [speaks.error]}.get(how, [])
            self._send(speaks, [*said, *ends])
            if how == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            else:
                self._last()

        def _send(self, speaks: Dialect, events: Sequence[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", speaks.media_type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events))
            self.wfile.flush()

        def _last(self) -> None:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # a reset leaves nothing to flush
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
