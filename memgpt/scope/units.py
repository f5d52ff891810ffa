"""The open transactions of memories: which one the running code is in, and its savepoints.

A transaction belongs to the task that opened it or, outside of tasks, to the thread. Another task never joins it, also
where it was started inside: what it has finished would go with a rollback it knows nothing of. A thread to which the
context was handed on (``asyncio.to_thread``) does join, one call at a time: there the task that waits does its work.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import Context, ContextVar
from uuid import UUID

from memgpt.database.connection import Connection
from memgpt.database.driver import translated


class Unit:
    """One transaction of one memory."""

    def __init__(self, owner: object, *, call: bool) -> None:
        """``call``: one call of the library opened it, and those inside are parts of that call."""
        self.owner = owner
        """The memory's scope."""
        self.connection: Connection | None = None
        """None until it has begun."""
        self.change_id: UUID | None = None
        """Of the change that all writes are part of."""
        self.changed = False
        self.lock = threading.RLock()
        """Held during one call, so that those of several threads do not mix."""
        self._begin: Callable[[], Connection] | None = None
        self._calls = int(call)
        self._ended = False
        self._process, self._thread, self._task = os.getpid(), threading.get_ident(), _task()

    @property
    def usable(self) -> bool:
        """Whether the running code is in it."""
        if self._ended or self._process != os.getpid():
            return False
        task = _task()
        return task is self._task or (task is None and threading.get_ident() != self._thread)

    @contextmanager
    def call(self) -> Iterator[Connection]:
        """Run one call of the library: in a savepoint, unless it is part of another call."""
        with self.lock, ExitStack() as stack:
            connection = self._begun()
            if not self._calls:
                stack.enter_context(translated())
                stack.enter_context(connection.transaction())
            self._calls += 1
            try:
                yield connection
            finally:
                self._calls -= 1

    @contextmanager
    def savepoint(self) -> Iterator[Connection]:
        """Open a savepoint for what a caller groups. Not locked in between, where the caller may wait for calls in
        other threads."""
        with self.lock, translated():
            connection = self._begun()
            block = connection.transaction()
            block.__enter__()
        try:
            yield connection
        except BaseException as error:
            with self.lock, translated():
                if not block.__exit__(type(error), error, error.__traceback__):
                    raise
        else:
            with self.lock, translated():
                block.__exit__(None, None, None)

    def _begun(self) -> Connection:
        if self.connection is None:
            assert self._begin is not None  # noqa: S101 - see opened
            self.connection = self._begin()
        return self.connection

    def _end(self) -> None:
        # after the calls of other threads; a forked child does not have those
        with self.lock if self._process == os.getpid() else nullcontext():
            self._ended, self.connection, self._begin = True, None, None


_acting_for: ContextVar[object] = ContextVar("memgpt_acting_for", default=None)


def act_for(task: object) -> None:
    """Let what threads do in this context be the work of a task that waits for it."""
    _acting_for.set(task)


def take_over(context: Context) -> None:
    """Be in the transactions that were opened, and not ended, in another context."""
    _open.set(context.get(_open, ()))


_open: ContextVar[tuple[Unit, ...]] = ContextVar("memgpt_transactions", default=())


def current(owner: object) -> Unit | None:
    """Return the transaction of that memory which the running code is in."""
    return next((unit for unit in _open.get() if unit.owner is owner and unit.usable), None)


@contextmanager
def opened(
    owner: object, begin: Callable[[Unit], AbstractContextManager[Connection]], *, call: bool, at_once: bool = True
) -> Iterator[Unit]:
    """Open a transaction of that memory for what runs inside; it begins ``at_once``, or with the first write."""
    unit = Unit(owner, call=call)
    with ExitStack() as stack:
        unit._begin = lambda: stack.enter_context(begin(unit))
        if at_once:
            unit._begun()
        _open.set((*_open.get(), unit))
        try:
            yield unit
        finally:
            unit._end()
            # not by a token: a generator may be left in another context than the one it was entered in
            _open.set(tuple(each for each in _open.get() if each is not unit))


def _task() -> object:
    """Return the running task; in callbacks of a loop, that loop; in a thread the task it acts for, if any."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _acting_for.get()
    return asyncio.current_task(loop) or loop
