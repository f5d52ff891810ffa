"""Callers who want to stop the service: bodies that do not come, health floods, slow turns, streams nobody reads."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BODIES = 64
CHATS = 64
STREAMS = 32
FLOODS = 4
PAUSE = 0.005
"""Seconds between two requests of one flooding client: 800 a second in all."""


@contextmanager
def model() -> Iterator[str]:
    """A chat model that never answers; its address."""
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            ended.wait()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.request_queue_size = 256
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


@contextmanager
def attack(port: int, token: str) -> Iterator[Counter[int]]:
    """All of it at once, again and again, until the end; the statuses of what was answered."""
    stop, statuses = threading.Event(), Counter[int]()
    job = _job(port, token)
    body = json.dumps({"text": "x", "seconds": 3600})
    works: list[tuple[int, Callable[[int], bytes], float]] = [
        (BODIES, lambda n: _head("POST", "/v1/agents/mallory/messages", token if n % 2 else "", 1000) + b"{", 5.0),
        (CHATS, lambda n: _chat(token, n, body), 30.0),
        (STREAMS, lambda _: _head("GET", f"{job}/events", token), 30.0),
        (FLOODS, lambda n: _head("GET", "/health/ready" if n % 2 else "/health/live", ""), PAUSE),
    ]
    threads = [
        threading.Thread(target=_repeat, args=(port, make, number, seconds, stop, statuses), daemon=True)
        for count, make, seconds in works
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)


def _repeat(
    port: int,
    make: Callable[[int], bytes],
    number: int,
    seconds: float,
    stop: threading.Event,
    statuses: Counter[int],
) -> None:
    """Send, look at the status if one comes, read no more, wait, close, and begin anew."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=max(seconds, 5)) as connection:
            connection.sendall(make(number))
            if answer := connection.recv(100):
                statuses[int(answer.split()[1])] += 1
            stop.wait(seconds)


def _head(method: str, path: str, token: str, length: int = 0) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if length:
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chat(token: str, number: int, body: str) -> bytes:
    text = body.replace('"x"', f'"x", "session": "{number}-{time.time()}"')
    return _head("POST", "/v1/agents/mallory/chat", token, len(text)) + text.encode()


def _job(port: int, token: str) -> str:
    """The address of a job that nobody does: the service is served without a worker."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/agents/mallory/jobs", json.dumps({"kind": "sleep"}), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return str(answer.headers["Location"])
