"""The OpenAI protocol with OpenAI's own client, in front of an upstream behind a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.server.api import create_app
from memgpt.server.service import Service
from tests.openai_server import Answer, OpenAIServer, Request
from tests.service.conftest import served

REPLY = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "upstream",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "At 22:08."}}],
}


def answering(requests: list[Request], answer: Answer) -> Callable[..., Answer]:
    def react(_server: OpenAIServer, request: Request, _handler: object) -> Answer:
        requests.append(request)
        return answer

    return react


def chunk(text: str) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "upstream", "choices": [delta]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@pytest.fixture
def upstream() -> Iterator[OpenAIServer]:
    with OpenAIServer(8).running() as server:
        yield server


@pytest.fixture
def client(service: Service, upstream: OpenAIServer) -> Iterator[openai.OpenAI]:
    changed = {"chat_base_url": upstream.url, "chat_api_key": SecretStr("upstream-secret")}
    service.options = service.options.model_copy(update=changed)
    service.memory(service_caller(service), "ann", "write").remember("Ann's night train leaves at 22:08")
    token = service.keys.create(agents=["ann"]).token
    with served(create_app(service)) as address:
        yield openai.OpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0)


def service_caller(service: Service):  # type: ignore[no-untyped-def]
    from memgpt.server.service import Caller

    return Caller(None)


QUESTION: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "When does my night train leave?"},
]


def messages_of(service: Service) -> list[tuple[str, str, str]]:
    memory = service.memory(service_caller(service), "ann", "read")
    return [(m.session, m.role, m.content) for m in memory.messages.list()]


def test_a_reply_has_memory_and_is_remembered(client: openai.OpenAI, upstream: OpenAIServer, service: Service) -> None:
    sent: list[Request] = []
    upstream.script(otherwise=answering(sent, Answer(body=json.dumps(REPLY).encode())))
    reply = client.chat.completions.create(
        model="m", messages=QUESTION, temperature=0.5, extra_headers={"Memgpt-Session": "s1"}
    )
    assert reply.choices[0].message.content == "At 22:08."
    [request] = sent
    assert request.headers["authorization"] == "Bearer upstream-secret"
    assert (request.body["temperature"], request.body["model"]) == (0.5, "m")
    roles = [m["role"] for m in request.body["messages"]]
    assert roles == ["system", "system", "user"]
    assert "night train leaves at 22:08" in request.body["messages"][1]["content"]
    assert request.body["messages"][0]["content"] == "Be brief."
    assert messages_of(service) == [("s1", "user", QUESTION[1]["content"]), ("s1", "assistant", "At 22:08.")]


def test_a_streamed_reply_is_passed_on_and_remembered(
    client: openai.OpenAI, upstream: OpenAIServer, service: Service
) -> None:
    events = chunk("At ") + chunk("22:08.") + b"data: [DONE]\n\n"
    answer = Answer(body=events, headers={"Content-Type": "text/event-stream"})
    upstream.script(otherwise=answering([], answer))
    parts = [
        part.choices[0].delta.content
        for part in client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    ]
    assert parts == ["At ", "22:08."]
    client.close()
    assert messages_of(service)[-1] == ("default", "assistant", "At 22:08.")


def test_an_upstream_that_fails_is_named_and_nothing_is_kept(
    client: openai.OpenAI, upstream: OpenAIServer, service: Service
) -> None:
    upstream.script(otherwise=answering([], Answer(status=401, body=b'{"error": {"message": "bad upstream-secret"}}')))
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(model="m", messages=QUESTION)
    assert error.value.status_code == 502
    assert "upstream-secret" not in str(error.value)
    assert messages_of(service) == []


def test_without_an_upstream_it_says_so(client_with: Callable[..., TestClient]) -> None:
    answer = client_with().post("/v1/chat/completions", json={"model": "m", "messages": QUESTION})
    assert answer.status_code == 404
    assert "MEMGPT_CHAT_BASE_URL" in answer.json()["error"]["message"]


def test_a_key_of_another_agent_gets_no_memory(client: openai.OpenAI, upstream: OpenAIServer) -> None:
    upstream.script(otherwise=answering([], Answer(body=json.dumps(REPLY).encode())))
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="m", messages=QUESTION, extra_headers={"Memgpt-Agent": "bob"})


def test_embeddings(client: openai.OpenAI, service: Service) -> None:
    answer = client.embeddings.create(model="any", input=["Ann likes trains", "x"])
    assert [len(e.embedding) for e in answer.data] == [256, 256]
    assert answer.model == service.embedder.name
    expected = service.embedder.embed(["Ann likes trains"], purpose="document")[0]
    assert answer.data[0].embedding == pytest.approx(list(expected), abs=1e-6)
    assert answer.usage.prompt_tokens > 0


def refused(call: Callable[[], object]) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as error:
        call()
    assert set(error.value.body) == {"message", "type", "code", "param"}  # type: ignore[call-overload]
    return error.value


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "chat/completions", {"model": "m"}, 400, "invalid_request_error"),
        ("POST", "chat/completions", {"model": "", "messages": []}, 400, "invalid_request_error"),
        ("POST", "chat/completions", b"{", 400, "invalid_request_error"),
        ("POST", "chat/completions", b'{"model": "m", "messages": [{"role": "user", "content": NaN}]}', 400,
         "invalid_request_error"),
        ("POST", "chat/completions", b"[" * 100, 400, "invalid_request_error"),
        ("POST", "embeddings", {"input": []}, 400, "invalid_request_error"),
        ("POST", "embeddings", {"input": ""}, 400, "invalid_request_error"),
        ("GET", "chat/completions", None, 405, "invalid_request_error"),
        ("GET", "models/nobody's", None, 404, "invalid_request_error"),
        ("GET", "models/nobody%FFs", None, 400, "invalid_request_error"),
    ],
)  # fmt: skip
def test_every_error_is_in_openai_s_shape(
    client_with: Callable[..., TestClient], method: str, path: str, body: object, status: int, kind: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client_with().request(
        method, f"/v1/{path}", content=content if body else None, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["type"] == kind
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"


def test_keys_and_rates_are_refused_in_openai_s_shape(client: openai.OpenAI, service: Service) -> None:
    error = refused(lambda: client.with_options(api_key="memgpt_0_x").models.list())
    assert (error.status_code, error.code) == (401, "invalid_api_key")
    error = refused(lambda: client.chat.completions.create(model="m", messages=QUESTION, user="bob"))
    assert (error.status_code, error.type) == (403, "permission_error")
    slow = service.keys.create(agents=["ann"], requests_per_minute=1).token
    client.with_options(api_key=slow).models.list()
    error = refused(lambda: client.with_options(api_key=slow).models.list())
    assert (error.status_code, error.code) == (429, "rate_limit_exceeded")
    assert error.response.headers["retry-after"]


@pytest.mark.parametrize(("status", "told"), [(400, 400), (404, 404), (429, 429), (500, 500), (503, 503), (403, 502)])
def test_an_upstream_s_status_is_passed_on(
    client: openai.OpenAI, upstream: OpenAIServer, service: Service, status: int, told: int
) -> None:
    theirs = {"error": {"message": "theirs", "type": "t", "code": "c", "param": None}}
    upstream.script(otherwise=answering([], Answer(status, json.dumps(theirs).encode(), {"Retry-After": "7"})))
    for stream in (False, True):
        error = refused(lambda: client.chat.completions.create(model="m", messages=QUESTION, stream=stream))  # noqa: B023
        assert error.status_code == told
        assert ("theirs" in str(error)) == (status < 500 and status != 403)
        assert error.response.headers["retry-after"] == "7"
    assert messages_of(service) == []


def test_models_are_the_upstream_s_and_the_memory_s(client: openai.OpenAI, service: Service) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["upstream/large", service.embedder.name]
    assert client.models.retrieve("upstream/large").owned_by == "them"
    assert client.models.retrieve(service.embedder.name).owned_by == "memgpt"
    error = refused(lambda: client.models.retrieve("nobody"))
    assert (error.status_code, error.code, error.param) == (404, "model_not_found", "model")


def test_embeddings_are_shortened_where_the_model_can(client: openai.OpenAI) -> None:
    whole, short = (client.embeddings.create(model="m", input="Ann likes trains", dimensions=d) for d in (256, 64))
    first = whole.data[0].embedding[:64]
    length = sum(x * x for x in first) ** 0.5
    assert short.data[0].embedding == pytest.approx([x / length for x in first], abs=1e-5)
    plain = client.embeddings.create(model="m", input="Ann likes trains", dimensions=64, encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(short.data[0].embedding, abs=1e-6)
    error = refused(lambda: client.embeddings.create(model="m", input="x", dimensions=257))
    assert (error.status_code, error.param, error.code) == (400, "dimensions", "invalid_dimensions")


GREETING = [6600, 2448, 24352, 9608, 65994, 2312]
"""The ids of "Grüße aus Köln" in cl100k_base, which clients send for OpenAI's embedding models."""


@pytest.mark.parametrize("ids", [GREETING, [GREETING, [24352]]])
def test_token_ids_are_the_texts_they_were_made_from(client: openai.OpenAI, ids: list[int]) -> None:
    by_ids = client.embeddings.create(model="text-embedding-3-small", input=ids)
    by_text = client.embeddings.create(model="m", input="Grüße aus Köln")
    assert by_ids.data[0].embedding == by_text.data[0].embedding
    assert len(by_ids.data) == (1 if ids is GREETING else 2)


def test_token_ids_that_are_none_or_need_the_extra(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(lambda: client.embeddings.create(model="m", input=[2**30]))
    assert (error.status_code, error.param, error.code) == (400, "input", "invalid_token_ids")
    monkeypatch.setitem(sys.modules, "bpe_openai", None)
    error = refused(lambda: client.embeddings.create(model="m", input=GREETING))
    assert "memgpt-postgres[token-ids]" in str(error)
