"""Pydantic AI over a memory: its agents, with its test models, on our toolset and conversation store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryImage
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
    InMemoryConversationStore,
)
from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from memgpt import AsyncMemory, Memory
from memgpt.agent.toolbox import memory_tools
from memgpt.integrations.pydantic_ai import MemgptConversationStore, MemgptToolset

MESSAGES: list[ModelMessage] = [
    ModelRequest([SystemPromptPart("Be brief"), UserPromptPart("When is the train to Lisbon?")]),
    ModelResponse(
        [ThinkingPart("hm", signature="s"), ToolCallPart("trains", {"to": "Lisbon\0"}, "c1")], model_name="m"
    ),
    ModelRequest([ToolReturnPart("trains", {"at": "9:04"}, "c1")]),
    ModelResponse([TextPart("At 9:04.")], provider_details={"unknown": [1.5, None]}),
    ModelRequest(
        [
            UserPromptPart(
                ["Is this it?", ImageUrl("https://x/y.png"), BinaryImage(b"\0" * 2**21, media_type="image/png")]
            )
        ]
    ),
    ModelRequest([UserPromptPart("")]),
]


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 120))


@pytest.fixture
def store(memory: Memory) -> MemgptConversationStore:
    return MemgptConversationStore(memory)


def test_the_toolset_has_the_memory_s_tools_and_its_blocks(memory: Memory) -> None:
    memory.core.create("human", "Name: Ada")
    model = TestModel(call_tools=["archival_memory_insert", "graph_search"])
    agent = Agent(model, toolsets=[MemgptToolset(memory)])
    result = run(agent.run("Remember something"))
    assert model.last_model_request_parameters is not None
    offered = {tool.name: tool for tool in model.last_model_request_parameters.function_tools}
    ours = {tool.name: tool for tool in memory_tools(memory, memory.time_zone)}  # type: ignore[arg-type]
    assert {name: (t.description, t.parameters_json_schema) for name, t in offered.items()} == {
        name: (t.description, t.schema) for name, t in ours.items()
    }
    assert "Name: Ada" in (result.all_messages()[0].instructions or "")
    assert len(memory.archival.list()) == 1


def test_a_model_is_told_what_is_wrong_with_a_call_and_tries_again(memory: Memory) -> None:
    memory.core.create("human", "Name: Ada")

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        last = messages[-1].parts[-1]
        if isinstance(last, ToolReturnPart) and last.outcome != "retried":
            return ModelResponse([TextPart("done")])
        old = "Ada" if isinstance(last, ToolReturnPart) and "Bob" in str(last.content) else "Bob"
        return ModelResponse([ToolCallPart("memory_replace", {"label": "human", "old_str": old, "new_str": "Eve"})])

    agent = Agent(FunctionModel(answer), toolsets=[MemgptToolset[None](memory)])
    assert run(agent.run("I am Eve")).output == "done"
    assert memory.core["human"].value == "Name: Eve"


def test_conversations_go_on_and_their_messages_are_found(memory: Memory, store: MemgptConversationStore) -> None:
    agent = Agent(TestModel(custom_output_text="At 9:04."))

    async def work() -> None:
        for prompt in ("When is the train to Lisbon?", "Thank you"):
            conversation = await store.load("trip") or Conversation(conversation_id="trip")
            result = await agent.run(prompt, conversation=conversation)
            await store.save(result)
        loaded = await store.load("trip")
        assert loaded is not None
        assert loaded.messages == result.all_messages()
        assert (loaded.usage.requests, len(loaded.messages)) == (2, 4)
        window = await store.load("trip", limit=2)
        assert window is not None
        assert window.messages == loaded.messages[2:]
        with pytest.raises(ConversationConflict):
            await store.save(Conversation(conversation_id="trip"))

    run(work())
    [hit] = memory.search('"train to Lisbon"', kinds=["message"])
    assert (hit.source["session"], hit.source["role"]) == ("trip", "user")
    assert [message.role for message in memory.messages.list(session="trip")] == ["user", "assistant"] * 2


def test_messages_come_back_exactly(memory: Memory, store: MemgptConversationStore) -> None:
    run(store.save(Conversation(messages=MESSAGES, conversation_id="c")))
    loaded = run(store.load("c"))
    assert loaded.messages == MESSAGES
    user, call, tool, answer, picture, _ = memory.messages.list(session="c")
    assert [each.role for each in (user, call, tool, answer)] == ["user", "assistant", "tool", "assistant"]
    assert (user.content, tool.content, tool.tool_call_id) == ("When is the train to Lisbon?", '{"at":"9:04"}', "c1")
    assert call.tool_calls == [{"id": "c1", "name": "trains", "arguments": '{"to":"Lisbon\\u0000"}'}]
    assert picture.content == "Is this it?\n[image-url]\n[binary]"
    memory.forget(answer.id, kind="message")
    assert run(store.load("c")).messages == [each for each in MESSAGES if each is not MESSAGES[3]]


def turn(text: str) -> list[ModelMessage]:
    return [ModelRequest([UserPromptPart(text)]), ModelResponse([TextPart(f"re: {text}")])]


async def story(store: ConversationStore) -> list[Any]:
    """What becomes of conversations that are saved, branched, forked and deleted."""
    log: list[Any] = []

    async def note(*ids: str) -> None:
        for id in ids:
            entries = await store.load_entries(id)
            log.append(entries and [getattr(entry.message.parts[0], "content", "") for entry in entries])
            record = await store.read_record(id)
            log.append(record and (record.scope, record.forked_from, len(record.branches)))

    a = Conversation(conversation_id="a", messages=turn("one"))
    await store.save(a, scope="ann")
    a.messages += turn("two")
    await store.save(a)
    await note("a")
    branched = await store.branch("a", at=2, expected_revision=a.revision)
    branched.messages += turn("three")
    await store.save(branched)
    fork = await store.fork("a", at=3, new_conversation_id="b", scope="bob")
    fork.messages += turn("four")
    await store.save(fork)
    rewritten = Conversation(conversation_id="a", messages=turn("none"), revision=branched.revision)
    await store.save(rewritten)
    await note("a", "b")
    log.append([record.conversation_id for record in await store.list_conversations()])
    log.append([record.conversation_id for record in await store.list_conversations(scope="bob", limit=1)])
    log.append(await store.load("b", scope="ann"))
    await store.delete("a")
    await note("a", "b")
    again = await store.fork("b", new_conversation_id="c")
    await store.delete("b")
    await note("c")
    for failing in (store.save(fork), store.delete_record("c", expected_revision="x")):
        with pytest.raises(ConversationConflict):
            await failing
    missing = ConversationRecord(conversation_id="d", head_id="nothing")
    with pytest.raises(ConversationConflict):
        await store.write_record(missing, expected_revision=None)
    with pytest.raises(LookupError):
        await store.read_entry("nothing")
    await store.delete("c")
    await note("c")
    log.append(len(again.messages))
    return log


def test_it_does_what_the_kit_s_own_store_does(memory: Memory, store: MemgptConversationStore) -> None:
    assert run(story(store)) == run(story(InMemoryConversationStore()))
    assert memory.messages.list() == []
    assert memory.items.list(("pydantic_ai", "entries")) == []
    memory.undo()
    assert len(run(store.load("c")).messages) == 5


def test_agents_see_their_own_and_a_save_joins_a_transaction(
    open_memory: Callable[..., Memory], module_dsn: str
) -> None:
    run(MemgptConversationStore(open_memory("ann")).save(Conversation(conversation_id="s", messages=turn("mine"))))
    other = MemgptConversationStore(open_memory("bob", isolated=True))
    assert (run(other.load("s")), run(other.list_conversations())) == (None, [])
    run(other.delete("s"))

    async def work() -> None:
        async with AsyncMemory("transactions of conversations", dsn=module_dsn) as memory:
            store = MemgptConversationStore(memory)
            await store.save(Conversation(conversation_id="s", messages=turn("kept")))
            transaction = memory.transaction()
            await transaction.__aenter__()
            await store.delete("s")
            assert await store.load("s") is None
            await transaction.__aexit__(KeyError, KeyError(), None)
            assert await store.load("s") is not None

    run(work())


def test_of_concurrent_saves_one_wins_and_nothing_is_half_there(memory: Memory, store: MemgptConversationStore) -> None:
    async def work() -> None:
        saves = [store.save(Conversation(conversation_id="s", messages=turn(str(n)))) for n in range(6)]
        results = await asyncio.gather(*saves, return_exceptions=True)
        assert sum(isinstance(result, ConversationConflict) for result in results) == 5
        [entries] = [result for result in results if isinstance(result, list)]
        assert all(isinstance(entry, ConversationEntry) for entry in entries)
        loaded = await store.load_entries("s")
        assert loaded == entries

    run(work())
    assert memory.messages.count(session="s") == 2
