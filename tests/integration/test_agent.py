"""``memgpt.Agent`` against a server that speaks the protocols of chat models."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from memgpt import Agent, Memory
from memgpt.agent import Ended, Evicted, Text, ToolReturned, TurnLimits
from memgpt.agent.chat_model import ChatModel
from memgpt.agent.intents import by_model
from memgpt.embeddings.static import count_tokens
from memgpt.errors import ChatError, ConfigurationError, ConflictError, InputError, NotFoundError
from tests.chat_server import ChatServer, Fail, Hang, Say, said


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat


def openai(chat: ChatServer) -> ChatModel:
    return ChatModel("openai:scripted", base_url=chat.url)


def anthropic(chat: ChatServer) -> ChatModel:
    return ChatModel("anthropic:scripted", base_url=chat.url.removesuffix("/v1"))


def roles(memory: Memory) -> list[str]:
    return [message.role for message in memory.messages.list(limit=1000)]


def test_a_turn_with_tools_is_kept_step_by_step(memory: Memory, chat: ChatServer) -> None:
    chat.script(
        Say("Let me note that.", [("core_memory_append", {"label": "human", "content": "Name: Ada"})]),
        Say("Hello Ada!", input_tokens=20, output_tokens=7),
    )
    agent = Agent(memory, openai(chat))
    events = list(agent.stream("My name is Ada"))
    assert "".join(e.text for e in events if isinstance(e, Text)) == "Let me note that.Hello Ada!"
    assert isinstance(events[-1], Ended)
    turn = events[-1].turn
    assert (turn.text, turn.status, turn.steps, turn.input_tokens, turn.output_tokens) == (
        "Hello Ada!",
        "done",
        2,
        30,
        12,
    )
    assert memory.core["human"].value == "Name: Ada"
    assert roles(memory) == ["user", "assistant", "tool", "assistant"]
    first, second = chat.requests
    assert {t["function"]["name"] for t in first["tools"]} >= {"core_memory_replace", "conversation_search_date"}
    assert "Name: Ada" not in first["messages"][0]["content"]
    assert "Name: Ada" in second["messages"][0]["content"]
    assert [role for role, _ in said(second)] == ["system", "user", "assistant", "tool"]


def test_anthropic_speaks_too(memory: Memory, chat: ChatServer) -> None:
    chat.script(Say("", [("archival_memory_insert", {"content": "Ada likes tea", "tags": ["taste"]})]), Say("Noted."))
    agent = Agent(memory, anthropic(chat))
    assert agent.send("I like tea").text == "Noted."
    assert [m.text for m in memory.archival.list()] == ["Ada likes tea"]
    assert [m["role"] for m in chat.requests[1]["messages"]] == ["user", "assistant", "user"]
    assert agent.send("Thanks").text == "ok"


def test_what_was_sent_can_be_seen_again(memory: Memory, chat: ChatServer) -> None:
    chat.script(Say("", [("conversation_search", {"query": "boat"})]), Say("Lena."))
    agent = Agent(memory, openai(chat))
    memory.core["persona"].append("A sailor")
    agent.send("What is the boat called?")
    last, first = agent.steps()
    seen = agent.inspect(last.id)
    request = chat.requests[1]
    assert seen.exact
    assert seen.system == request["messages"][0]["content"]
    assert [m["content"] for m in seen.messages] == [m.get("content") or "" for m in request["messages"][1:]]
    assert [t["name"] for t in seen.tools] == [t["function"]["name"] for t in request["tools"]]
    assert seen.tokens_by_part.keys() == {"instructions", "core", "tools", "messages"}
    assert seen.answer is not None
    assert seen.answer.content == "Lena."
    memory.messages.update(agent.inspect(first.id).step.message_ids[0], content="something else")
    assert not agent.inspect(last.id).exact
    with pytest.raises(NotFoundError):
        agent.inspect(last.id + 100)


def test_a_tool_of_ones_own(memory: Memory, chat: ChatServer) -> None:
    def add(a: int, b: int = 1) -> int:
        """Add two numbers.

        Args:
            a: The first.
        """
        return a + b

    def fail() -> str:
        """Never works."""
        memory.remember("must not stay")
        raise RuntimeError("out of order")

    chat.script(Say("", [("add", {"a": 2}), ("fail", {})]), Say("3"))
    agent = Agent(memory, openai(chat), tools=[add, fail])
    returned = [e for e in agent.stream("2 + 1?") if isinstance(e, ToolReturned)]
    assert [(e.result, e.failed) for e in returned] == [("3", False), ("Error: RuntimeError: out of order", True)]
    assert memory.archival.list() == []
    [told] = [t["function"] for t in chat.requests[0]["tools"] if t["function"]["name"] == "add"]
    assert told["description"] == "Add two numbers."
    assert told["parameters"]["properties"]["a"] == {"type": "integer", "description": "The first."}
    with pytest.raises(InputError, match="two tools called 'add'"):
        Agent(memory, openai(chat), tools=[add, add])


def test_what_a_model_gets_wrong_goes_back_to_it(memory: Memory, chat: ChatServer) -> None:
    chat.script(
        Say("", [("core_memory_append", '{"label": "human", "content": ')]),
        Say("", [("core_memory_append", {"label": "human", "text": "x"})]),
        Say("", [("send_email", {"to": "all"})]),
        Say("", [("memory_replace", {"label": "human", "old_str": "a", "new_str": "b"})]),
        Say("", [("archival_memory_search", {"query": "x", "start_datetime": "yesterday"})]),
        Say("I give up."),
    )
    agent = Agent(memory, openai(chat))
    failures = [e.result for e in agent.stream("Do something") if isinstance(e, ToolReturned)]
    assert [f.split(":")[0] for f in failures] == ["Error"] * 5
    assert "not a JSON object" in failures[0]
    assert "content: Field required" in failures[1]
    assert "no tool 'send_email'" in failures[2]
    assert memory.core.list() == []
    assert agent.send("And now?").text == "ok"


def test_loops_are_stopped(memory: Memory, chat: ChatServer) -> None:
    chat.script(otherwise=Say("", [("conversation_search", {"query": "x"})]))
    agent = Agent(memory, openai(chat))
    turn = agent.send("Search")
    assert (turn.status, turn.reason) == ("stopped", "the model repeats itself")
    assert "already in this turn" in said(chat.requests[-1])[-1][1]
    chat.script(otherwise=Say("", [("nonsense", {})]))
    assert agent.send("Again").reason == "6 tool calls failed one after the other"
    chat.script(otherwise=Say("fine"))
    assert agent.send("Stop").text == "fine"


def test_limits(memory: Memory, chat: ChatServer) -> None:
    calls = iter(range(1000))
    chat.script(otherwise=lambda _: Say("", [("conversation_search", {"query": f"x{next(calls)}"})], input_tokens=50))
    assert Agent(memory, openai(chat), limits=TurnLimits(steps=3)).send("a").steps == 3
    turn = Agent(memory, openai(chat), limits=TurnLimits(tokens=100)).send("b")
    assert (turn.status, turn.steps) == ("stopped", 2)
    assert Agent(memory, openai(chat), limits=TurnLimits(seconds=1e-9)).send("c").reason == (
        "the limit of 1e-09 seconds is reached"
    )
    with pytest.raises(ConfigurationError, match="price of openai:scripted is not known"):
        Agent(memory, openai(chat), limits=TurnLimits(cost=0.1))


def test_cancel_from_another_thread(memory: Memory, chat: ChatServer) -> None:
    chat.script(Hang("Once upon a time"))
    agent = Agent(memory, openai(chat))
    events: list[Any] = []
    thread = threading.Thread(target=lambda: events.extend(agent.stream("Tell me a story")))
    thread.start()
    assert chat.hanging.wait(20)
    with pytest.raises(ConflictError, match="in a turn already"):
        Agent(memory, openai(chat)).send("Hello?")
    assert agent.cancel()
    thread.join(20)
    assert events[-1].turn.status == "cancelled"
    assert not agent.cancel()
    assert agent.send("Never mind").text == "ok"


def test_leaving_the_stream_cancels_and_answers_open_calls(memory: Memory, chat: ChatServer) -> None:
    chat.script(Say("", [("archival_memory_insert", {"content": "a"}), ("archival_memory_insert", {"content": "b"})]))
    agent = Agent(memory, openai(chat))
    stream = agent.stream("Keep a and b")
    for event in stream:
        if isinstance(event, ToolReturned):
            break
    stream.close()
    assert [m.text for m in memory.archival.list()] == ["a"]
    assert roles(memory) == ["user", "assistant", "tool", "tool"]
    assert "interrupted" in memory.messages.list()[-1].content
    assert agent.send("Go on").text == "ok"


def sent_tokens(request: dict[str, Any]) -> int:
    """An upper estimate of what a request and its answer take of the window."""
    texts = [text for _, text in said(request)]
    calls = [json.dumps(m["tool_calls"]) for m in request["messages"] if m.get("tool_calls")]
    most = request.get("max_completion_tokens") or request["max_tokens"]
    return sum(count_tokens([*texts, *calls, json.dumps(request.get("tools", []))])) + int(most)


def test_the_turn_goes_on_when_the_summary_fails(memory: Memory, chat: ChatServer) -> None:
    chat.script(otherwise=lambda r: Say("Hm. " * 400) if "tools" in r else Fail(400, "no summaries here"))
    agent = Agent(memory, openai(chat), window=4096)
    events = [event for n in range(8) for event in agent.stream(f"Number {n} " + "and so on " * 60)]
    evicted = [event for event in events if isinstance(event, Evicted)]
    assert evicted
    assert not evicted[0].by_model
    assert "user: Number 0" in evicted[0].summary
    assert max(sent_tokens(r) for r in chat.requests if "tools" in r) <= 4096


def test_one_message_longer_than_the_window(memory: Memory, chat: ChatServer) -> None:
    agent = Agent(memory, openai(chat), window=4096)
    agent.send("many words " * 20_000)
    assert "cut here" in said(chat.requests[0])[-1][1]
    assert sent_tokens(chat.requests[0]) <= 4096
    memory.core.create("context", "x y z " * 15_000, limit=100_000)
    with pytest.raises(ChatError, match="shorten the blocks of core memory"):
        agent.send("Hello")


def test_the_endpoint_knows_its_window_better(memory: Memory, chat: ChatServer) -> None:
    too_long = Fail(400, "maximum context length is 4096 tokens", code="context_length_exceeded")
    chat.script(too_long, Say("It fits now."))
    assert Agent(memory, openai(chat)).send("Hello").text == "It fits now."


def test_without_a_model(memory: Memory) -> None:
    with pytest.raises(ConfigurationError, match="MEMGPT_CHAT_MODEL"):
        Agent(memory)
    with pytest.raises(ConfigurationError, match="provider:model"):
        Agent(memory, "gpt")


def test_forgetting_reaches_summaries_and_what_was_sent(memory: Memory, chat: ChatServer) -> None:
    chat.script(otherwise=lambda r: Say("Hm. " * 300) if "tools" in r else Say("Ada's secret is Bartholomew."))
    agent = Agent(memory, openai(chat), window=4096)
    agent.send("The secret is Bartholomew")
    for n in range(6):
        agent.send(f"Number {n} " + "and so on " * 60)
    assert any("Bartholomew" in (step.summary or "") for step in agent.steps())
    [message] = memory.search("Bartholomew", kinds=["message"], roles=["user"], limit=1)
    memory.forget(message.id, "message")
    assert not any("Bartholomew" in f"{step.summary} {step.system}" for step in agent.steps())
    assert agent.send("Go on").text


def test_intents_by_a_model(memory: Memory, chat: ChatServer) -> None:
    memory.intents.use(by_model(openai(chat)))
    chat.script(Say('Here you are: ["recall", "made up"]'), Say("no idea"))
    kept = memory.messages.append_many([{"content": "Remind me tomorrow"}, {"content": "Remember this"}])
    assert [m.intent for m in kept] == ["recall", "unknown"]
    assert memory.messages.append("user", "Remind me tomorrow to call Tom").intent == "reminder"
