"""Caches in which a process keeps texts of a database's agents, with one way to forget an agent in all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar, cast

from memgpt.database import forks

MOST_BYTES: Final = 128_000_000
"""Of all agents of one database; those not used for the longest time go first."""


class Cache(Protocol):
    """Something made from an agent's texts."""

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        ...


C = TypeVar("C", bound=Cache)


class AgentCaches:
    """One cache of each type for each agent. Threads may share it.

    Nothing else in a process keeps texts of agents, or their words, beyond the call that reads them.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = forks.ForkSafeLock()
        self.after_fork()
        forks.register(self)

    def after_fork(self) -> None:
        """Begin empty: a thread of the parent may have been about to change one of them."""
        self._caches: OrderedDict[tuple[str, type[Cache]], Cache] = OrderedDict()

    @contextmanager
    def using(self, agent_id: str, kind: type[C], make: Callable[[], C]) -> Iterator[C]:
        """Lend the agent's cache of a type; it stays for the next time where there is room for it."""
        key = (agent_id, kind)
        with self._lock:
            cache = cast(C, self._caches.setdefault(key, make()))
            self._caches.move_to_end(key)
        try:
            yield cache
        finally:
            self._make_room()

    def forget(self, agent_id: str) -> None:
        """Drop everything that was made from texts of an agent."""
        with self._lock:
            for key in [key for key in self._caches if key[0] == agent_id]:
                del self._caches[key]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._caches.clear()

    @property
    def nbytes(self) -> int:
        """About how much memory all caches take."""
        with self._lock:
            return sum(cache.nbytes for cache in self._caches.values())

    def _make_room(self) -> None:
        with self._lock:
            sizes = {key: cache.nbytes for key, cache in self._caches.items()}
            excess = sum(sizes.values()) - self._most_bytes
            for key, size in sizes.items():  # the least used first
                if excess <= 0:
                    break
                del self._caches[key]
                excess -= size
