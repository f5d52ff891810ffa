"""A server on 127.0.0.1 that speaks OpenAI's HTTP protocol (and others' for embeddings), and misbehaves when told to.

Embeddings are a function of the text alone: unit vectors drawn from a generator seeded by its hash.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tests import embedding_dialects


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        """Of a request for embeddings."""
        return embedding_dialects.asked(self.path, self.body)[0]


@dataclass(frozen=True)
class Answer:
    """What the server sends back. ``truncated`` announces more bytes than it sends."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    truncated: bool = False


Reaction = Callable[["OpenAIServer", Request, BaseHTTPRequestHandler], Answer | None]
"""Answers a request; None when it dealt with the connection itself."""


class OpenAIServer:
    """Answers ``/v1/embeddings``, and chats as scripted; queued reactions are used first, one per request."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.most_at_once = 0
        self._at_once = 0
        self._script: deque[Reaction] = deque()
        self._otherwise: Reaction = embeddings
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def root(self) -> str:
        """The address without a path."""
        return self.url.removesuffix("/v1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def script(self, *reactions: Reaction, otherwise: Reaction | None = None) -> None:
        """Use these for the next requests, then ``otherwise`` (the right answer) for all others."""
        self._script.extend(reactions)
        self._otherwise = otherwise or embeddings

    def react(self, request: Request, handler: BaseHTTPRequestHandler) -> Answer | None:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            reaction = self._script.popleft() if self._script else self._otherwise
        try:
            return reaction(self, request, handler)
        finally:
            with self._lock:
                self._at_once -= 1

    @contextmanager
    def running(self) -> Iterator[OpenAIServer]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._http.shutdown()
            thread.join()
            self._http.server_close()


def vector(text: str, dimensions: int) -> list[float]:
    """The embedding this server gives the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return [float(value) for value in values / np.linalg.norm(values)]


def embeddings(server: OpenAIServer, request: Request, _handler: BaseHTTPRequestHandler) -> Answer:
    """The right answer."""
    texts, dimensions = embedding_dialects.asked(request.path, request.body)
    return listing(request, [vector(text, dimensions or server.dimensions) for text in texts])


def listing(request: Request, vectors: Sequence[Sequence[float]]) -> Answer:
    """These vectors, encoded as the request asks."""
    counted = {embedding_dialects.BEDROCK_COUNT: str(embedding_dialects.TOKENS * len(vectors))}
    return reply(embedding_dialects.answer(request.path, request.body, vectors), headers=counted)


def reply(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


def fails(status: int, message: str = "no", **headers: str) -> Reaction:
    """An error as OpenAI words it; ``Retry_After="1"`` becomes a header."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _server, _request, _handler: reply({"error": {"message": message}}, status, sent)


def answers(answer: Answer) -> Reaction:
    return lambda _server, _request, _handler: answer


def vectors_of(make: Callable[[int], Sequence[Sequence[float]]]) -> Reaction:
    """Whatever ``make`` gives for the number of texts."""
    return lambda _server, request, _handler: listing(request, make(len(request.texts)))


def hangs(server: OpenAIServer, _request: Request, _handler: BaseHTTPRequestHandler) -> None:
    """Nothing is ever sent."""
    server.closing.wait()


def resets(_server: OpenAIServer, _request: Request, handler: BaseHTTPRequestHandler) -> None:
    """The connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if self.path != "/v1/chat/completions" and not embedding_dialects.speaks(self.path):
                self._send(reply({"error": {"message": f"no {self.path}"}}, 404))
                return
            answer = server.react(request, self)
            if answer is None:
                self.close_connection = True
            else:
                self._send(answer)

        def do_GET(self) -> None:
            """The list of models."""
            listed = [{"id": "upstream/large", "object": "model", "created": 1, "owned_by": "them"}]
            self._send(reply({"object": "list", "data": listed} if self.path == "/v1/models" else {}))

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + 100 * answer.truncated))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = self.close_connection or answer.truncated

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # a reset leaves nothing to flush
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
