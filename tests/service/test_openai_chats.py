"""Conversations through OpenAI's endpoint: whatever clients repeat, lose and cut off, each message is kept once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from memgpt.models import Message
from memgpt.server.protocols import openai_chat
from memgpt.server.protocols.exchange import Exchange, align
from memgpt.server.protocols.said import Said
from memgpt.server.service import Caller, Service
from tests.chat_server import BreakOff, ChatServer, Fail, Say
from tests.service.conftest import app_of, served, service_on

CHATS = 500
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
CHAT = "/v1/chat/completions"
Json = dict[str, Any]


@pytest.fixture
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@contextmanager
def running(dsn: str, model: ChatServer, **changes: Any) -> Iterator[tuple[httpx.Client, Service]]:
    named = {"chat_base_url": model.url, "chat_api_key": SecretStr("k"), **changes}
    service = service_on(dsn, keys_required=False, **named)
    limits = httpx.Limits(max_keepalive_connections=0)
    with served(app_of(service)) as address, httpx.Client(base_url=address, timeout=60, limits=limits) as http:
        yield http, service


def kept(service: Service, session: str = "default", agent: str = "ann") -> Sequence[Message]:
    memory = service.memory(Caller(None), agent, "read")
    return memory.messages.list(session=session, limit=10_000)


def spoken(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def ask(http: httpx.Client, *messages: Json, session: str = "default", **fields: Any) -> httpx.Response:
    headers = {"Memgpt-Agent": "ann", "Memgpt-Session": session}
    return http.post(CHAT, json={"model": "m", "messages": [*messages], **fields}, headers=headers)


class Client:
    """One conversation as a client leads it: it sends its history each time, and believes what it received."""

    def __init__(self, http: httpx.Client, model: Model, seed: int) -> None:
        self._http = http
        self._model = model
        self.agent, self.session = f"ann-{seed % 20}", f"s{seed}"
        self._random = random.Random(seed)
        self.history: list[Json] = []

    def talk(self) -> None:
        for _ in range(self._random.randint(1, 3)):
            text = self._random.choice(["ok", "yes", "and then?", f"question {self._random.random()}"])
            self.history.append(user(text))
            for _ in range(4):
                message = self._reply()
                self.history.append(message)
                if not message.get("tool_calls"):
                    break
                for call in message["tool_calls"]:
                    result = self._random.choice(["sunny", "", f"{self._random.random()}"])
                    self.history.append({"role": "tool", "tool_call_id": call["id"], "content": result})
            else:
                self.history.append(self._until_whole(calls=False))

    def _reply(self) -> Json:
        fault = self._random.choice(["", "", "", "lost", "lost", "cut", "cut and go on", "hang up", "fails"])
        if fault == "lost":
            self._send(self._say())
        elif fault == "fails":
            assert self._send(Fail(500)).status_code == 500
        elif fault == "hang up":
            self._hang_up()
        elif fault.startswith("cut"):
            how = self._random.choice(["reset", "end", "error"])
            text = f"half an answer {self._random.random()}"
            body = self._send(BreakOff(text, how), stream=True).text  # type: ignore[arg-type]
            assert body.endswith("data: [DONE]\n\n")
            if fault == "cut and go on" and text in body:
                self.history += [{"role": "assistant", "content": text}, user("go on")]
        return self._until_whole(calls=self._random.random() < 0.4)

    def _until_whole(self, *, calls: bool) -> Json:
        stream = self._random.random() < 0.5
        answer = self._send(self._say(calls=calls), stream=stream)
        assert answer.status_code == 200, answer.text
        assert "memgpt-warning" not in answer.headers
        return received(answer.text) if stream else whole(answer)

    def _say(self, *, calls: bool = False) -> Say:
        text = self._random.choice(["fine", f"answer {self._random.random()}"])
        return Say("" if calls else text, calls=[("look_up", {"n": self._random.random()})] if calls else [])

    def _send(self, reaction: Any, *, stream: bool = False) -> httpx.Response:
        with self._model.saying(reaction) as name:
            return self._http.post(CHAT, json=self._body(name, stream), headers=self._headers)

    def _hang_up(self) -> None:
        with self._model.saying(Say("a long answer " * 200)) as name:
            body = self._body(name, stream=True)
            with self._http.stream("POST", CHAT, json=body, headers=self._headers) as answer:
                next(answer.iter_raw())

    def _body(self, name: str, stream: bool) -> Json:
        return {"model": name, "messages": self.history, "stream": stream, "tools": TOOLS}

    @property
    def _headers(self) -> dict[str, str]:
        return {"Memgpt-Agent": self.agent, "Memgpt-Session": self.session, "Memgpt-Budget": "0"}


class Model:
    """Says to each request what the client that sent it wants to hear, by the name of the model."""

    def __init__(self, server: ChatServer) -> None:
        self._sayings: dict[str, Any] = {}
        self._numbers = count()
        server.script(otherwise=lambda request: self._sayings[request["model"]])

    @contextmanager
    def saying(self, reaction: Any) -> Iterator[str]:
        name = f"model-{next(self._numbers)}"
        self._sayings[name] = reaction
        yield name


def whole(answer: httpx.Response) -> Json:
    message: Json = answer.json()["choices"][0]["message"]
    return message


def received(body: str) -> Json:
    """The message of a stream, put together as OpenAI's clients do."""
    assert body.endswith("data: [DONE]\n\n")
    message: Json = {"role": "assistant", "content": ""}
    calls: dict[int, Json] = {}
    for line in body.splitlines():
        if not line.startswith("data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            message["content"] += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls") or ():
                call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
                call["id"] = piece.get("id") or call.get("id")
                for name in ("name", "arguments"):
                    call["function"][name] += piece["function"].get(name, "")
    if calls:
        message["tool_calls"] = [calls[n] for n in sorted(calls)]
    return message


def told(message: Json) -> tuple[str, str, list[str], str | None]:
    calls = [call["id"] for call in message.get("tool_calls") or ()]
    return message["role"], message["content"] or "", calls, message.get("tool_call_id")


def test_random_conversations_leave_every_message_once(dsn: str, model: ChatServer) -> None:
    with running(dsn, model, embedding_model="none") as (http, service):
        says = Model(model)
        clients = [Client(http, says, n) for n in range(CHATS)]
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(client.talk) for client in clients]:
                done.result()
        for n, client in enumerate(clients):
            stored = [(m.role, m.content, [c["id"] for c in m.tool_calls or ()], m.tool_call_id)
                      for m in kept(service, client.session, client.agent)]  # fmt: skip
            assert stored == [told(message) for message in client.history], f"conversation {n}"


KEYS = st.sampled_from([("user", "a"), ("user", "b"), ("assistant", "a"), ("assistant", "b"), ("tool", "a")])
TALKS = st.lists(KEYS.map(lambda key: (*key, "", "")), max_size=12)


@given(TALKS, TALKS)
@settings(max_examples=200, deadline=None)
def test_a_conversation_that_goes_on_adds_what_is_new(stored: list[Any], new: list[Any]) -> None:
    known, standing = align(stored, [*stored, *new])
    assert standing == len(stored)
    assert known >= len(stored), "nothing that is stored is stored again"


@given(TALKS)
def test_the_same_again_is_nothing_new(stored: list[Any]) -> None:
    assert align(stored, stored) == (len(stored), len(stored))


def test_long_conversations_are_aligned_in_linear_time() -> None:
    same = [("user", "ok", "", "")] * 5_000
    assert align(same, [*same, *same]) == (5_000, 5_000)
    ends = [("user", "ok", "", ""), *[("assistant", "ok", "", "")] * 5_000]
    assert align(ends, ends) == (5_001, 5_001)


def test_a_tool_round_keeps_calls_and_results(dsn: str, model: ChatServer) -> None:
    model.script(Say("Let me see.", calls=[("look_up", {"city": "Graz"})]), Say("Sunny."))
    with running(dsn, model) as (http, service):
        question = user("Please check the weather in Graz")
        message = whole(ask(http, question, tools=TOOLS))
        [call] = message["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
        ask(http, question, message, result, tools=TOOLS)
        first, second, third, last = kept(service)
        assert (first.role, first.content) == ("user", question["content"])
        assert (second.content, second.tool_calls) == ("Let me see.", [call])
        assert (third.role, third.tool_call_id, third.content) == ("tool", call["id"], "sunny")
        assert (last.role, last.content, last.tool_calls) == ("assistant", "Sunny.", None)


def test_what_the_prompt_has_is_no_memory(dsn: str, model: ChatServer) -> None:
    with running(dsn, model) as (http, service):
        memory = service.memory(Caller(None), "ann", "write")
        memory.messages.append("user", "My sister lives in Lisbon", session="long ago")
        question, answer = user("My sister flies to Graz"), {"role": "assistant", "content": "ok"}
        ask(http, question)
        ask(http, question, answer, user("Where does my sister live?"))
        prompt = json.dumps(model.requests[-1]["messages"])
        assert prompt.count(question["content"]) == 1
        assert "Lisbon" in prompt
        ask(http, user("Where does my sister live?"), session="another")
        assert question["content"] in json.dumps(model.requests[-1]["messages"])


def test_who_hangs_up_and_asks_again_is_kept_once(dsn: str, model: ChatServer) -> None:
    model.script(Say("a long answer " * 500), Say("in short"))
    with running(dsn, model) as (http, service):
        body = {"model": "m", "messages": [user("tell me")], "stream": True}
        with http.stream("POST", CHAT, json=body, headers={"Memgpt-Agent": "ann"}) as answer:
            next(answer.iter_raw())
        ask(http, user("tell me"))
        assert spoken(kept(service)) == [("user", "tell me"), ("assistant", "in short")]


def test_a_reply_that_breaks_off_is_kept_as_far_as_it_went(dsn: str, model: ChatServer) -> None:
    model.script(BreakOff("The train leaves"))
    with running(dsn, model) as (http, service):
        body = ask(http, user("when?"), stream=True).text
        assert "upstream_broke_off" in body
        assert body.endswith("data: [DONE]\n\n")
        assert spoken(kept(service)) == [("user", "when?"), ("assistant", "The train leaves")]
        assert kept(service)[-1].metadata == {"interrupted": True}


@pytest.mark.parametrize("stream", [False, True])
def test_a_database_that_fails_takes_no_reply_away(dsn: str, model: ChatServer, stream: bool) -> None:
    def away(_request: Json) -> Say:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("ALTER TABLE conversations RENAME TO conversations_away")
        return Say("paid for")

    model.script(away)
    with running(dsn, model) as (http, service):
        answer = ask(http, user("hello"), stream=stream)
        assert answer.status_code == 200
        if stream:
            assert received(answer.text)["content"] == "paid for"
            assert ": memgpt: the turn was not kept" in answer.text
        else:
            assert whole(answer)["content"] == "paid for"
            assert "not kept" in answer.headers["memgpt-warning"]
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("ALTER TABLE conversations_away RENAME TO conversations")
        ask(http, user("hello"), {"role": "assistant", "content": "paid for"}, user("and now?"))
        assert spoken(kept(service)) == [
            ("user", "hello"), ("assistant", "paid for"), ("user", "and now?"), ("assistant", "ok"),
        ]  # fmt: skip


def test_texts_that_cannot_be_stored_as_they_are(dsn: str, model: ChatServer) -> None:
    with running(dsn, model) as (http, service):
        half = b'{"model":"m","messages":[{"role":"user","content":"half \\ud83d pair, NUL \\u0000"}]}'
        headers = {"Memgpt-Agent": "ann", "Content-Type": "application/json"}
        assert http.post(CHAT, content=half, headers=headers).status_code == 200
        assert model.requests[-1]["messages"][-1]["content"] == "half \ufffd pair, NUL \0"
        long = " ".join(f"слово{n}" for n in range(70_000))
        for _ in range(2):
            assert ask(http, user(long), session="long").status_code == 200
        assert kept(service)[0].content == "half \ufffd pair, NUL \ufffd"
        assert [message.role for message in kept(service, "long")] == ["user", "assistant"]
        assert kept(service, "long")[0].content == long


def test_parts_and_roles_of_every_kind(dsn: str, model: ChatServer) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "a cat"},
    ]
    with running(dsn, model) as (http, service):
        assert ask(http, *messages, n=2).status_code == 200  # type: ignore[arg-type]
        assert ask(http, *messages, n=2).status_code == 200  # type: ignore[arg-type]
        assert spoken(kept(service)) == [
            ("user", "What is this?\n[image_url]"), ("assistant", ""), ("tool", "a cat"), ("assistant", "ok"),
        ]  # fmt: skip
        sent = model.requests[-1]["messages"]
        assert [message["role"] for message in sent] == [message["role"] for message in messages]  # type: ignore[index]


def test_a_late_answer_to_a_question_that_was_asked_again_is_none(dsn: str, model: ChatServer) -> None:
    with running(dsn, model) as (http, service):
        memory = service.memory(Caller(None), "ann", "write")
        slow = Exchange(memory, "default", openai_chat.read([user("one")]))
        slow.begin()
        ask(http, user("one"))
        ask(http, user("one"), {"role": "assistant", "content": "ok"}, user("two"))
        before = spoken(kept(service))
        assert slow.keep(Said("assistant", "too late"))
        assert spoken(kept(service)) == before
