"""Responses of OpenAI's protocol with OpenAI's own client, before a scripted upstream: events, references, and whose
replies they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from memgpt.server.service import Caller, Service
from tests.chat_server import BreakOff, ChatServer, Fail, Say
from tests.conftest import Server
from tests.service.conftest import app_of, served, service_on

QUESTION = "When does my night train leave?"
TOOLS: Any = [
    {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}, "strict": False}
]


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@pytest.fixture(scope="module")
def running(server: Server, template: str, model: ChatServer) -> Iterator[tuple[Service, str]]:
    """One service for the module; each test has an agent of its own."""
    name = server.create(template)
    service = service_on(server.dsn(name), chat_base_url=model.url, chat_api_key=SecretStr("k"))
    with served(app_of(service)) as address:
        yield service, address
    server.drop(name)


@pytest.fixture
def agent(request: pytest.FixtureRequest, running: tuple[Service, str]) -> str:
    named = f"ann-{request.node.name}"
    running[0].memory(Caller(None), named, "write").remember("Ann's night train leaves at 22:08")
    return named


@pytest.fixture
def client(running: tuple[Service, str], agent: str) -> Iterator[openai.OpenAI]:
    token = running[0].keys.create(agents=[agent]).token
    with openai.OpenAI(base_url=f"{running[1]}/v1", api_key=token, max_retries=0) as client:
        yield client


@pytest.fixture
def said(running: tuple[Service, str], agent: str) -> Any:
    """The agent's messages of a session, when asked."""

    def messages(session: str = "default") -> Sequence[tuple[str, str]]:
        memory = running[0].memory(Caller(None), agent, "read")
        return [(message.role, message.content) for message in memory.messages.list(session=session)]

    return messages


def refused(call: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as error:
        call()
    assert set(error.value.body) >= {"message", "type", "code"}  # type: ignore[call-overload]
    return error.value


def test_a_response_has_memory_and_is_remembered(client: openai.OpenAI, model: ChatServer, said: Any) -> None:
    model.script(Say("At 22:08."))
    response = client.responses.create(
        model="m", input=QUESTION, instructions="Be brief.", reasoning={"effort": "low"}, store=False,
        extra_body={"of_tomorrow": [1]}, extra_headers={"Memgpt-Session": "s1"},
    )  # fmt: skip
    assert response.output_text == "At 22:08."
    sent = model.requests[-1]
    assert (sent["input"], sent["reasoning"], sent["store"]) == (QUESTION, {"effort": "low"}, False)
    assert sent["of_tomorrow"] == [1]
    assert sent["instructions"].startswith("Be brief.\n\n")
    assert "night train leaves at 22:08" in sent["instructions"]
    assert said("s1") == [("user", QUESTION), ("assistant", "At 22:08.")]


def test_events_come_in_their_order_and_the_last_one_once_the_turn_is_kept(
    client: openai.OpenAI, model: ChatServer, said: Any
) -> None:
    model.script(Say("Let me see.", calls=[("look_up", {"city": "Graz"})]))
    kinds, numbers = [], []
    for event in client.responses.create(model="m", input=QUESTION, tools=TOOLS, stream=True):
        kinds.append(event.type)
        numbers.append(event.sequence_number)
        if event.type == "response.completed":
            assert said()[-1] == ("assistant", "Let me see.")
    assert [*dict.fromkeys(kinds)] == [
        "response.created", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_item.done", "response.function_call_arguments.delta", "response.completed",
    ]  # fmt: skip
    assert numbers == [*range(len(numbers))]


def test_a_tool_round_goes_on_by_the_id_of_the_response(
    client: openai.OpenAI, model: ChatServer, running: tuple[Service, str], agent: str
) -> None:
    model.script(Say("", calls=[("look_up", {"city": "Graz"})], id="resp_a1"), Say("Sunny.", id="resp_a2"))
    first = client.responses.create(model="m", input="How is the weather?", tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    client.responses.create(model="m", input=result, previous_response_id=first.id)
    assert model.requests[-1]["previous_response_id"] == "resp_a1"
    assert model.requests[-1]["input"] == result
    memory = running[0].memory(Caller(None), agent, "read")
    asked, called, came, last = memory.messages.list()
    assert (asked.role, asked.content) == ("user", "How is the weather?")
    assert [c["function"]["name"] for c in called.tool_calls or ()] == ["look_up"]
    assert (came.role, came.tool_call_id, came.content) == ("tool", call.call_id, "sunny")
    assert last.content == "Sunny."


def test_the_same_words_after_a_known_reply_are_no_retry(client: openai.OpenAI, model: ChatServer, said: Any) -> None:
    model.script(*(Say("ok", id=f"resp_y{n}") for n in range(3)))
    first = client.responses.create(model="m", input="yes")
    second = client.responses.create(model="m", input="yes", previous_response_id=first.id)
    again = client.responses.create(model="m", input="yes", previous_response_id=first.id)
    assert said() == [("user", "yes"), ("assistant", "ok")] * 2
    model.script(Say("fine", id="resp_y3"))
    client.responses.create(model="m", input="and now?", previous_response_id=again.id)
    assert said()[-2:] == [("user", "and now?"), ("assistant", "fine")]
    assert refused(
        lambda: client.responses.create(model="m", input="x", previous_response_id=second.id)
    ).code == "previous_response_not_found", "the retry took its place"  # fmt: skip


def test_items_by_reference_stand_for_the_reply(client: openai.OpenAI, model: ChatServer, said: Any) -> None:
    model.script(Say("At 22:08.", id="resp_i1"))
    first = client.responses.create(model="m", input=[{"role": "user", "content": QUESTION}])
    reference: Any = {"type": "item_reference", "id": first.output[0].id}
    history: Any = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}, reference]
    client.responses.create(model="m", input=[*history, {"role": "user", "content": "Thanks"}])
    assert model.requests[-1]["input"][1] == reference
    assert said() == [("user", QUESTION), ("assistant", "At 22:08."), ("user", "Thanks"), ("assistant", "ok")]


def test_nobody_goes_on_from_another_agent_s_reply(
    client: openai.OpenAI, model: ChatServer, running: tuple[Service, str]
) -> None:
    model.script(Say("My secret.", id="resp_secret"))
    response = client.responses.create(model="m", input="x")
    stranger = client.with_options(api_key=running[0].keys.create(agents=["mallory"]).token)
    before = len(model.requests)
    error = refused(lambda: stranger.responses.create(model="m", input="go on", previous_response_id=response.id))
    assert (error.status_code, error.code, error.param) == (
        400, "previous_response_not_found", "previous_response_id",
    )  # fmt: skip
    items: Any = [{"type": "item_reference", "id": response.output[0].id}]
    assert refused(lambda: stranger.responses.create(model="m", input=items)).code == "item_not_found"
    other = {"Memgpt-Session": "another"}
    call = client.responses.create
    error = refused(lambda: call(model="m", input="x", previous_response_id=response.id, extra_headers=other))
    assert "Memgpt-Session" in str(error)
    assert refused(lambda: call(model="m", input="x", background=True)).param == "background"
    assert refused(lambda: call(model="m", input="x", conversation="conv_1")).param == "conversation"
    assert len(model.requests) == before


@pytest.mark.parametrize("how", ["end", "error"])
def test_a_response_that_breaks_off_is_kept_as_far_as_it_went(
    client: openai.OpenAI, model: ChatServer, said: Any, how: Any
) -> None:
    model.script(BreakOff("The train leaves", how))
    last = [*client.responses.create(model="m", input="when?", stream=True)][-1]
    assert last.type == "error"
    assert last.code == ("server_error" if how == "error" else "upstream_broke_off")
    assert said() == [("user", "when?"), ("assistant", "The train leaves")]


def test_errors_are_openai_s(client: openai.OpenAI, model: ChatServer, said: Any) -> None:
    assert refused(lambda: client.responses.create(model="m", input=[], user="bob")).status_code == 403
    assert refused(lambda: client.post("/responses", body={"input": 7}, cast_to=object)).status_code == 400
    model.script(Fail(404, "no such address"), Fail(401))
    assert refused(lambda: client.responses.create(model="m", input="x")).status_code == 404
    assert refused(lambda: client.responses.create(model="m", input="x")).status_code == 502
    assert said() == []


def test_instructions_and_thoughts_are_not_kept(client: openai.OpenAI, model: ChatServer, said: Any) -> None:
    items: Any = [
        {"role": "developer", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:,x"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AAAA"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
            {"type": "output_text", "text": "A cat.", "annotations": []}]},
        {"role": "user", "content": "Thanks"},
    ]  # fmt: skip
    client.responses.create(model="m", input=items, include=["reasoning.encrypted_content"])
    assert json.loads(model.bodies[-1])["input"] == items
    assert said() == [
        ("user", "What is this?\n[input_image]"), ("assistant", "A cat."), ("user", "Thanks"), ("assistant", "ok"),
    ]  # fmt: skip
