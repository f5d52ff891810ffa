"""Subscriptions to blocks of core memory, in both versions of the protocol: ``resources/subscribe`` in a session, and
``subscriptions/listen``. Whoever changed a block, in this process or another, the next look at the database sees it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from memgpt import validation
from memgpt.errors import DatabaseError, InputError
from memgpt.server.mcp.access import Door
from memgpt.server.service import BlocksSeen, Service

log = logging.getLogger("memgpt.server.mcp")

BLOCKS: Final = "memory://blocks"
MOST_OF_A_CLIENT: Final = 100
"""Addresses that one session, or one stream, may be subscribed to."""
MOST: Final = 10_000
"""Addresses that all clients of a process may be subscribed to."""
_EVERY: Final = 1.0
"""Seconds between two looks at the database, while anybody is subscribed."""
_PATIENCE: Final = 10.0
"""Seconds for a notification to leave; a client that reads nothing loses it."""

Context = ServerRequestContext[Any, Any]
Label = str | None
"""Label of a block; None: any."""


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """Wish of one client to know of changes."""

    agent_id: str
    uris: Mapping[str, Label]
    notify: Callable[[ServerEvent], Awaitable[None]]
    allowed: Callable[[], bool]
    """Whether the client may still read the agent's memory; it may ask the database."""
    end: Callable[[], None]


class BlockWatch:
    """Looks whether blocks were changed that anybody is subscribed to: one statement a second for all, none for nobody.

    PostgreSQL's own notifications do not come through poolers of transactions.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._subscriptions: set[Subscription] = set()
        self._seen: dict[str, BlocksSeen] = {}
        self._somebody = anyio.Event()
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def running(self, _: object) -> AsyncIterator[None]:
        """Look at the database meanwhile. Entered once more inside, it does nothing."""
        if self._tasks is not None:
            yield
            return
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._look)
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()
                self._tasks = None

    async def add(self, subscription: Subscription) -> Callable[[], None]:
        """Add a subscription to changes from now on, and return what ends it.

        Raises:
            MCPError: there are too many.
        """
        if sum(len(each.uris) for each in self._subscriptions) + len(subscription.uris) > MOST:
            raise MCPError(INVALID_REQUEST, f"this process has {MOST:,} subscriptions already: try again later")
        agent_id = subscription.agent_id
        if agent_id not in self._seen:
            seen = await to_thread.run_sync(self._service.blocks_seen, [agent_id])
            self._seen.setdefault(agent_id, seen[agent_id])
        self._subscriptions.add(subscription)
        self._somebody.set()
        return partial(self._subscriptions.discard, subscription)

    async def _look(self) -> None:
        while True:
            await self._somebody.wait()
            await anyio.sleep(_EVERY)
            wanted = sorted({each.agent_id for each in self._subscriptions})
            if not wanted:
                self._seen, self._somebody = {}, anyio.Event()
                continue
            try:
                seen = await to_thread.run_sync(self._service.blocks_seen, wanted)
            except DatabaseError as error:
                log.warning("subscriptions: %s", error)
                continue
            before = self._seen
            self._seen = {agent_id: blocks for agent_id, blocks in before.items() if agent_id not in seen} | seen
            for each in [each for each in self._subscriptions if each.agent_id in before and each.agent_id in seen]:
                if events := _events(each, before[each.agent_id], seen[each.agent_id]):
                    await self._tell(each, events)

    async def _tell(self, subscription: Subscription, events: list[ServerEvent]) -> None:
        if not await to_thread.run_sync(subscription.allowed):
            self._subscriptions.discard(subscription)
            subscription.end()
        elif self._tasks is not None:
            for event in events:
                self._tasks.start_soon(_notify, subscription, event)


def _events(subscription: Subscription, before: BlocksSeen, now: BlocksSeen) -> list[ServerEvent]:
    changed = {label for label in before.keys() | now.keys() if before.get(label) != now.get(label)}
    uris = [uri for uri, label in subscription.uris.items() if changed and (label is None or label in changed)]
    listed: list[ServerEvent] = [ResourcesListChanged()] if before.keys() != now.keys() else []
    return [*map(ResourceUpdated, uris), *listed]


async def _notify(subscription: Subscription, event: ServerEvent) -> None:
    with anyio.move_on_after(_PATIENCE):
        await subscription.notify(event)


class Subscribing:
    """Requests of clients who want to know of changes, or no longer."""

    def __init__(self, door: Door, watch: BlockWatch) -> None:
        self._door = door
        self._watch = watch

    async def subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Subscribe the session to an address, up to its end."""
        connection = ctx.session._connection  # the SDK has no other way to what outlives the request
        if not connection.has_standalone_channel:
            raise MCPError(
                INVALID_REQUEST,
                "a subscription needs a session: send the Mcp-Session-Id that `initialize` was answered with; where "
                "that session has ended, begin a new one",
            )
        uri = str(params.uri)
        label = _label_of(uri)
        ends: dict[str, Callable[[], None]] = connection.state.setdefault(__name__, {})
        if uri in ends:
            return EmptyResult()
        if len(ends) >= MOST_OF_A_CLIENT:
            raise _too_many()
        if not ends:
            connection.exit_stack.callback(_end_all, ends)
        ends[uri] = _nothing  # its place, while the database is asked

        async def notify(event: ServerEvent) -> None:
            if isinstance(event, ResourceUpdated):
                await connection.send_resource_updated(event.uri)

        try:
            agent_id, allowed = await to_thread.run_sync(self._door.reader)
            ends[uri] = await self._watch.add(
                Subscription(agent_id, {uri: label}, notify, allowed, lambda: _forget(ends, uri))
            )
        except BaseException:
            _forget(ends, uri)
            raise
        return EmptyResult()

    async def unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """End a session's subscription; nothing where it has none."""
        ends = ctx.session._connection.state.get(__name__, {})
        ends.pop(str(params.uri), _nothing)()
        return EmptyResult()

    async def listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Tell of changes on the stream of the request, up to its end."""
        wanted = params.notifications
        uris = _known(wanted.resource_subscriptions or ())
        if len(uris) > MOST_OF_A_CLIENT:
            raise _too_many()
        honoured = SubscriptionFilter(
            resources_list_changed=wanted.resources_list_changed, resource_subscriptions=[*uris]
        )
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)
        agent_id, allowed = await to_thread.run_sync(self._door.reader)
        end = await self._watch.add(Subscription(agent_id, uris, bus.publish, allowed, handler.close))
        try:
            return await handler(ctx, params.model_copy(update={"notifications": honoured}))
        finally:
            end()


def _known(uris: Iterable[str]) -> dict[str, Label]:
    """Return those of some addresses that can be subscribed to, with their labels."""
    known: dict[str, Label] = {}
    for uri in uris:
        with suppress(MCPError):
            known[uri] = _label_of(uri)
    return known


def _label_of(uri: str) -> Label:
    """Return the label of the block at an address; None for the address of all blocks."""
    if uri == BLOCKS:
        return None
    beginning, _, label = uri.rpartition("/")
    if beginning != BLOCKS:
        raise MCPError(INVALID_PARAMS, f"{uri} cannot be subscribed to: {BLOCKS} and {BLOCKS}/LABEL can")
    try:
        return validation.label(unquote(label))
    except InputError as error:
        raise MCPError(INVALID_PARAMS, str(error)) from error


def _too_many() -> MCPError:
    return MCPError(INVALID_PARAMS, f"there can be {MOST_OF_A_CLIENT} subscriptions: end some, or take {BLOCKS}")


def _forget(ends: dict[str, Callable[[], None]], uri: str) -> None:
    ends.pop(uri, None)


def _end_all(ends: dict[str, Callable[[], None]]) -> None:
    for end in ends.values():
        end()


def _nothing() -> None:
    pass
