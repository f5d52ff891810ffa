"""The agent over the protocols of providers: what it sends, what it survives, what it costs.

Everything is asserted from the requests that the server received, and from what is stored.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from memgpt import Agent, Memory
from memgpt.agent import Ended, Event, Evicted, Pressure, Restarted, Text, ToolCalled, ToolReturned, TurnLimits
from memgpt.agent.chat_model import ChatModel
from memgpt.embeddings.static import count_tokens
from memgpt.errors import ChatError, ConfigurationError, ConflictError
from memgpt.llm import retries
from tests.chat_server import BreakOff, ChatServer, Fail, Hang, Page, Say, said

BOTH = pytest.mark.parametrize("provider", ["openai", "anthropic"])
ALL = pytest.mark.parametrize("provider", ["openai", "openai-responses", "anthropic"])
"""With OpenAI's newer protocol, which is spoken to OpenAI itself."""


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.002)


def model(provider: str, chat: ChatServer, name: str = "scripted") -> ChatModel:
    return ChatModel(f"{provider}:{name}", base_url=chat.url if provider.startswith("openai") else chat.root)


def well_formed(memory: Memory) -> list[str]:
    """The roles of the conversation; every call is answered once, right after it."""
    messages = memory.messages.list(limit=5000)
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
        else:
            assert waiting == []
            waiting = [call["id"] for call in message.tool_calls or []]
    assert waiting == []
    return [message.role for message in messages]


def sent_tokens(request: dict[str, Any]) -> int:
    """An upper estimate of what a request and its answer take of the window: every text of it is counted."""
    texts = [text for _, text in said(request)]
    calls = [json.dumps(m["tool_calls"]) for m in request["messages"] if m.get("tool_calls")]
    most = request.get("max_completion_tokens") or request["max_tokens"]
    return sum(map(_tokens, [*texts, *calls, json.dumps(request.get("tools", []))])) + int(most)


@cache
def _tokens(text: str) -> int:
    return count_tokens([text])[0]


SECRET = "The lighthouse keeper's parrot is called Bartholomew."
FILLER = "We talked about the harbour, the weather over the strait and the ships that came in. " * 9


def tells_of_a_harbour(request: dict[str, Any]) -> Say:
    if not request.get("tools"):
        return Say("Summary: the user tells of a harbour town.")
    text = said(request)[-1][1]
    if "parrot called" in text and "Bartholomew" not in text:
        return Say("", [("conversation_search", {"query": "parrot called"})])
    if "Bartholomew" in text and "[message" in text:
        return Say("It is Bartholomew.")
    if text.startswith(("Turn 40 ", "Turn 300 ")):
        return Say("", [("core_memory_append", {"label": "context", "content": text.split(":")[0]})])
    if text.startswith("block"):
        return Say("Noted.")
    return Say(f"I see. {FILLER}")


@pytest.mark.parametrize("provider", ["openai"])  # a minute of work; what differs by provider is tested below
def test_500_turns_in_a_window_of_8k(memory: Memory, chat: ChatServer, provider: str) -> None:
    chat.script(otherwise=tells_of_a_harbour)
    agent = Agent(memory, model(provider, chat), window=8192)
    events: list[Event] = []
    for n in range(1, 500):
        events += list(agent.stream(SECRET if n == 3 else f"Turn {n} : {FILLER}"))
    before = len(chat.requests)
    assert agent.send("What is the parrot called?").text == "It is Bartholomew."
    assert max(map(sent_tokens, chat.requests)) <= 8192
    assert SECRET not in str(chat.requests[before])  # it had left the window
    assert any(isinstance(event, Evicted) and event.by_model for event in events)
    assert any(isinstance(event, Pressure) for event in events)
    assert "Summary: the user tells" in said(chat.requests[-1])[0][1]
    assert "Turn 40 \nTurn 300 " in said(chat.requests[-1])[0][1]
    kept = [m.content for m in memory.messages.list(limit=5000, roles=["user"])]
    assert kept[2] == SECRET
    assert len(kept) == 500
    assert {f"Turn {n} " for n in range(1, 500) if n != 3} <= {text.split(":")[0] for text in kept}
    assert any("Turn 123 :" in hit.text for hit in memory.search('"Turn 123"', kinds=["message"]))


PASSING = {
    "429": Fail(429, headers={"Retry-After": "0"}),
    "500": Fail(500),
    "503": Fail(503),
    "overloaded": Fail(529),
    "timeout": Fail(408),
    "reset": BreakOff("Half of a sentence that never"),
    "truncated": BreakOff("Half of a sentence that never", "end"),
    "invalid JSON": BreakOff("Half of a sentence that never", "garbage"),
    "fails in the stream": BreakOff("Half of a sentence that never", "error"),
    "no JSON at all": Page('{"choi', "application/json"),
    "a page": Page("<html>Please try again</html>"),
}


@ALL
@pytest.mark.parametrize("failure", PASSING.values(), ids=PASSING)
def test_passing_failures_are_tried_again(memory: Memory, chat: ChatServer, provider: str, failure: Any) -> None:
    noted = ("core_memory_append", {"label": "human", "content": "Name: Ada"})
    chat.script(Say("", [noted]), failure, Say("Whole again."))
    events = list(Agent(memory, model(provider, chat)).stream("Hello, I am Ada"))
    assert sum(isinstance(event, Restarted) for event in events) == 1
    last = events[-1]
    assert isinstance(last, Ended)
    assert (last.turn.text, last.turn.steps, len(chat.requests)) == ("Whole again.", 2, 3)
    assert chat.bodies[1] == chat.bodies[2]
    assert well_formed(memory) == ["user", "assistant", "tool", "assistant"]
    assert memory.messages.list()[-1].content == "Whole again."
    assert memory.core["human"].value == "Name: Ada"


LASTING = {
    "429": (Fail(429, headers={"Retry-After": "0"}), "rate limit did not lift in 4 attempts", 4),
    "500": (Fail(500), "the endpoint failed", 4),
    "truncated": (BreakOff("Half of", "end"), "no whole answer of a model came", 4),
    "a login page": (Page("<html>Sign in</html>"), "check that MEMGPT_CHAT_BASE_URL is the API's address", 4),
    "a rate limit of an hour": (Fail(429, headers={"Retry-After": "3600"}), "rate limit did not lift", 1),
    "a bad key": (Fail(401, "key sk-secret"), "refused the key; set MEMGPT_CHAT_API_KEY", 1),
    "no such model": (Fail(404), "no such model", 1),
    "a bad request": (Fail(400, "temperature is not known"), "temperature is not known", 1),
    "no credit": (Fail(402), "quota or credit is used up", 1),
    "nothing": (Say(""), "returned an empty response", 1),
}


@ALL
@pytest.mark.parametrize(("failure", "words", "requests"), LASTING.values(), ids=LASTING)
def test_lasting_failures_are_said_and_can_be_resumed(
    memory: Memory, chat: ChatServer, provider: str, failure: Any, words: str, requests: int
) -> None:
    chat.script(otherwise=failure)
    agent = Agent(memory, model(provider, chat))
    with pytest.raises(ChatError, match=words) as raised:
        agent.send("Hello")
    assert "sk-secret" not in str(raised.value)
    assert len(chat.requests) == requests
    assert well_formed(memory) == ["user"]
    chat.script(otherwise=Say("At last."))
    turn = agent.resume()
    assert turn is not None
    assert turn.text == "At last."
    assert well_formed(memory) == ["user", "assistant"]
    assert agent.resume() is None


@ALL
def test_silence_ends_at_the_deadline(memory: Memory, chat: ChatServer, provider: str) -> None:
    chat.script(otherwise=Hang("Well"))
    agent = Agent(memory, model(provider, chat), limits=TurnLimits(seconds=0.6))
    with pytest.raises(ChatError, match="no whole answer within"):
        agent.send("Hello")
    assert well_formed(memory) == ["user"]


@ALL
def test_what_a_model_gets_wrong_goes_back_to_it(memory: Memory, chat: ChatServer, provider: str) -> None:
    chat.script(
        Say("", [("core_memory_append", '{"label": "human", "content": ')]),
        Say("", [("send_email", {"to": "all"}), ("core_memory_append", {"label": "human"})]),
        Say("I give up."),
    )
    agent = Agent(memory, model(provider, chat))
    failures = [e.result for e in agent.stream("Do something") if isinstance(e, ToolReturned) and e.failed]
    assert [words in failure for words, failure in zip(["JSON", "send_email", "content"], failures, strict=True)] == [
        True
    ] * 3
    assert "no tool 'send_email'" in said(chat.requests[2])[-1 if provider == "anthropic" else -2][1]
    assert well_formed(memory) == ["user", "assistant", "tool", "assistant", "tool", "tool", "assistant"]
    assert memory.core.list() == []


@ALL
def test_a_refusal_ends_the_turn(memory: Memory, chat: ChatServer, provider: str) -> None:
    chat.script(Say(refusal="I cannot help with that."))
    agent = Agent(memory, model(provider, chat))
    turn = agent.send("Do harm")
    assert (turn.status, turn.reason) == ("stopped", "the model refused")
    assert turn.text
    assert agent.send("Something else").text == "ok"
    assert well_formed(memory) == ["user", "assistant"] * 2


PRICED = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-5-5"}


@BOTH
def test_the_cost_of_a_turn_is_limited(memory: Memory, chat: ChatServer, provider: str) -> None:
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=20_000, output_tokens=1_000)
    price = float(calc_price(usage, PRICED[provider], provider_id=provider).total_price)
    numbers = iter(range(100))
    chat.script(
        otherwise=lambda _: Say(
            "", [("conversation_search", {"query": f"x{next(numbers)}"})], input_tokens=20_000, output_tokens=1_000
        )
    )
    agent = Agent(memory, model(provider, chat, PRICED[provider]), limits=TurnLimits(cost=2.5 * price))
    turn = agent.send("Search")
    assert (turn.status, turn.reason) == ("stopped", f"the limit of ${2.5 * price} is reached")
    assert (turn.steps, turn.cost) == (3, pytest.approx(3 * price))
    assert [step.cost for step in agent.steps()] == [pytest.approx(price)] * 3
    well_formed(memory)


def test_an_endpoint_that_answers_under_another_name_costs_what_was_asked_for(memory: Memory, chat: ChatServer) -> None:
    chat.script(Say("ok", input_tokens=1_000_000, output_tokens=0, model="our-own-deployment"))
    turn = Agent(memory, model("openai", chat, "gpt-4o-mini"), limits=TurnLimits(cost=1)).send("Hello")
    assert turn.cost == pytest.approx(0.15)


def test_an_endpoint_that_counts_no_tokens_is_counted_for(memory: Memory, chat: ChatServer) -> None:
    chat.script(otherwise=Say("One two three four five", input_tokens=0, output_tokens=0))
    agent = Agent(memory, model("openai", chat, "gpt-4o-mini"), limits=TurnLimits(tokens=100, cost=1))
    turn = agent.send("Hello")
    step = agent.steps()[0]
    assert turn.input_tokens == sum(step.tokens_by_part.values())
    assert 0 < turn.output_tokens < 10
    assert turn.cost


@BOTH
def test_the_inspector_shows_what_the_server_received(memory: Memory, chat: ChatServer, provider: str) -> None:
    memory.core["persona"].append("A sailor called “Ömer”")
    chat.script(
        Say("Let me look.", [("conversation_search", {"query": "boat"}), ("nonsense", '{"a": ')]),
        Say("Lena."),
    )
    agent = Agent(memory, model(provider, chat), tools=[])
    agent.send("What is the boat called? \N{SAILBOAT}")
    for step, body in zip(reversed(agent.steps()), chat.bodies, strict=True):
        seen, request = agent.inspect(step.id), json.loads(body)
        assert seen.exact
        assert _as_received(provider, request) == [
            {"role": "system", "content": seen.system},
            *(_plain(message) for message in seen.messages),
        ]
        told = [tool.get("function", tool) for tool in request["tools"]]
        assert [t["name"] for t in told] == [t["name"] for t in seen.tools]
        assert [t["description"] for t in told] == [t["description"] for t in seen.tools]
        schemas = [t.get("parameters") or t.get("input_schema") for t in told]
        assert [s["properties"].keys() for s in schemas] == [t["parameters"]["properties"].keys() for t in seen.tools]
        assert sum(seen.tokens_by_part.values()) == sum(step.tokens_by_part.values()) > 0


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    calls = [(call["id"], call["name"]) for call in message["tool_calls"] or []]
    given = {"calls": calls, "answers": message["tool_call_id"]}
    return {"role": message["role"], "content": message["content"], **{k: v for k, v in given.items() if v}}


def _as_received(provider: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a request in one form."""
    if provider == "openai":
        return [
            {"role": m["role"], "content": m.get("content") or ""}
            | ({"calls": [(c["id"], c["function"]["name"]) for c in m["tool_calls"]]} if m.get("tool_calls") else {})
            | ({"answers": m["tool_call_id"]} if "tool_call_id" in m else {})
            for m in request["messages"]
        ]
    received: list[dict[str, Any]] = [{"role": "system", "content": said(request)[0][1]}]
    for message in request["messages"]:
        calls = []
        parts = message["content"]
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            if part["type"] == "tool_result":
                told = "".join(text["text"] for text in part["content"])  # type: ignore[index]
                received.append({"role": "tool", "content": told, "answers": part["tool_use_id"]})
            elif part["type"] == "tool_use":
                calls.append((part["id"], part["name"]))
            else:
                received.append({"role": message["role"], "content": part["text"]})
        if calls:
            received[-1]["calls"] = calls
    return received


KILLED: dict[str, tuple[list[str], list[str]]] = {
    # when: what was kept of the conversation, and which texts the tool had kept
    "before the first answer": (["user"], []),
    "in the first answer": (["user"], []),
    "before the first call": (["user", "assistant"], []),
    "in the second call": (["user", "assistant", "tool"], ["one"]),
    "after the second call": (["user", "assistant", "tool", "tool"], ["one", "two"]),
    "in the last answer": (["user", "assistant", "tool", "tool"], ["one", "two"]),
}

processes = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
processes.set_forkserver_preload(["memgpt", "pydantic_ai.models.openai", "pydantic_ai.models.anthropic"])


def _dies(dsn: str, provider: str, url: str, when: str) -> None:
    """A process that is killed in its turn; before the first answer by the test."""
    memory = Memory("ann", dsn=dsn)
    kept: list[str] = []

    def die_if(moment: bool) -> None:
        if moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def keep(text: str) -> str:
        """Keep a text."""
        memory.remember(text)
        kept.append(text)
        die_if(when == "in the second call" and len(kept) == 2)
        return "kept"

    for event in Agent(memory, ChatModel(f"{provider}:scripted", base_url=url), tools=[keep]).stream(
        "Keep one and two"
    ):
        die_if(when == "in the first answer" and isinstance(event, Text))
        die_if(when == "before the first call" and isinstance(event, ToolCalled))
        die_if(when == "after the second call" and isinstance(event, ToolReturned) and len(kept) == 2)
        die_if(when == "in the last answer" and isinstance(event, Text) and len(kept) == 2)


def keeps_one_and_two(request: dict[str, Any]) -> Say:
    if "tool_use_id" in str(request) or "tool_call_id" in str(request):
        return Say("Both are kept.")
    return Say("I keep them.", [("keep", {"text": text}) for text in ("one", "two")])


@BOTH
@pytest.mark.parametrize("when", KILLED)
def test_a_killed_turn_goes_on_and_nothing_is_done_twice(
    memory: Memory, chat: ChatServer, dsn: str, provider: str, when: str
) -> None:
    chat.script(*[Hang()] * (when == "before the first answer"), otherwise=keeps_one_and_two)
    url = chat.url if provider == "openai" else chat.root
    process = processes.Process(target=_dies, args=(dsn, provider, url, when))  # type: ignore[attr-defined]
    process.start()
    if when == "before the first answer":
        assert chat.hanging.wait(60)
        process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    messages, texts = KILLED[when]
    assert [message.role for message in memory.messages.list()] == messages
    assert sorted(m.text for m in memory.archival.list()) == texts
    ran: list[str] = []

    def keep(text: str) -> str:
        """Keep a text."""
        ran.append(text)
        memory.remember(text)
        return "kept"

    agent = Agent(memory, model(provider, chat), tools=[keep])
    with pytest.raises(ConflictError, match="in a turn"):
        agent.send("Hello?")
    turn = agent.resume()
    assert turn is not None
    assert (turn.text, turn.steps) == ("Both are kept.", 2)
    assert ran == ["one", "two"][len(texts) :]
    assert sorted(m.text for m in memory.archival.list()) == ["one", "two"]
    assert well_formed(memory) == ["user", "assistant", "tool", "tool", "assistant"]


def _speaks(dsn: str, provider: str, url: str, text: str) -> None:
    memory = Memory("ann", dsn=dsn)
    Agent(memory, ChatModel(f"{provider}:scripted", base_url=url), window=4096).send(text)


@BOTH
def test_a_turn_killed_while_it_summarises_goes_on(memory: Memory, chat: ChatServer, dsn: str, provider: str) -> None:
    for n in range(40):
        memory.messages.append("user" if n % 2 == 0 else "assistant", f"Message {n}. {FILLER}")
    chat.script(Hang("Summary: a har"), otherwise=tells_of_a_harbour)
    url = chat.url if provider == "openai" else chat.root
    process = processes.Process(target=_speaks, args=(dsn, provider, url, "Go on"))  # type: ignore[attr-defined]
    process.start()
    assert chat.hanging.wait(60)
    process.kill()
    process.join(60)
    assert not chat.requests[0].get("tools")
    assert len(memory.messages.list(limit=100)) == 41
    agent = Agent(memory, model(provider, chat), window=4096)
    assert [step.kind for step in agent.steps()] == []
    turn = agent.resume()
    assert turn is not None
    assert (turn.status, turn.steps) == ("done", 1)
    assert {step.kind for step in agent.steps()} == {"summary", "answer"}
    assert len(memory.messages.list(limit=100)) == 42
    assert max(map(sent_tokens, chat.requests)) <= 4096


OTHERS = {
    "google:gemini-2.5-flash": "google.genai",
    "bedrock:us.amazon.nova-lite-v1:0": "boto3",
    "cohere:command-a-03-2025": "cohere",
    "ollama:llama3.1": "openai",
    "vllm:Qwen/Qwen3-8B": "openai",
    "litellm:some-model": "openai",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the libraries' own
def test_other_providers_speak_too(
    memory: Memory, chat: ChatServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(OTHERS[name])
    for variable, value in {"DEFAULT_REGION": "eu-central-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y"}.items():
        monkeypatch.setenv(f"AWS_{variable}", value)
    noted = ("core_memory_append", {"label": "human", "content": "Name: Ada"})
    failure = Fail(429, headers={"Retry-After": "0"})
    chat.script(failure, Say("I note that.", [noted]), BreakOff("Hello A", "end"), Say("Hello Ada!"))
    monkeypatch.setenv("CO_BASE_URL", chat.root)  # which Cohere's client takes from nowhere else
    url = {"openai": chat.url, "cohere": None}.get(OTHERS[name], chat.root)
    agent = Agent(memory, ChatModel(name, base_url=url, api_key="k" if url is None else None))
    turn = agent.send("My name is Ada")
    assert (turn.text, turn.steps, turn.input_tokens, turn.output_tokens) == ("Hello Ada!", 2, 20, 10)
    assert memory.core["human"].value == "Name: Ada"
    assert well_formed(memory) == ["user", "assistant", "tool", "assistant"]
    assert len(chat.requests) == 4
    assert "Name: Ada" in str(chat.requests[3])
    assert "conversation_search_date" in str(chat.requests[3])


def test_openai_itself_is_spoken_to_by_responses(
    memory: Memory, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", chat.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    noted = ("core_memory_append", {"label": "human", "content": "Name: Ada"})
    chat.script(Say("I note that.", [noted]), Say("Hello Ada!", input_tokens=1_000_000, output_tokens=0))
    agent = Agent(memory, "openai:gpt-5", limits=TurnLimits(cost=10))
    turn = agent.send("My name is Ada")
    assert (turn.text, turn.steps, turn.cost) == ("Hello Ada!", 2, pytest.approx(1.25, rel=0.01))
    assert memory.core["human"].value == "Name: Ada"
    assert well_formed(memory) == ["user", "assistant", "tool", "assistant"]
    assert [role for role, _ in said(chat.requests[1])] == ["system", "user", "assistant", "assistant", "tool"]
    assert agent.inspect(agent.steps()[0].id).system == said(chat.requests[1])[0][1]


def test_ollama_is_on_this_machine_unless_said_otherwise() -> None:
    assert ChatModel("ollama:llama3.1")._provider.base_url.startswith("http://127.0.0.1:11434/v1")


def test_cohere_has_an_address_of_its_own() -> None:
    with pytest.raises(ConfigurationError, match="CO_BASE_URL"):
        ChatModel("cohere:command-a-03-2025", base_url="http://127.0.0.1:9", api_key="k")


WITHOUT = """
import sys
for package in ("openai", "anthropic", "google.genai", "boto3", "cohere", "groq"):
    sys.modules[package] = None
from memgpt.agent.chat_model import ChatModel
from memgpt.errors import ConfigurationError
for name in ("openai:x", "ollama:x", "anthropic:x", "google:x", "google-cloud:x", "bedrock:x", "cohere:x", "groq:x"):
    try:
        ChatModel(name, api_key="k")
    except ConfigurationError as error:
        print(error)
"""


def test_a_missing_client_names_the_extra_that_brings_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True, timeout=60)
    *ours, groq = done.stdout.splitlines()
    extras = [line.rpartition("pip install ")[2] for line in ours]
    named = ("openai", "openai", "anthropic", "google", "google", "bedrock", "cohere")
    assert extras == [f"'memgpt-postgres[{extra}]'" for extra in named]
    assert "pydantic-ai-slim[groq]" in groq
