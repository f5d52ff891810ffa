"""Anthropic's protocol with Anthropic's own client and the requests of Claude Code, before a scripted upstream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anthropic
import httpx
import pytest
from pydantic import SecretStr

from memgpt.models import Message
from memgpt.server.service import Caller, Service
from tests.chat_server import BreakOff, ChatServer, Fail, Say
from tests.conftest import Server
from tests.service.conftest import app_of, served, service_on

Json = dict[str, Any]
QUESTION = "When does my night train leave?"
TOOL: Any = {"name": "look_up", "description": "Looks up trains", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@pytest.fixture(scope="module")
def running(server: Server, template: str, model: ChatServer) -> Iterator[tuple[Service, str]]:
    """One service for the module; each test has an agent of its own."""
    name = server.create(template)
    service = service_on(server.dsn(name), chat_base_url=model.url, chat_api_key=SecretStr("upstream-secret"))
    with served(app_of(service)) as address:
        yield service, address
    server.drop(name)


@pytest.fixture
def service(running: tuple[Service, str]) -> Service:
    return running[0]


@pytest.fixture
def agent(request: pytest.FixtureRequest, service: Service) -> str:
    named = f"ann-{request.node.name}"[:200]
    service.memory(Caller(None), named, "write").remember("Ann's night train leaves at 22:08")
    return named


@pytest.fixture
def client(running: tuple[Service, str], agent: str) -> Iterator[anthropic.Anthropic]:
    token = running[0].keys.create(agents=[agent]).token
    with anthropic.Anthropic(base_url=running[1], api_key=token, max_retries=0) as client:
        yield client


def kept(service: Service, agent: str, session: str | None = "default") -> Sequence[Message]:
    return service.memory(Caller(None), agent, "read").messages.list(session=session, limit=1000)


def spoken(service: Service, agent: str, session: str | None = "default") -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in kept(service, agent, session)]


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def ask(client: anthropic.Anthropic, *messages: Any, **fields: Any) -> Any:
    return client.messages.create(**{"model": "claude", "max_tokens": 100, "messages": [*messages], **fields})


def test_a_reply_has_memory_and_is_remembered(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str
) -> None:
    model.script(Say("At 22:08."))
    reply = client.beta.messages.create(
        model="claude",
        max_tokens=100,
        system="Be brief.",
        messages=[user(QUESTION)],
        betas=["context-1m-2025-08-07"],
        extra_body={"of_tomorrow": {"deep": [1]}, "temperature": 0.5},
        extra_headers={"Memgpt-Session": "s1"},
    )
    assert reply.content[0].text == "At 22:08."  # type: ignore[union-attr]
    path, headers = model.heads[-1]
    assert path == "/v1/messages"
    assert headers["x-api-key"] == "upstream-secret"
    assert "authorization" not in headers
    assert headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert headers["anthropic-version"] == client.default_headers["anthropic-version"]
    sent = model.requests[-1]
    assert (sent["temperature"], sent["max_tokens"], sent["of_tomorrow"]) == (0.5, 100, {"deep": [1]})
    assert sent["messages"] == [user(QUESTION)]
    own, ours = sent["system"]
    assert own["text"] == "Be brief."
    assert "night train leaves at 22:08" in ours["text"]
    assert spoken(service, agent, "s1") == [("user", QUESTION), ("assistant", "At 22:08.")]


def code(*messages: Any, session: str = "3f2a61c4-0000-4000-8000-1234567890ab", **fields: Any) -> Json:
    """A request as Claude Code sends it."""
    return {
        "model": "claude",
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Long instructions.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": f"user_0784b2_account_261d5434-c8c2-431f-b07d-2e480cd4622f_session_{session}"},
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "messages": [*messages],
        **fields,
    }


def reminded(text: str) -> Any:
    return user([
        {"type": "text", "text": "<system-reminder>\nToday is Monday.\nUse no tabs.</system-reminder>\n"},
        {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}},
    ])  # fmt: skip


def test_a_turn_of_claude_code(client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str) -> None:
    model.script(Say("Let me see.", calls=[("look_up", {"city": "Graz"})]), Say("At 22:08."))
    first = code(reminded(QUESTION))
    with client.beta.messages.stream(**first) as stream:
        reply = stream.get_final_message()
    [call] = [block for block in reply.content if block.type == "tool_use"]
    assert call.input == {"city": "Graz"}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    answer = {"role": "assistant", "content": [
        thought, {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": call.id, "name": "look_up", "input": {"city": "Graz"}},
    ]}  # fmt: skip
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    result = user([
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "22:08"}, image]},
        {"type": "text", "text": "<system-reminder>Go on.</system-reminder>"},
    ])  # fmt: skip
    second = code(reminded(QUESTION), answer, result)
    with client.beta.messages.stream(**second) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    for sent, request in zip(model.requests[-2:], (first, second), strict=True):
        assert sent["system"][:3] == request["system"]
        assert "night train leaves at 22:08" in sent["system"][3]["text"]
        assert {**sent, "system": None, "stream": None} == {**request, "system": None, "stream": None}
    assert model.requests[-1]["system"] == model.requests[-2]["system"], "what was cached stays cached"
    asked, called, came, last = kept(service, agent, None)
    assert asked.session.startswith("3f2a61c4-0000-4000-8000-1234567890ab/")
    assert (asked.content, called.content, last.content) == (QUESTION, "Let me see.", "At 22:08.")
    assert [c["function"]["name"] for c in called.tool_calls or ()] == ["look_up"]
    assert (came.role, came.tool_call_id, came.content) == ("tool", call.id, "22:08\n[image]")


def test_helpers_of_claude_code_are_conversations_of_their_own(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str
) -> None:
    model.script(Say("Yes."), Say("Found."), Say("Done."))
    client.beta.messages.create(**code(reminded("Do it"), max_tokens=100))
    client.beta.messages.create(**code(reminded("Search the code"), max_tokens=100))
    client.beta.messages.create(
        **code(reminded("Do it"), {"role": "assistant", "content": "Yes."}, user("Go on"), max_tokens=100)
    )
    sessions = service.memory(Caller(None), agent, "read").messages.sessions()
    said = [[content for _, content in spoken(service, agent, session.session)] for session in sessions]
    assert sorted(said) == [["Do it", "Yes.", "Go on", "Done."], ["Search the code", "Found."]]


def test_a_header_names_the_session_of_claude_code(client: anthropic.Anthropic, service: Service, agent: str) -> None:
    ask(client, user("hello"), extra_headers={"X-Claude-Code-Session-Id": "abc"})
    ask(client, user("hello"), metadata={"user_id": json.dumps({"session_id": "def"})})
    names = sorted(s.session for s in service.memory(Caller(None), agent, "read").messages.sessions())
    assert [name.partition("/")[0] for name in names] == ["abc", "def"]


def test_a_retry_is_kept_once_and_a_probe_never(client: anthropic.Anthropic, service: Service, agent: str) -> None:
    for _ in range(2):
        ask(client, user("hello"))
    ask(client, user("quota"), max_tokens=1)
    assert spoken(service, agent) == [("user", "hello"), ("assistant", "ok")]


def test_documents_and_thoughts_are_passed_on_untouched(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str
) -> None:
    messages = [
        user([
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "A timetable"},
             "citations": {"enabled": True}, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "What is this?"},
        ]),
        {"role": "assistant", "content": [
            {"type": "redacted_thinking", "data": "AAAA"},
            {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "x"}},
            {"type": "text", "text": "A timetable."},
        ]},
        user("Thanks"),
    ]  # fmt: skip
    ask(client, *messages)
    assert model.requests[-1]["messages"] == messages
    assert spoken(service, agent) == [
        ("user", "[document]\nWhat is this?"), ("assistant", "A timetable."), ("user", "Thanks"), ("assistant", "ok"),
    ]  # fmt: skip


def test_tokens_are_counted_with_the_memory_and_nothing_is_kept(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str
) -> None:
    counted = client.messages.count_tokens(model="claude", messages=[user(QUESTION)])
    assert counted.input_tokens > 0
    assert model.heads[-1][0] == "/v1/messages/count_tokens"
    assert "night train leaves at 22:08" in json.dumps(model.requests[-1]["system"])
    assert spoken(service, agent) == []


def test_models_are_listed_in_the_words_of_whoever_asks(
    running: tuple[Service, str], client: anthropic.Anthropic
) -> None:
    [theirs] = client.models.list()
    assert (theirs.id, theirs.type, theirs.display_name) == ("claude", "model", "Claude")
    assert client.models.retrieve("claude").display_name == "Claude"
    assert refused(lambda: client.models.retrieve("nobody")) == (404, "not_found_error")
    bearer = {"Authorization": f"Bearer {client.api_key}"}
    listed = httpx.get(f"{running[1]}/v1/models", headers=bearer).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["gpt", running[0].embedder.name]


def refused(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(anthropic.APIStatusError) as error:
        call()
    body: Any = error.value.body
    assert body["type"] == "error"
    assert body["error"]["message"]
    return error.value.status_code, body["error"]["type"]


def test_every_error_is_in_anthropic_s_shape(
    running: tuple[Service, str], client: anthropic.Anthropic, service: Service, agent: str
) -> None:
    stranger = client.with_options(api_key="memgpt_0_x")
    assert refused(lambda: ask(stranger, user("x"))) == (401, "authentication_error")
    other = {"extra_headers": {"Memgpt-Agent": "bob"}}
    assert refused(lambda: ask(client, user("x"), **other)) == (403, "permission_error")
    assert refused(lambda: ask(client, messages=[])) == (400, "invalid_request_error")
    slow = client.with_options(api_key=service.keys.create(agents=[agent], requests_per_minute=1).token)
    slow.models.list()
    assert refused(slow.models.list) == (429, "rate_limit_error")
    headers = {"x-api-key": str(client.api_key), "content-type": "application/json"}
    for method, path, status in (
        ("POST", "messages", 400),
        ("GET", "messages", 405),
        ("POST", "messages/nothing", 404),
    ):
        answer = httpx.request(method, f"{running[1]}/v1/{path}", content=b"{", headers=headers)
        assert answer.status_code == status
        assert answer.json()["type"] == "error"
        assert answer.json()["request_id"] == answer.headers["request-id"]
    reader = client.with_options(api_key=service.keys.create(agents=[agent], permissions=["read"]).token)
    assert refused(lambda: ask(reader, user("x"))) == (403, "permission_error")
    assert reader.messages.count_tokens(model="claude", messages=[user("x")]).input_tokens > 0


@pytest.mark.parametrize(
    ("status", "told"),
    [(400, (400, "theirs")), (404, (404, "theirs")), (429, (429, "theirs")), (401, (502, "api_error")),
     (500, (500, "api_error")), (529, (529, "overloaded_error"))],
)  # fmt: skip
def test_an_upstream_s_refusal_is_passed_on(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str, status: int, told: tuple[int, str]
) -> None:
    for stream in (False, True):
        model.script(Fail(status, kind="theirs", headers={"Retry-After": "7", "request-id": "req_1"}))
        with pytest.raises(anthropic.APIStatusError) as error:
            ask(client, user("x"), stream=stream)
        assert (error.value.status_code, error.value.body["error"]["type"]) == told  # type: ignore[index]
        assert error.value.response.headers["retry-after"] == "7"
        assert error.value.response.headers["request-id"] == "req_1"
    assert spoken(service, agent) == []


@pytest.mark.parametrize("how", ["end", "error"])
def test_a_reply_that_breaks_off_is_kept_as_far_as_it_went(
    client: anthropic.Anthropic, model: ChatServer, service: Service, agent: str, how: Any
) -> None:
    model.script(BreakOff("The train leaves", how))
    with pytest.raises(anthropic.APIStatusError) as error:
        for _ in ask(client, user("when?"), stream=True):
            pass
    assert error.value.body["error"]["type"] == ("overloaded_error" if how == "error" else "api_error")  # type: ignore[index]
    assert spoken(service, agent) == [("user", "when?"), ("assistant", "The train leaves")]
    assert kept(service, agent)[-1].metadata == {"interrupted": True}


def test_a_line_separator_within_a_text_ends_no_event(client: anthropic.Anthropic, model: ChatServer) -> None:
    model.script(Say("one\u2028two\x85three"))
    with client.messages.stream(model="claude", max_tokens=100, messages=[user("x")]) as stream:
        assert stream.get_final_text() == "one\u2028two\x85three"


def test_without_an_upstream_it_says_so(dsn: str) -> None:
    service = service_on(dsn, keys_required=False)
    with (
        served(app_of(service)) as address,
        anthropic.Anthropic(base_url=address, api_key="x", max_retries=0) as client,
    ):
        assert refused(lambda: ask(client, user("x"))) == (404, "not_found_error")
