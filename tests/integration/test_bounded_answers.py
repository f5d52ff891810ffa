"""Providers that send too much: answers, lines and tool calls have an end."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from memgpt import Agent, Memory
from memgpt.agent import TurnLimits
from memgpt.agent.chat_model import MOST_CALLS, ChatModel
from memgpt.embeddings import providers
from memgpt.errors import ChatError, EmbeddingError
from memgpt.llm.bounded_http import MOST_BYTES
from tests.chat_server import ChatServer, Say

MEGABYTE = b"x" * 2**20


@contextmanager
def flooding(
    *, first: bytes = b"", lines: bytes = MEGABYTE, kind: str = "text/event-stream", packed: bool = False
) -> Iterator[tuple[str, list[int]]]:
    """A provider whose answers do not end; its address, and the bytes it could send of each."""
    sent: list[int] = []
    body = gzip.compress(lines * 20) if packed else lines

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(0)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                self.wfile.write(first)
                for _ in range(1 if packed else 300):
                    self.wfile.write(body)
                    sent[-1] += len(body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


SHAPES = {
    "one line without an end": {"first": b"data: "},
    "many empty lines": {"lines": b"\n" * 2**20},
    "no events": {"lines": b": still there\n\n" * 2**16},
    "compressed": {"packed": True},
    "JSON": {"kind": "application/json", "first": b'{"choices": [{"message": {"content": "'},
}


@pytest.mark.parametrize("name", [*SHAPES])
@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_a_model_that_sends_without_end_fails(memory: Memory, family: str, name: str) -> None:
    with flooding(**SHAPES[name]) as (url, sent):  # type: ignore[arg-type]
        model = ChatModel(f"{family}:scripted", base_url=url if family == "openai" else url.removesuffix("/v1"))
        with pytest.raises(ChatError, match=r"larger than|more than|compressed"):
            Agent(memory, model, limits=TurnLimits(seconds=60)).send("hello")
        assert len(sent) == 1  # nor is it asked again
        assert sent[0] < 4 * MOST_BYTES


@pytest.mark.parametrize("name", ["JSON", "compressed"])
def test_an_embedding_model_that_sends_without_end_fails(name: str) -> None:
    with flooding(**SHAPES[name]) as (url, sent):  # type: ignore[arg-type]
        model = providers.load("openai:m", dimensions=8, base_url=url, api_key="k", timeout=60)
        with pytest.raises(EmbeddingError, match=r"larger than|more than|compressed"):
            model.embed(["hello"])
        assert len(sent) == 1
        assert sent[0] < 4 * MOST_BYTES


def test_the_calls_of_one_answer_are_bounded(memory: Memory, chat: ChatServer) -> None:
    calls = [("archival_memory_insert", {"content": f"fact {n}"}) for n in range(2000)]
    chat.script(Say("I note it all.", calls), otherwise=Say("done"))
    turn = Agent(memory, ChatModel("openai:scripted", base_url=chat.url), limits=TurnLimits(steps=1)).send("hello")
    assert (turn.status, turn.steps) == ("stopped", 1)
    assert len(memory.archival.list(limit=1000)) == MOST_CALLS


def test_limits_hold_between_the_calls_of_one_answer(memory: Memory, chat: ChatServer) -> None:
    made: list[int] = []

    def slow(number: int) -> str:
        """Take a while.

        Args:
            number: which one.
        """
        made.append(number)
        time.sleep(0.3)
        return "done"

    chat.script(Say("On it.", [("slow", {"number": n}) for n in range(20)]), otherwise=Say("ready"))
    model = ChatModel("openai:scripted", base_url=chat.url)
    agent = Agent(memory, model, tools=[slow], limits=TurnLimits(seconds=2))
    turn = agent.send("hello")
    assert turn.status == "stopped"
    assert turn.reason == "the limit of 2 seconds is reached"
    assert 0 < len(made) < 20
    answers = [m.content for m in memory.messages.list(limit=100) if m.role == "tool"]
    assert len(answers) == 20  # those that were not made are answered too: the conversation is complete
    assert agent.send("again").text == "ready"


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer().running() as chat:
        yield chat
