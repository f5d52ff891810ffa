"""The memory service of Google's ADK, driven by ADK's own runner, sessions and tools over a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

pytest.importorskip("google.adk", reason="google-adk is not installed: `make conformance` runs this in its environment")

from google.adk.agents import LlmAgent
from google.adk.events import Event
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService, Session
from google.adk.tools import load_memory, preload_memory
from google.genai import types
from pydantic import Field

from memgpt.database.connection import Database
from memgpt.errors import InputError
from memgpt.integrations.google_adk import MemgptMemoryService, agent_of

T = TypeVar("T")


class ScriptedLlm(BaseLlm):
    """A model that looks into the memory when it is asked to, and else says what it is told."""

    model: str = "scripted"
    replies: list[types.Part]
    requests: list[LlmRequest] = Field(default_factory=list)

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: ARG002
    ) -> AsyncGenerator[LlmResponse, None]:
        self.requests.append(llm_request.model_copy(deep=True))
        yield LlmResponse(content=types.Content(role="model", parts=[self.replies.pop(0)]))


@pytest.fixture
def service(shared_database: Database) -> Iterator[MemgptMemoryService]:
    service = MemgptMemoryService(database=shared_database)
    yield service
    run(service.close())


@pytest.fixture
def app(request: pytest.FixtureRequest) -> str:
    return request.node.name[:100].replace("*", "_")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def said(text: str, id: str = "", author: str = "user", at: float = 1_780_000_000.0) -> Event:
    return Event(id=id, author=author, timestamp=at, content=types.Content(parts=[types.Part(text=text)]))


def session(app: str, *events: Event, user: str = "ann", id: str = "monday") -> Session:
    return Session(app_name=app, user_id=user, id=id, events=[*events])


def found(service: MemgptMemoryService, app: str, query: str, user: str = "ann") -> list[MemoryEntry]:
    entries: list[MemoryEntry] = run(service.search_memory(app_name=app, user_id=user, query=query)).memories
    return entries


def texts(entries: list[MemoryEntry]) -> list[str]:
    return [entry.content.parts[0].text for entry in entries]


def contents(service: MemgptMemoryService, app: str, user: str = "ann") -> list[str]:
    return [message.content for message in service.memory(app, user).messages.list()]


@asynccontextmanager
async def running(agent: LlmAgent, app: str, service: MemgptMemoryService) -> AsyncIterator[Runner]:
    runner = Runner(app_name=app, agent=agent, session_service=InMemorySessionService(), memory_service=service)
    yield runner
    await runner.close()


async def turn(runner: Runner, session_id: str, text: str) -> str:
    """Let a user say something; what the agent says last."""
    reply = ""
    message = types.Content(role="user", parts=[types.Part(text=text)])
    async for event in runner.run_async(user_id="ann", session_id=session_id, new_message=message):
        if event.content and event.content.parts and event.content.parts[0].text:
            reply = event.content.parts[0].text
    return reply


def test_an_agent_recalls_another_session_by_adks_own_tools(service: MemgptMemoryService, app: str) -> None:
    call = types.Part.from_function_call(name="load_memory", args={"query": "what does Ann drink?"})
    model = ScriptedLlm(replies=[types.Part(text="Noted."), call, types.Part(text="Green tea.")])

    async def keep(callback_context: Any) -> None:
        await callback_context.add_session_to_memory()

    agent = LlmAgent(name="barista", model=model, tools=[load_memory, preload_memory], after_agent_callback=keep)

    async def work() -> str:
        async with running(agent, app, service) as runner:
            for name in ("monday", "tuesday"):
                await runner.session_service.create_session(app_name=app, user_id="ann", session_id=name)
            await turn(runner, "monday", "I drink green tea, never coffee")
            return await turn(runner, "tuesday", "Which drink do I like?")

    assert run(work()) == "Green tea."
    _, preloaded, answered = model.requests
    assert "PAST_CONVERSATIONS" in str(preloaded.contents)
    assert "green tea, never coffee" in str(preloaded.contents)
    [response] = [
        part.function_response for content in answered.contents for part in content.parts if part.function_response
    ]
    assert "green tea, never coffee" in str(response.response)
    assert contents(service, app) == [
        "I drink green tea, never coffee", "Noted.", "Which drink do I like?", "Green tea.",
    ]  # fmt: skip
    memory = service.memory(app, "ann")
    assert {each.session: each.messages for each in memory.messages.sessions()} == {"monday": 2, "tuesday": 2}
    assert [m.name for m in memory.messages.list(session="monday")] == [None, "barista"]


def test_a_session_that_has_grown_is_added_again_without_doubles(service: MemgptMemoryService, app: str) -> None:
    events = [said("My bike is red", "1"), said("A fine colour", "2", "helper", 1_780_000_001.0)]
    run(service.add_session_to_memory(session(app, *events)))
    grown = [*events, said("It has a flat tyre", "3", at=1_780_000_002.0)]
    run(service.add_session_to_memory(session(app, *grown)))
    run(
        service.add_events_to_memory(
            app_name=app, user_id="ann", session_id="monday", events=grown[1:], custom_metadata={"trip": 7}
        )
    )
    assert contents(service, app) == ["My bike is red", "A fine colour", "It has a flat tyre"]
    best, *_ = found(service, app, "flat tyre")
    assert (best.id, best.author, best.content.role) == ("3", "user", "user")
    assert datetime.fromisoformat(best.timestamp or "") == datetime.fromtimestamp(1_780_000_002, UTC)
    [other] = [entry for entry in found(service, app, "colour") if entry.id == "2"]
    assert (other.author, other.content.role) == ("helper", "model")


def test_sessions_added_at_the_same_time_keep_each_event_once(service: MemgptMemoryService, app: str) -> None:
    events = [said(f"Note {n}", str(n), at=1_780_000_000.0 + n) for n in range(5)]

    async def work() -> None:
        await asyncio.gather(*(service.add_session_to_memory(session(app, *events)) for _ in range(6)))

    run(work())
    assert contents(service, app) == [f"Note {n}" for n in range(5)]


def test_only_what_was_said_is_kept(service: MemgptMemoryService, app: str) -> None:
    thought = types.Part(text="They want tea", thought=True)
    call = types.Part.from_function_call(name="kettle", args={})
    mixed = Event(id="2", author="helper", content=types.Content(parts=[thought, types.Part(text="Tea, then"), call]))
    silent = Event(id="3", author="helper", content=types.Content(parts=[call]))
    odd = said("A NUL: \0.", "5", at=1_790_000_000.0)
    run(service.add_session_to_memory(session(app, Event(id="1", author="user"), mixed, silent, said("  ", "4"), odd)))
    assert sorted(contents(service, app)) == ["A NUL: \N{REPLACEMENT CHARACTER}.", "Tea, then"]
    run(service.add_session_to_memory(session(app)))
    for _ in range(2):
        run(service.add_events_to_memory(app_name=app, user_id="ann", events=[said("Of no session", "6")]))
    assert [m.content for m in service.memory(app, "ann").messages.list(session="default")] == ["Of no session"]


def test_memories_are_added_directly_in_one_transaction(service: MemgptMemoryService, app: str) -> None:
    def entry(text: str, **fields: Any) -> MemoryEntry:
        return MemoryEntry(content=types.Content(parts=[types.Part(text=text)]), **fields)

    places: Any = {"app_name": app, "user_id": "ann"}
    with pytest.raises(InputError, match="item 1"):
        run(service.add_memory(**places, memories=[entry("Ann is a pilot"), entry("")]))
    assert found(service, app, "pilot") == []
    pilot = entry("Ann is a pilot", author="hr", timestamp="2026-05-01T10:00:00+00:00", custom_metadata={"years": 3})
    run(service.add_memory(**places, memories=[pilot], custom_metadata={"checked": True}))
    [kept] = found(service, app, "pilot")
    assert (kept.author, kept.custom_metadata) == ("hr", {"years": 3, "checked": True})
    assert datetime.fromisoformat(kept.timestamp or "") == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert found(service, app, "  ") == []


def test_users_and_apps_see_only_their_own(service: MemgptMemoryService, app: str) -> None:
    run(service.add_session_to_memory(session(app, said("The safe opens with 4711", "1"))))
    assert texts(found(service, app, "safe")) == ["The safe opens with 4711"]
    for other_app, other_user in ((app, "bob"), (f"{app}2", "ann"), (app, "ann "), (app, "Ann")):
        assert found(service, other_app, "safe", other_user) == []
    isolated = MemgptMemoryService(database=service._database, isolated=True)
    assert found(isolated, app, "safe", "bob") == []
    assert texts(found(isolated, app, "safe")) == ["The safe opens with 4711"]


def test_no_two_users_share_an_agent() -> None:
    names = ["a", "a:b", "b", "a%3Ab", "b:c", "*", "%2A", " a", "a ", "a\n", "a/b", "ä", "."]
    assert len({agent_of(app, user) for app in names for user in names}) == len(names) ** 2
    assert agent_of("shop", "ann") == "shop:ann"


def test_what_is_deleted_is_forgotten_and_stays_away(service: MemgptMemoryService, app: str) -> None:
    whole = session(app, said("My PIN is 4711", "1"), said("I like tea", "2"))
    places: Any = {"app_name": app, "user_id": "ann"}
    run(service.add_session_to_memory(whole))
    note = MemoryEntry(content=types.Content(parts=[types.Part(text="The PIN of Ann")]))
    run(service.add_memory(**places, memories=[note]))
    for entry in found(service, app, "PIN"):
        if "PIN" in texts([entry])[0]:
            run(service.delete_memory(**places, memory_id=entry.id))
            run(service.delete_memory(**places, memory_id=entry.id))
    run(service.delete_memory(**places))
    run(service.delete_memory(**places, memory_id="unknown"))
    run(service.add_session_to_memory(whole))
    assert contents(service, app) == ["I like tea"]
    assert "PIN" not in str(service.memory(app, "ann").history(limit=100))
    assert texts(found(service, app, "PIN")) == ["I like tea"]


def test_a_service_opens_and_closes_its_own_database(module_dsn: str, app: str) -> None:
    async def work() -> int:
        async with MemgptMemoryService(module_dsn, limit=1) as service:
            await service.add_session_to_memory(session(app, said("One", "1"), said("Two", "2")))
            return len((await service.search_memory(app_name=app, user_id="ann", query="one")).memories)

    assert run(work()) == 1
