"""Embeddings over OpenAI's protocol on 127.0.0.1, the same for every contender.

``instant``: a unit vector drawn from a generator seeded by the text. ``real``: the offline model's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from benchmarks.vectors import Matrix
from memgpt.embeddings.static import StaticModel

INSTANT, REAL = "instant", "real"


class Endpoint(ThreadingHTTPServer):
    """Counts the texts it is asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.real = StaticModel()
        self.dimensions = self.real.dimensions
        self.texts = 0
        self._counting = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed in the middle says no goodbye."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def embed(self, model: str, texts: Sequence[str]) -> Matrix:
        with self._counting:
            self.texts += len(texts)
        if model == REAL:
            return np.asarray(self.real.embed(texts), np.float32)
        return np.array([_drawn(text, self.dimensions) for text in texts])


@contextmanager
def serving() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


def _drawn(text: str, dimensions: int) -> Matrix:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    found = np.random.default_rng(seed).standard_normal(dimensions, np.float32)
    return np.asarray(found / np.linalg.norm(found), np.float32)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Endpoint

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        found = self.server.embed(asked["model"], texts)
        packed = asked.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": n, "embedding": _packed(row) if packed else row.tolist()}
            for n, row in enumerate(found)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = json.dumps({"object": "list", "model": asked["model"], "data": data, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


def _packed(row: Matrix) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()
