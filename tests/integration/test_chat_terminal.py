"""``memgpt chat`` in a pseudo-terminal, as a person uses it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memgpt import Memory
from tests.chat_dialects import Json
from tests.chat_server import ChatServer, Hang, Say, said

pexpect = pytest.importorskip("pexpect", reason="needs pseudo-terminals")


class Person:
    """Somebody at a terminal: types lines, and reads until what is expected is there."""

    def __init__(self, dsn: str, environment: dict[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MEMGPT_CHAT", "OPENAI"))}
        self._terminal = pexpect.spawn(
            sys.executable,
            ["-m", "memgpt", "chat", "--dsn", dsn, "--agent", "ann"],
            env={**clean, "NO_COLOR": "1", "TERM": "xterm", **environment},
            cwd=str(Path(__file__).parents[2]),
            dimensions=(50, 200),
            encoding="utf-8",
            timeout=60,
        )

    def types(self, line: str) -> None:
        self._terminal.sendline(line)

    def presses(self, key: str) -> None:
        self._terminal.sendcontrol(key)

    def sees(self, text: str) -> None:
        """Wait for a text after the last one that was seen."""
        self._terminal.expect_exact(text)

    def sees_the_end(self) -> int:
        self._terminal.expect(pexpect.EOF)
        self._terminal.close()
        return int(self._terminal.exitstatus)

    def leaves(self) -> None:
        self._terminal.close(force=True)


@contextmanager
def terminal(dsn: str, **environment: str) -> Iterator[Person]:
    person = Person(dsn, environment)
    try:
        yield person
    finally:
        person.leaves()


def test_a_conversation(dsn: str) -> None:
    def answers(request: Json) -> Say | Hang:
        role, text = said(request)[-1]
        if role == "tool":
            return Say("Nice to meet you, Ada.")
        if "a story" in text:
            return Hang("Once upon a time")
        if "I am Ada" in text:
            return Say("I note that.", [("core_memory_append", {"label": "human", "content": "Name: Ada"})])
        return Say("Ada, you are.")

    with ChatServer().running() as server:
        server.script(otherwise=answers)
        chosen = {"MEMGPT_CHAT_MODEL": "openai:scripted", "MEMGPT_CHAT_BASE_URL": server.url}
        with terminal(dsn, **chosen) as person:
            person.sees("/help for commands")
            person.sees("> ")
            person.types("I am Ada")
            person.sees("I note that.")
            person.sees("· core_memory_append")
            person.sees("block 'human' of 'ann' is now: Name: Ada")
            person.sees("Nice to meet you, Ada.")
            person.sees("> ")
            person.types("/memory")
            person.sees("human (9 of 5,000 characters)")
            person.sees("Name: Ada")
            person.types("/search Ada")
            person.sees("message")
            person.types("/context")
            person.sees("together")
            person.sees("<core_memory>")
            person.sees("> ")
            person.types("Tell me a story")
            person.sees("Once upon a time")
            person.presses("c")
            person.sees("cancelled")
            person.sees("> ")
            person.types("Who am I?")
            person.sees("Ada, you are.")
            person.types("/undo")
            person.sees("undone: insert of block")
            person.types("/memory")
            person.sees("Core memory is empty.")
            person.sees("> ")
            person.types("/help")
            person.sees("/quit")
            person.sees("> ")
            person.presses("d")
            assert person.sees_the_end() == 0
    with Memory("ann", dsn=dsn) as memory:
        told = [(m.role, m.content) for m in memory.messages.list(roles=["user", "assistant"])]
    assert told == [
        ("user", "I am Ada"),
        ("assistant", "I note that."),
        ("assistant", "Nice to meet you, Ada."),
        ("user", "Tell me a story"),
        ("user", "Who am I?"),
        ("assistant", "Ada, you are."),
    ]


def test_what_is_said_is_shown_while_it_is_said(dsn: str) -> None:
    """The first words are on the screen while the model has not said the others."""
    with ChatServer().running() as server:
        server.script(Hang("The first words"))
        chosen = {"MEMGPT_CHAT_MODEL": "openai:scripted", "MEMGPT_CHAT_BASE_URL": server.url}
        with terminal(dsn, **chosen) as person:
            person.sees("> ")
            person.types("Go on")
            person.sees("The first words")
            assert server.hanging.is_set()


def test_without_a_model(dsn: str) -> None:
    with Memory("ann", dsn=dsn) as memory:
        kept = memory.remember("The spare key of the boat hangs behind the chart table.")
    with terminal(dsn) as person:
        person.sees("set MEMGPT_CHAT_MODEL, such as openai:gpt-5")
        person.sees("> ")
        person.types("Where does the spare key hang?")
        person.sees(f"“The spare key of the boat hangs behind the chart table.” [archival {kept.id}, ")
        person.sees("> ")
        person.types("Remember that the boat is called Lena")
        person.sees("Kept as archival memory")
        person.sees("> ")
        person.presses("c")  # drops the line, not the conversation
        person.sees("> ")
        person.types("/memory")
        person.sees("Core memory is empty.")
        person.sees("> ")
        person.presses("d")
        assert person.sees_the_end() == 0
