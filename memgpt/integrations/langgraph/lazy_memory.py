"""A memory that is opened when it is first used, so that ``setup`` can migrate its database before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Any, Final, TypeVar

from memgpt.config import Settings, settings
from memgpt.errors import InputError
from memgpt.memory import Memory, scope_of
from memgpt.scope.opening import prepare_database

T = TypeVar("T")

_POOL: Final = {"min_size", "max_size"}


class LazyMemory:
    """The memory of a connection string, or one that is open already."""

    def __init__(self, memory: Memory | None = None, *, dsn: str | None = None, agent: str | None = None) -> None:
        self._memory = memory
        self.dsn = dsn
        self._agent = agent
        self._options = settings()
        self._lock = Lock()
        self._opened = False

    @classmethod
    def of(cls, dsn: str, agent: str | None, pool_config: Mapping[str, Any] | None) -> LazyMemory:
        """Name a database and an agent; of the pool its ``max_size`` counts, for it opens what it needs."""
        lazy = cls(dsn=dsn, agent=agent)
        lazy._options = _pooled(lazy._options, pool_config or {})
        return lazy

    def setup(self) -> None:
        """Migrate the database. That of a memory that is open is migrated."""
        if self._memory is None:
            prepare_database(self.dsn, self._options)

    def get(self) -> Memory:
        """Return the memory, open."""
        with self._lock:
            if self._memory is None:
                self._memory = Memory(self._agent, dsn=self.dsn, options=self._options)
                self._opened = True
            return self._memory

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work on the memory in a thread: in the open transaction of this task, if there is one, and of no other."""
        if scope_of(self.get()).in_transaction:
            return await asyncio.to_thread(work, *arguments)
        # without the context: the transaction of another task may be in it
        return await asyncio.get_running_loop().run_in_executor(None, partial(work, *arguments))

    def close(self) -> None:
        """Close the memory if it was opened here."""
        with self._lock:
            if self._opened and self._memory is not None:
                self._memory.close()


def _pooled(options: Settings, pool: Mapping[str, Any]) -> Settings:
    if strange := sorted(set(pool) - _POOL):
        raise InputError(f"pool_config has {strange[0]!r}; it may have {', '.join(sorted(_POOL))}")
    return options.model_copy(update={"pool_size": pool["max_size"]}) if pool.get("max_size") else options
