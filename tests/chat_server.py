"""A server on 127.0.0.1 that speaks the chat protocols of OpenAI and Anthropic, streaming, and misbehaves when told to.

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
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """An answer: text, tool calls, why it ended."""

    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    """(name, arguments); arguments that are a text are sent as they are."""
    finish: str | None = None
    refusal: str | None = None
    input_tokens: int = 10
    output_tokens: int = 5


@dataclass(frozen=True)
class Fail:
    """An error of the endpoint."""

    status: int
    message: str = "no"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BreakOff:
    """The connection is reset after some of the text."""

    text: str


@dataclass(frozen=True)
class Hang:
    """Nothing more is sent, after some of the text."""

    text: str = ""


Reaction = Say | Fail | BreakOff | Hang | Callable[[Json], "Reaction"]


class ChatServer:
    """Answers ``/v1/chat/completions`` and ``/v1/messages``."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.closing = threading.Event()
        self.hanging = threading.Event()
        self._script: deque[Reaction] = deque()
        self._otherwise: Reaction = Say("ok")
        self._lock = threading.Lock()
        self._calls = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        """For an OpenAI client; Anthropic's appends ``/v1`` itself."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def script(self, *reactions: Reaction, otherwise: Reaction | None = None) -> None:
        self._script.extend(reactions)
        if otherwise is not None:
            self._otherwise = otherwise

    def reaction(self, request: Json) -> Say | Fail | BreakOff | Hang:
        with self._lock:
            self.requests.append(request)
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
    """(role, text) of every message of a request in OpenAI's protocol."""
    return [
        (m["role"], m["content"] if isinstance(m["content"], str) else str(m["content"])) for m in request["messages"]
    ]


def _openai(server: ChatServer, say: Say) -> Iterator[Json | str]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [choice]}

    if say.refusal is not None:
        yield chunk({"role": "assistant", "refusal": say.refusal})
    for start in range(0, len(say.text), 20):
        yield chunk({"role": "assistant", "content": say.text[start : start + 20]})
    for n, (name, arguments) in enumerate(say.calls):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        head = {"index": n, "id": server.call_id(), "type": "function", "function": {"name": name, "arguments": ""}}
        yield chunk({"tool_calls": [head]})
        for start in range(0, len(text), 15):
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": text[start : start + 15]}}]})
    yield chunk({}, say.finish or ("tool_calls" if say.calls else "stop"))
    usage = {
        "prompt_tokens": say.input_tokens,
        "completion_tokens": say.output_tokens,
        "total_tokens": say.input_tokens + say.output_tokens,
    }
    yield {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [],
        "usage": usage,
    }
    yield "[DONE]"


def _anthropic(server: ChatServer, say: Say) -> Iterator[Json]:
    usage = {"input_tokens": say.input_tokens, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "scripted", "content": [], "usage": usage}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}}
    blocks: list[tuple[Json, Json]] = []
    if say.text:
        blocks.append(({"type": "text", "text": ""}, {"type": "text_delta", "text": say.text}))
    for name, arguments in say.calls:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        head = {"type": "tool_use", "id": server.call_id(), "name": name, "input": {}}
        blocks.append((head, {"type": "input_json_delta", "partial_json": text}))
    for n, (head, delta) in enumerate(blocks):
        yield {"type": "content_block_start", "index": n, "content_block": head}
        yield {"type": "content_block_delta", "index": n, "delta": delta}
        yield {"type": "content_block_stop", "index": n}
    reason = say.finish or ("tool_use" if say.calls else "end_turn")
    used = {"output_tokens": say.output_tokens}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": used}
    yield {"type": "message_stop"}


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            write = {"/v1/chat/completions": self._openai, "/v1/messages": self._anthropic}[self.path.split("?")[0]]
            match server.reaction(request):
                case Fail(status, message, code, headers):
                    body = json.dumps({"error": {"message": message, "code": code, "type": "error"}}).encode()
                    self.send_response(status)
                    for name, value in {**headers, "Content-Type": "application/json"}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                case BreakOff(text):
                    write(Say(text), cut=True)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                case Hang(text):
                    write(Say(text), cut=True)
                    server.hanging.set()
                    server.closing.wait()
                    self.close_connection = True
                case Say() as say:
                    write(say)

        def _openai(self, say: Say, cut: bool = False) -> None:
            events = [e if isinstance(e, str) else json.dumps(e) for e in _openai(server, say)]
            self._send([f"data: {event}\n\n" for event in (events[:-3] if cut else events)], ended=not cut)

        def _anthropic(self, say: Say, cut: bool = False) -> None:
            events = list(_anthropic(server, say))
            lines = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in (events[:-3] if cut else events)]
            self._send(lines, ended=not cut)

        def _send(self, events: Sequence[str], *, ended: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            chunks = [event.encode() for event in events]
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
            self.wfile.write(body + (b"0\r\n\r\n" if ended else b""))
            self.wfile.flush()

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # a reset leaves nothing to flush
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
