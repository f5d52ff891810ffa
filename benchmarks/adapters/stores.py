"""What the adapters of LangGraph's stores run: the same operations on the same items, one command a line, see ``loop``.

Vectors come from a function of this process, which is as quick for each store.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from langgraph.store.base import BaseStore, GetOp, PutOp, SearchOp

DIMENSIONS = 256
WORDS = ("red", "boat", "night", "train", "ferry", "harbour", "letter", "garden", "music", "winter", "coffee", "river")


def embed(texts: list[str]) -> list[list[float]]:
    return [list(_vector(text)) for text in texts]


@lru_cache(maxsize=100_000)
def _vector(text: str) -> tuple[float, ...]:
    chosen = random.Random(zlib.crc32(text.encode()))
    return tuple(chosen.gauss(0, 1) for _ in range(DIMENSIONS))


INDEX: dict[str, Any] = {"dims": DIMENSIONS, "embed": embed, "fields": ["text"]}


def _item(n: int) -> tuple[tuple[str, ...], str, dict[str, Any]]:
    text = " ".join(random.Random(n).choices(WORDS, k=12))
    return ("users", f"user-{n % 20}"), f"item-{n}", {"text": f"{text} {n}", "rating": n % 10}


def _query(n: int) -> str:
    return " ".join(random.Random(-1 - n).choices(WORDS, k=4))


def _put(store: BaseStore, n: int) -> None:
    store.put(*_item(n))


def _get(store: BaseStore, n: int) -> None:
    namespace, key, value = _item(n)
    item = store.get(namespace, key)
    assert item is not None
    assert item.value == value


def _filter(store: BaseStore, n: int) -> None:
    found = store.search(_item(n)[0], filter={"rating": n % 10}, limit=10)
    assert found


def _search(store: BaseStore, n: int) -> int:
    return len(store.search(_item(n)[0], query=_query(n), limit=10))


def _put_batch(store: BaseStore, n: int) -> None:
    store.batch([PutOp(*_item(each)) for each in range(n, n + 100)])


def _mixed_batch(store: BaseStore, n: int) -> None:
    gets = [GetOp(*_item(each)[:2]) for each in range(n, n + 20)]
    searches = [SearchOp(("users", f"user-{each % 20}"), filter={"rating": each % 10}) for each in range(n, n + 5)]
    puts = [PutOp(*_item(each)) for each in range(n, n + 20)]
    results = store.batch([*gets, *searches, *puts])
    assert all(results[:25])


DO: dict[str, Callable[[BaseStore, int], int | None]] = {
    "put": _put, "get": _get, "filter": _filter, "search": _search, "batch of 100 puts": _put_batch,
    "batch of 45, mixed": _mixed_batch,
}  # fmt: skip


def run(open_store: Callable[[str], BaseStore]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    store = open_store(json.loads(sys.argv[1])["dsn"])
    print(json.dumps({}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        work, seconds, found = DO[command["do"]], [], []
        for n in command["items"]:
            _vector(_item(n)[2]["text"])
            started = time.perf_counter()
            found.append(work(store, n))
            seconds.append(time.perf_counter() - started)
        print(json.dumps({"seconds": seconds, "found": found}), file=answers)
    os._exit(0)
