"""OpenAI's Agents SDK over a memory: its runner, with its scripted model, on sessions and tools of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("agents", reason="needs the extra openai-agents")

from agents import Agent, Runner, SessionSettings, function_tool, set_tracing_disabled
from agents.memory import Session
from agents.testing import ScriptedModel, assistant_message, function_call

from memgpt import AsyncMemory, Memory
from memgpt.errors import InputError
from memgpt.integrations.openai_agents import MemgptSession, memory_tools
from memgpt.models import Json

set_tracing_disabled(True)

IMAGE = f"data:image/png;base64,{'iVBORw0KGgo' * 200_000}"
ITEMS: list[Json] = [
    {"role": "user", "content": "Is the train to Lisbon late?"},
    {"role": "developer", "content": "Be brief"},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "This is my ticket"},
            {"type": "input_image", "image_url": IMAGE, "detail": "auto"},
        ],
    },
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "think"}],
        "encrypted_content": "gAAAA",
    },
    {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "trains", "arguments": '{"to":"Lisbon"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "20 minutes late\0 \ud800"},
    {"type": "computer_call_output", "call_id": "c2", "output": {"type": "computer_screenshot", "image_url": "x"}},
    {"type": "web_search_call", "id": "ws_1", "action": {"query": "trains"}, "status": "completed"},
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Yes, by twenty minutes.", "annotations": [], "logprobs": []}],
    },
    {"role": "user", "content": ""},
    {"type": "made_up", "z": 1, "a": {"deep": [1.0, 1e300, None, True, "\U0001f600"]}},
]


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 120))


def test_items_come_back_exactly_and_are_found_as_messages(memory: Memory) -> None:
    session = MemgptSession("trip", memory)
    assert isinstance(session, Session)
    run(session.add_items(ITEMS[:4]))  # type: ignore[arg-type]
    run(session.add_items(ITEMS[4:]))  # type: ignore[arg-type]
    assert json.dumps(run(session.get_items())) == json.dumps(ITEMS)
    assert run(session.get_items(2)) == ITEMS[-2:]
    assert run(session.get_items(0)) == []
    assert run(MemgptSession("trip", memory, session_settings={"limit": 3}).get_items()) == ITEMS[-3:]
    [hit] = memory.search('"my ticket"', kinds=["message"])
    assert (hit.text, hit.source["session"]) == ("This is my ticket\n[input_image]", "trip")
    assert hit.metadata == {}  # and not the picture
    assert memory.search("ticket", kinds=["message"], vector=None)[0].metadata == {}
    stored = memory.messages.list(session="trip")
    call, output = stored[4], stored[5]
    assert call.tool_calls == [{"id": "c1", "name": "trains", "arguments": '{"to":"Lisbon"}'}]
    assert (output.role, output.tool_call_id) == ("tool", "c1")
    assert output.content.startswith("20 minutes late\ufffd")
    memory.messages.update(stored[8].id, content="No, it is on time.")
    assert run(session.get_items())[8] == {"role": "assistant", "content": "No, it is on time."}


def test_sessions_and_agents_see_their_own(open_memory: Callable[..., Memory]) -> None:
    ann, bob = open_memory("ann"), open_memory("bob", isolated=True)
    run(MemgptSession("s", ann).add_items([{"role": "user", "content": "mine"}]))
    run(MemgptSession("t", ann).add_items([{"role": "user", "content": "other"}]))
    assert run(MemgptSession("s", bob).get_items()) == []
    assert run(MemgptSession("s", bob).pop_item()) is None
    run(MemgptSession("s", bob).clear_session())
    run(MemgptSession("s", bob).add_items([{"role": "user", "content": "Bob's"}]))
    assert run(MemgptSession("s", bob).pop_item()) == {"role": "user", "content": "Bob's"}
    run(MemgptSession("t", ann).clear_session())
    assert [item["content"] for item in run(MemgptSession("s", ann).get_items())] == ["mine"]
    ann.undo()
    assert [item["content"] for item in run(MemgptSession("t", ann).get_items())] == ["other"]
    with pytest.raises(InputError, match="session_id is empty"):
        MemgptSession(" ", ann)


def test_an_add_is_all_or_nothing_and_joins_the_open_transaction(memory: Memory, module_dsn: str) -> None:
    session = MemgptSession("s", memory)
    for content, error in ((object(), TypeError), ("b" * 10_000_001, InputError)):
        items: Any = [{"role": "user", "content": "a"}, {"role": "user", "content": content}]
        with pytest.raises(error):
            run(session.add_items(items))
    assert run(session.get_items()) == []

    async def work() -> None:
        async with AsyncMemory("transactions", dsn=module_dsn) as asynchronous:
            own = MemgptSession("s", asynchronous)
            with contextlib.suppress(KeyError):
                async with asynchronous.transaction():
                    await own.add_items([{"role": "user", "content": "a"}])
                    assert len(await own.get_items()) == 1
                    raise KeyError
            assert await own.get_items() == []

    run(work())


def test_concurrent_adds_stay_together_and_each_item_is_popped_once(memory: Memory) -> None:
    async def work() -> None:
        sessions = [MemgptSession("s", memory) for _ in range(8)]
        adds = [
            session.add_items([{"role": "user", "content": f"{n}-{part}"} for part in range(3)])
            for n, session in enumerate(sessions)
        ]
        await asyncio.gather(*adds)
        texts = [str(item["content"]) for item in await sessions[0].get_items()]  # type: ignore[typeddict-item]
        assert sorted(texts) == sorted(f"{n}-{part}" for n in range(8) for part in range(3))
        assert all([text[:2] for text in texts[n : n + 3]] == [texts[n][:2]] * 3 for n in range(0, 24, 3))
        popped = await asyncio.gather(*(session.pop_item() for session in sessions * 3))
        assert sorted(str(item["content"]) for item in popped if item) == sorted(texts)  # type: ignore[typeddict-item]
        assert await sessions[0].pop_item() is None

    run(work())


def test_messages_of_others_are_items_too(memory: Memory) -> None:
    memory.messages.append("user", "Hello", session="s")
    memory.messages.append("assistant", "Hm", session="s", tool_calls=[{"id": "x", "name": "f", "arguments": {"a": 1}}])
    memory.messages.append("tool", "done", session="s", tool_call_id="x")
    memory.messages.append("tool", "unasked", session="s")
    call = {"type": "function_call", "call_id": "x", "name": "f", "arguments": '{"a": 1}'}
    output = {"type": "function_call_output", "call_id": "x", "output": "done"}
    expected = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hm"}, call, output]
    session = MemgptSession("s", memory)
    assert run(session.get_items()) == [*expected, {"role": "assistant", "content": "unasked"}]
    assert run(session.get_items(3)) == [call, output, {"role": "assistant", "content": "unasked"}]


def test_a_runner_goes_on_where_it_was_and_calls_the_tools(memory: Memory) -> None:
    @function_tool
    def trains(to: str) -> str:
        """Tell when trains leave."""
        return f"to {to}: 9:04"

    model = ScriptedModel()
    model.enqueue([function_call("trains", {"to": "Lisbon"}, call_id="c0")])
    model.enqueue([function_call("core_memory_append", {"label": "human", "content": "Goes to Lisbon"}, call_id="c1")])
    model.enqueue(
        [function_call("memory_replace", {"label": "human", "old_str": "Rome", "new_str": "Oslo"}, call_id="c2")]
    )
    model.enqueue([assistant_message("At 9:04.")])
    agent = Agent(name="clerk", model=model, tools=[trains, *memory_tools(memory)])
    memory.core.create("human", "")
    session = MemgptSession("trip", memory, session_settings=SessionSettings())
    result = run(Runner.run(agent, "When is my train to Lisbon?", session=session))
    assert result.final_output == "At 9:04."
    assert memory.core["human"].value == "Goes to Lisbon"
    outputs = [item["output"] for item in run(session.get_items()) if item.get("type") == "function_call_output"]
    assert outputs[0] == "to Lisbon: 9:04"
    assert outputs[2].startswith("error: ")
    model.enqueue([assistant_message("You are welcome.")])
    run(Runner.run(agent, "Thank you", session=session))
    sent = model.calls[-1].input
    assert [item.get("role") or item.get("type") for item in sent] == [  # type: ignore[union-attr]
        "user",
        *["function_call", "function_call_output"] * 3,
        "assistant",
        "user",
    ]
    assert {tool.name for tool in memory_tools(memory)} >= {"archival_memory_search", "conversation_search"}
