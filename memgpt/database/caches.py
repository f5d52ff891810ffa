"""Caches in which a process keeps texts of a database's agents, with one way to forget an agent in all of them."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar, cast

from memgpt.database import forks

MOST_BYTES: Final = 12_000_000
"""Of all agents of one database; those not used for the longest time go first."""

ENTRY: Final = 600
"""Bytes of a cache's place among the others, beside its content and the agent's id."""


class Cache(Protocol):
    """Something made from an agent's texts."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        ...


C = TypeVar("C", bound=Cache)


class AgentCaches:
    """One cache of each type for each agent. Threads may share it.

    Nothing else in a process keeps texts of agents, or their words, beyond the call that reads them.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = forks.lock()
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Begin empty: a thread of the parent may have been about to change one of them."""
        self._caches: OrderedDict[tuple[str, type[Cache]], Cache] = OrderedDict()
        self._sizes: dict[tuple[str, type[Cache]], int] = {}
        self._nbytes = 0

    @contextmanager
    def using(self, agent_id: str, kind: type[C], make: Callable[[], C]) -> Iterator[C]:
        """Lend the agent's cache of a type; it stays for the next time where there is room for it."""
        key = (agent_id, kind)
        with self._lock:
            cache = cast(C | None, self._caches.get(key))
            if cache is None:
                self._caches[key] = cache = make()
                self._sizes[key] = 0
            self._caches.move_to_end(key)
        try:
            yield cache
        finally:
            self._measure(key, cache)

    def forget(self, agent_id: str) -> None:
        """Drop everything that was made from texts of an agent."""
        with self._lock:
            for key in [key for key in self._caches if key[0] == agent_id]:
                self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self.after_fork()

    @property
    def nbytes(self) -> int:
        """How much memory all caches took when each was used last."""
        return self._nbytes

    def _measure(self, key: tuple[str, type[Cache]], cache: Cache) -> None:
        """Note what one takes now, and make room: only what was used has changed."""
        with self._lock:
            if self._caches.get(key) is not cache:
                return  # dropped meanwhile
            size = ENTRY + sys.getsizeof(key[0]) + cache.nbytes
            self._nbytes += size - self._sizes[key]
            self._sizes[key] = size
            while self._nbytes > self._most_bytes:
                self._drop(next(iter(self._caches)))

    def _drop(self, key: tuple[str, type[Cache]]) -> None:
        del self._caches[key]
        self._nbytes -= self._sizes.pop(key)
