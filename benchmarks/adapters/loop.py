"""What every adapter runs: one command a line on standard input, one answer a line on standard output.

An adapter is started in the peer's own environment with one argument, a JSON object: ``dsn`` of a database of its own,
``folder``, ``url`` of the embeddings (OpenAI's protocol), ``model``, ``dimensions``. Nothing of memgpt is imported.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

KEY = "local"  # the endpoint asks for none; clients insist on one


class Peer(Protocol):
    def add(self, agent: str, text: str) -> None: ...
    def add_many(self, agent: str, texts: Sequence[str]) -> bool:
        """By the documented way for many; False where there is none."""

    def search(self, agent: str, query: str, limit: int) -> list[str]: ...
    def count(self, agent: str) -> int: ...


def run(open_peer: Callable[[dict[str, Any]], Peer]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a peer prints is no answer
    started = time.perf_counter()
    peer = open_peer(json.loads(sys.argv[1]))
    print(json.dumps({"seconds": time.perf_counter() - started}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(_do(peer, command, answers)), file=answers)
    os._exit(0)  # peers leave threads behind


def _do(peer: Peer, given: dict[str, Any], answers: Any) -> dict[str, Any]:
    agent, texts = given["agent"], given.get("texts", ())
    started = time.perf_counter()
    match given["do"]:
        case "one by one":
            for n, text in enumerate(texts, start=1):
                peer.add(agent, text)
                if given.get("acknowledge"):
                    print(json.dumps({"added": n}), file=answers)
            return {"seconds": time.perf_counter() - started}
        case "many":
            done = peer.add_many(agent, texts)
            return {"seconds": time.perf_counter() - started if done else None}
        case "eight":
            return _eight(peer, agent, texts) | {"seconds": time.perf_counter() - started}
        case "search":
            return _search(peer, agent, texts, given["limit"])
        case _:
            return {"count": peer.count(agent)}


def _eight(peer: Peer, agent: str, texts: Sequence[str]) -> dict[str, Any]:
    failed: list[str] = []

    def part(writer: int) -> None:
        for text in texts[writer::8]:
            try:
                peer.add(agent, text)
            except Exception as error:  # noqa: BLE001 - counted, whatever it is
                failed.append(f"{type(error).__name__}: {error}"[:200])

    threads = [threading.Thread(target=part, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"failed": len(failed), "why": failed[:1]}


def _search(peer: Peer, agent: str, queries: Sequence[str], limit: int) -> dict[str, Any]:
    seconds, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(peer.search(agent, query, limit))
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "found": found}
