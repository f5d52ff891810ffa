"""Subscriptions to blocks: by every transport, in both versions of the protocol, across processes and keys."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from itertools import count
from typing import Any

import anyio
import httpx2
import pytest
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceUpdatedNotification
from starlette.requests import Request
from starlette.testclient import TestClient

from memgpt import Memory
from memgpt.server.mcp import endpoint
from memgpt.server.mcp.subscriptions import MOST_OF_A_CLIENT, BlockWatch, Subscription
from memgpt.server.service import Service
from tests.conftest import free_port
from tests.service.conftest import app_of, served, service_on
from tests.service.test_mcp_bridge import PROGRAM, bridged, environment

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

LEGACY, MODERN = "legacy", "2026-07-28"
HUMAN = "memory://blocks/human"
Updates = MemoryObjectReceiveStream[str]


@pytest.fixture
def keyless(dsn: str) -> Iterator[Service]:
    service = service_on(dsn, keys_required=False)
    yield service
    service.close()


@pytest.fixture
def ann(dsn: str) -> Iterator[Memory]:
    """The memory as another process has it: with connections of its own."""
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@asynccontextmanager
async def subscribed(connect: Callable[[], Any], era: str, *uris: str) -> AsyncIterator[tuple[Client, Updates]]:
    """A client, and the addresses of which it is told that they changed, as they come."""
    told, updates = anyio.create_memory_object_stream[str](100)

    async def note(message: Any) -> None:
        if era == LEGACY and isinstance(message, ResourceUpdatedNotification):
            await told.send(str(message.params.uri))

    async def follow(subscription: Any) -> None:
        async for event in subscription:
            await told.send(event.uri if isinstance(event, ResourceUpdated) else "list")

    async with told, updates, Client(connect(), mode=era, message_handler=note) as client:
        if era == LEGACY:
            for uri in uris:
                await client.subscribe_resource(uri)
            yield client, updates
            return
        listening = client.listen(resource_subscriptions=uris, resources_list_changed=True)
        async with listening as subscription, anyio.create_task_group() as group:
            group.start_soon(follow, subscription)
            yield client, updates
            group.cancel_scope.cancel()


def over_http(address: str, key: str | None = None, agent: str = "ann") -> Callable[[], Any]:
    @asynccontextmanager
    async def connected() -> AsyncIterator[Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            streamable_http_client(f"{address}/mcp?agent={agent}", http_client=http) as streams,
        ):
            yield streams

    return connected


async def first(updates: Updates) -> str:
    with anyio.fail_after(30):
        return await updates.receive()


def test_every_transport_tells_of_changes_by_others(dsn: str, keyless: Service, ann: Memory) -> None:
    """Six clients at once; what another agent changes, or another block, none of them hears."""
    ann.core["human"].append("Ann")
    stdio = StdioServerParameters(
        command=sys.executable, args=[*PROGRAM, "--agent", "ann", "--dsn", dsn], env=environment()
    )

    async def run(address: str) -> None:
        ways: list[Callable[[], Any]] = [
            over_http(address),
            lambda: stdio,
            lambda: bridged("--connect", address, "--agent", "ann"),
        ]
        ready = 0
        changed = anyio.Event()

        async def one(way: Callable[[], Any], era: str) -> None:
            nonlocal ready
            async with subscribed(way, era, HUMAN) as (client, updates):
                assert HUMAN in [str(listed.uri) for listed in (await client.list_resources()).resources]
                ready += 1
                if ready == 2 * len(ways):
                    changed.set()
                await changed.wait()
                assert await first(updates) == HUMAN, (way, era)
                [content] = (await client.read_resource(HUMAN)).contents
                assert content.text == "Ann\nlikes tea"  # type: ignore[union-attr]
                assert updates.statistics().current_buffer_used == 0

        async def change() -> None:
            await changed.wait()
            with Memory("bob", dsn=dsn) as bob:
                bob.core["human"].append("Bob")
            ann.core["human"].append("likes tea")

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            for way in ways:
                for era in (LEGACY, MODERN):
                    group.start_soon(one, way, era)

    with served(app_of(keyless)) as address:
        anyio.run(run, address)


def test_one_look_serves_all_and_sees_every_kind_of_change(keyless: Service, ann: Memory, dsn: str) -> None:
    asked: list[list[str]] = []
    look = keyless.blocks_seen

    def counted(agent_ids: Any) -> Any:
        asked.append(list(agent_ids))
        return look(agent_ids)

    keyless.blocks_seen = counted  # type: ignore[method-assign]

    async def run(bob: Memory) -> None:
        watch = BlockWatch(keyless)
        told, updates = anyio.create_memory_object_stream[str](100)

        def wish(agent: str, **uris: str | None) -> Subscription:
            async def notify(event: Any) -> None:
                await told.send(f"{agent} {getattr(event, 'uri', 'list')}")

            return Subscription(agent, uris, notify, lambda: True, lambda: None)

        async def heard(*expected: str) -> None:
            assert sorted([await first(updates) for _ in expected]) == sorted(expected)

        async with told, updates, watch.running(None):
            ends = [await watch.add(wish("ann", human="human")), await watch.add(wish("ann", all=None))]
            ends.append(await watch.add(wish("cleo", plans="plans")))
            asked.clear()
            change = await to_thread.run_sync(lambda: ann.core["human"].append("Ann"))
            await heard("ann human", "ann all", "ann list", "ann list")
            await to_thread.run_sync(lambda: bob.core["plans"].append("picnic"))
            await to_thread.run_sync(lambda: bob.core["plans"].share_with("cleo"))
            await heard("cleo plans", "cleo list")
            await to_thread.run_sync(lambda: bob.core["plans"].append("at noon"))
            await heard("cleo plans")
            await to_thread.run_sync(lambda: ann.core.delete("human"))
            await heard("ann human", "ann all", "ann list", "ann list")
            await to_thread.run_sync(ann.undo)
            await heard("ann human", "ann all", "ann list", "ann list")
            assert change.value == ann.core["human"].value
            for end in ends:
                end()
            looks = len(asked)
            assert all(agents == ["ann", "cleo"] for agents in asked)
            ends = [await watch.add(wish("bob", plans="plans"))]  # one look for its beginning, and none before
            assert asked[looks:] == [["bob"]]
            assert updates.statistics().current_buffer_used == 0

    with Memory("bob", dsn=dsn) as bob:
        anyio.run(run, bob)


def test_a_session_has_bounds_and_an_end_of_each_wish(keyless: Service, ann: Memory) -> None:
    ann.core["human"].append("Ann")
    ann.core["context"].append("tea")
    context = "memory://blocks/context"

    async def legacy(address: str) -> None:
        async with subscribed(over_http(address), LEGACY, HUMAN, HUMAN, context) as (client, updates):
            await client.unsubscribe_resource(HUMAN)
            ann.core["human"].append("unheard")
            ann.core["context"].append("heard")
            assert await first(updates) == context
            assert updates.statistics().current_buffer_used == 0
            for number in range(MOST_OF_A_CLIENT - 1):
                await client.subscribe_resource(f"memory://blocks/{number}")
            with pytest.raises(MCPError, match="there can be 100 subscriptions"):
                await client.subscribe_resource("memory://blocks/one-more")
            for uri, says in (("memory://graph", "cannot be subscribed to"), ("memory://blocks/a%2Fb", "has no '/'")):
                with pytest.raises(MCPError, match=says):
                    await client.subscribe_resource(uri)

    async def modern(address: str) -> None:
        async with Client(over_http(address)(), mode=MODERN) as client:
            uris = [HUMAN, "memory://graph", "memory://blocks/zoë"]
            async with client.listen(resource_subscriptions=uris, tools_list_changed=True) as subscription:
                assert subscription.honored.resource_subscriptions == [HUMAN, "memory://blocks/zoë"]
                assert not subscription.honored.tools_list_changed
            many = [f"memory://blocks/{number}" for number in range(MOST_OF_A_CLIENT + 1)]
            with pytest.raises(MCPError, match="there can be 100 subscriptions"):
                async with client.listen(resource_subscriptions=many):
                    pass

    with served(app_of(keyless)) as address:
        anyio.run(legacy, address)
        anyio.run(modern, address)


def test_only_who_may_read_an_agent_is_told(dsn: str, ann: Memory) -> None:
    service = service_on(dsn)
    mine, hers = service.keys.create(agents=["ann"]), service.keys.create(agents=["bob"])
    ann.core["human"].append("Ann")

    async def run(address: str) -> None:
        for era in (LEGACY, MODERN):
            with pytest.RaisesGroup(
                pytest.RaisesExc(MCPError, match="no access to agent 'ann'"),
                flatten_subgroups=True,
                allow_unwrapped=True,
            ):
                async with subscribed(over_http(address, hers.token), era, HUMAN):
                    pass
        async with subscribed(over_http(address, mine.token), LEGACY, HUMAN) as (_, updates):
            ann.core["human"].append("heard")
            assert await first(updates) == HUMAN
        listener = Client(over_http(address, mine.token)(), mode=MODERN)
        async with listener, listener.listen(resource_subscriptions=[HUMAN]) as subscription:
            service.keys.revoke(mine.key.key_id)
            ann.core["human"].append("unheard")
            with anyio.fail_after(30):
                assert [event async for event in subscription] == [], "the stream ends instead"

    with served(app_of(service)) as address:
        anyio.run(run, address)


def test_any_process_answers_but_a_session_is_its_keys(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that this process does not know, or that is another key's: asked in it is as without."""
    service = service_on(dsn)
    keys = [service.keys.create(agents=["ann"]).token for _ in range(2)]
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}

    def request(method: str, **params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

    hello = request(
        "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "1"}
    )
    monkeypatch.setattr(endpoint, "MOST_SESSIONS", 1)
    with TestClient(app_of(service)) as http:

        def post(key: str, session: str | None, body: dict[str, Any]) -> Any:
            headers = {"Authorization": f"Bearer {key}", **accept} | ({"Mcp-Session-Id": session} if session else {})
            return http.post("/mcp", json=body, headers=headers)

        session = post(keys[0], None, hello).headers["mcp-session-id"]
        for key, name in ((keys[0], None), (keys[0], "unknown"), (keys[1], session)):
            assert "tools" in post(key, name, request("tools/list")).json()["result"]
            refused = post(key, name, request("resources/subscribe", uri=HUMAN))
            assert refused.status_code == (404 if name else 200)
            assert "error" in refused.json()
            if name:
                headers = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": name, "Accept": "text/event-stream"}
                assert http.get("/mcp", headers=headers).status_code == 404
        another = post(keys[1], None, hello)
        assert another.status_code == 200
        assert "mcp-session-id" not in another.headers, "there is no room for a second"
        headers = {"Authorization": f"Bearer {keys[0]}", "Mcp-Session-Id": session}
        assert http.delete("/mcp", headers=headers).status_code == 200
        assert post(keys[0], session, request("tools/list")).status_code == 404, "its client has ended it"
        plain = http.post(
            "/mcp", json=hello, headers={"Authorization": f"Bearer {keys[0]}", "Accept": "application/json"}
        )
        assert plain.status_code == 200
        assert "mcp-session-id" not in plain.headers, "who takes no streams needs no session"


def test_the_bridge_subscribes_again_when_the_service_comes_back(dsn: str, ann: Memory) -> None:
    """What changed while the service was away is told, and what changes afterwards."""
    ann.core["human"].append("Ann")
    port = free_port()
    with ExitStack() as one, ExitStack() as other:
        address = one.enter_context(served(app_of(service_on(dsn, keys_required=False)), port=port))
        again = lambda: other.enter_context(served(app_of(service_on(dsn, keys_required=False)), port=port))  # noqa: E731

        async def run() -> None:
            connect = lambda: bridged("--connect", address, "--agent", "ann")  # noqa: E731
            async with subscribed(connect, LEGACY, HUMAN) as (client, updates):
                await to_thread.run_sync(one.close)
                ann.core["human"].append("while away")
                await to_thread.run_sync(again)
                assert await first(updates) == HUMAN
                [content] = (await client.read_resource(HUMAN)).contents
                assert content.text.endswith("while away")  # type: ignore[union-attr]
                ann.core["human"].append("since")
                assert await first(updates) == HUMAN

        anyio.run(run)


def test_the_bridge_goes_on_where_another_process_does_not_know_its_new_session(keyless: Service, ann: Memory) -> None:
    """The service is several processes; after the first subscription the others come to one without the session."""
    ann.core["human"].append("Ann")
    app = app_of(keyless)
    subscriptions = count()

    async def balanced(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            body = await Request(scope, receive).body()
            if b"resources/subscribe" in body and next(subscriptions):
                unknown = {b"mcp-session-id": b"of-another-process"}
                scope["headers"] = [(name, unknown.get(name, value)) for name, value in scope["headers"]]
            again = iter([{"type": "http.request", "body": body}])
            await app(scope, replaying(again, receive), send)
        else:
            await app(scope, receive, send)

    def replaying(messages: Iterator[Any], receive: Any) -> Any:
        async def replay() -> Any:
            return next(messages, None) or await receive()

        return replay

    async def run(address: str) -> None:
        async with subscribed(lambda: bridged("--connect", address, "--agent", "ann"), LEGACY, HUMAN) as (client, _):
            with anyio.fail_after(30), pytest.raises(MCPError):
                await client.subscribe_resource("memory://blocks/context")
            assert (await client.list_resources()).resources

    app.state.stopping = lambda: False
    with served(balanced) as address:  # type: ignore[arg-type]
        anyio.run(run, address)
