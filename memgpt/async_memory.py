"""``AsyncMemory``: the whole facade of a memory for ``asyncio``, made of it and not written again.

Each call runs in one of a few threads, with the caller's context. Cancelled, its statement is ended and its transaction
rolled back before the caller goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import Context, copy_context
from functools import cache, cached_property, partial, wraps
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from memgpt import validation
from memgpt.archival.archival import Archival
from memgpt.blocks.blocks import Core, CoreBlock
from memgpt.config import Settings, settings
from memgpt.database import cancellation
from memgpt.database.connection import Connection, Database
from memgpt.documents.documents import Documents
from memgpt.embeddings import EmbeddingModel
from memgpt.history.history import AsOf
from memgpt.memory import Memory, scope_of
from memgpt.messages.intents import Intents
from memgpt.messages.messages import Messages
from memgpt.scope import units

if TYPE_CHECKING:  # the verbs and the parts, which are added below
    from memgpt.async_facade import AsyncVerbs as _Verbs
else:
    _Verbs = object

T = TypeVar("T")

_HANDLES: Final = (AsOf, CoreBlock)
"""Values that read the memory when they are used."""
_PARTS: Final = {
    "archival": Archival, "core": Core, "documents": Documents, "intents": Intents, "messages": Messages
}  # fmt: skip
"""Parts that every memory has from its beginning; others are loaded when they are used."""
_END: Final = object()


class AsyncFacade:
    """A part of a memory whose verbs are coroutines: ``await memory.archival.list()``.

    Properties that read the memory are awaited as well (``await memory.core["human"].value``); what gives an iterator
    gives an asynchronous one.
    """

    def __init__(self, threads: CallThreads, find: Callable[[], Any]) -> None:
        self._threads = threads
        self._find = find


class OpenTransaction:
    """The transaction that is open in a task."""

    def __init__(self, threads: CallThreads, connection: Connection) -> None:
        self._threads = threads
        self._connection = connection

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do something with the psycopg connection, in a thread: statements on tables of your own."""
        return await self._threads.run(lambda: work(self._connection))


class AsyncMemory(_Verbs):
    """The memory of one agent, for ``asyncio``: the verbs and the parts of :class:`memgpt.Memory`, awaited.

    Tasks may share it; an asynchronous context manager. It takes what ``Memory`` takes, and opens nothing before its
    first call. A call that is cancelled leaves nothing half-written: its statement is ended, and the caller goes on
    when that is rolled back; what was committed already stays.

    Args:
        threads: calls at a time; absent, as many as the pool has connections. Others wait their turn.
    """

    def __init__(
        self,
        agent: str | None = None,
        *,
        dsn: str | None = None,
        actor: str = "api",
        options: Settings | None = None,
        isolated: bool = False,
        database: Database | None = None,
        embedder: EmbeddingModel | None = None,
        threads: int | None = None,
    ) -> None:
        options = options or settings()
        self.agent: Final = validation.agent_id(agent or options.agent, "agent", or_every=database is not None)
        """The agent's id."""
        most = options.pool_size if threads is None else validation.limit(threads, "threads", most=1000)
        given: dict[str, Any] = {"actor": actor, "options": options, "isolated": isolated, "embedder": embedder}
        self._memory = _Lazy(lambda: Memory(self.agent, dsn=dsn, database=database, **given))
        self._threads = CallThreads(most)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[OpenTransaction]:
        """Commit everything this task writes inside together, or nothing of it; within another one, it is a savepoint.

        It belongs to the task; what other tasks do is not part of it, also those that are started inside.
        """
        block = await self._threads.run(lambda: self._memory.get().transaction())
        async with self._threads.entered(block) as connection:
            yield OpenTransaction(self._threads, connection)

    async def close(self) -> None:
        """Return the connections, and end the threads when their calls are done."""
        await self._threads.run(self._memory.close)
        self._threads.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _find(self) -> Memory:
        return self._memory.get()


class ThreadedMemory:
    """A memory for code that awaits and works on it by functions: the same threads, transactions and cancellation as
    :class:`AsyncMemory`. Integrations with asynchronous kits are made of it.

    Args:
        memory: one that is open, whose threads all that work on it share; or one for ``asyncio``, with its own.
    """

    def __init__(self, memory: Memory | AsyncMemory) -> None:
        self._memory = memory
        self._threads = memory._threads if isinstance(memory, AsyncMemory) else _threads_of(memory)

    async def run(self, work: Callable[[Memory], T]) -> T:
        """Do something with the memory in one of its threads, in the open transaction of this task if there is one."""
        memory = self._memory
        return await self._threads.run(lambda: work(memory._find() if isinstance(memory, AsyncMemory) else memory))


class _Lazy(Generic[T]):
    """A value that is made when it is first used, by one of several threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value

    def close(self) -> None:
        """Close the value, if it was made."""
        if self._value is not None:
            closing: Any = self._value
            closing.close()


class CallThreads:
    """A few threads in which calls run, each as its task's: in the transaction the task has open, and in no other."""

    def __init__(self, most: int) -> None:
        self._executor = ThreadPoolExecutor(most, "memgpt")

    async def run(self, work: Callable[[], T], context: Context | None = None) -> T:
        """Return the result of work that is done in a thread, as the running task's."""
        context = copy_context() if context is None else context
        context.run(units.act_for, asyncio.current_task())
        cancelling = context.run(cancellation.begin)
        future = self._executor.submit(context.run, work)
        result = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            if not result.done() and not future.cancel():
                ending = asyncio.get_running_loop().run_in_executor(None, cancelling.cancel)
                await _ended(ending)
                await _ended(result)
            raise

    @asynccontextmanager
    async def entered(self, block: AbstractContextManager[T]) -> AsyncIterator[T]:
        """Enter a block, and leave it, in threads; what it says of the context is true in the task as well."""
        context = copy_context()
        value = await self.run(block.__enter__, context)
        units.take_over(context)
        try:
            yield value
        except BaseException as error:
            leave = partial(block.__exit__, type(error), error, error.__traceback__)
            if not await self._left(leave, context):
                raise
        else:
            await self._left(lambda: block.__exit__(None, None, None), context)

    async def _left(self, leave: Callable[[], bool | None], context: Context) -> bool | None:
        try:
            return await self.run(leave, context)
        finally:
            units.take_over(context)

    def close(self) -> None:
        self._executor.shutdown(wait=False)


_shared_threads: WeakKeyDictionary[Memory, CallThreads] = WeakKeyDictionary()


def _threads_of(memory: Memory) -> CallThreads:
    """Return the threads for a memory, as many as its pool has connections; they end with it."""
    threads = _shared_threads.get(memory) or CallThreads(scope_of(memory).options.pool_size)
    return _shared_threads.setdefault(memory, threads)


async def _ended(future: asyncio.Future[Any]) -> None:
    """Wait until a future is done, whatever comes of it and however often the waiting task is cancelled."""
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()


@cache
def _facade(kind: Any) -> type[AsyncFacade]:
    """Make the asynchronous form of a part of a memory."""
    members: dict[str, Any] = {"__doc__": kind.__doc__, "__module__": __name__}
    for name in dir(kind):
        if not name.startswith("_"):
            members[name] = _member(name, inspect.getattr_static(kind, name))
    if hasattr(kind, "__getitem__"):
        members["__getitem__"] = lambda self, key: _facade(CoreBlock)(self._threads, lambda: self._find()[key])
    if hasattr(kind, "__iter__"):
        members["__aiter__"] = lambda self: _iterated(self._threads, lambda: iter(self._find()))
    return type(f"Async{kind.__name__}", (AsyncFacade,), members)


def _member(name: str, member: Any) -> Any:
    """Make the asynchronous form of a verb or a property."""
    if not inspect.isfunction(member):
        return property(lambda self: self._threads.run(lambda: getattr(self._find(), name)), doc=member.__doc__)
    returns = str(inspect.signature(member).return_annotation)
    if "ContextManager" in returns or inspect.isgeneratorfunction(inspect.unwrap(member)):
        return _entering(name, member)
    if returns.startswith("Iterator"):

        @wraps(member)
        def iterate(self: AsyncFacade, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return _iterated(self._threads, lambda: iter(getattr(self._find(), name)(*args, **kwargs)))

        return iterate

    @wraps(member)
    async def call(self: AsyncFacade, *args: Any, **kwargs: Any) -> Any:
        result = await self._threads.run(lambda: getattr(self._find(), name)(*args, **kwargs))
        kind: Any = type(result)
        return _facade(kind)(self._threads, lambda: result) if issubclass(kind, _HANDLES) else result

    return call


def _entering(name: str, member: Any) -> Any:
    @wraps(member)
    @asynccontextmanager
    async def enter(self: AsyncFacade, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        block = await self._threads.run(lambda: getattr(self._find(), name)(*args, **kwargs))
        async with self._threads.entered(block) as value:
            yield OpenTransaction(self._threads, value) if isinstance(value, Connection) else value

    return enter


async def _iterated(threads: CallThreads, start: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
    iterator = await threads.run(start)
    while (item := await threads.run(lambda: next(iterator, _END))) is not _END:
        yield item


def _part(name: str, kind: Callable[[], Any], doc: str | None) -> property:
    return property(lambda self: _facade(kind())(self._threads, lambda: getattr(self._find(), name)), doc=doc)


def _same(kind: type[Any]) -> type[Any]:
    return kind


def _complete() -> None:
    """Give the asynchronous memory every verb and every part of the other."""
    for name, member in inspect.getmembers_static(Memory):
        if name.startswith("_") or hasattr(AsyncMemory, name) or name == "agent":
            continue
        if isinstance(member, cached_property):
            of = str(inspect.signature(member.func).return_annotation)
            setattr(AsyncMemory, name, _part(name, partial(getattr, import_module("memgpt"), of), member.__doc__))
        else:
            setattr(AsyncMemory, name, _member(name, member))
    for name, kind in _PARTS.items():
        setattr(AsyncMemory, name, _part(name, partial(_same, kind), kind.__doc__))


_complete()
