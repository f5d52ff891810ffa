"""Chat with an agent: as it happens, its edits beside it, exactly what was sent, and without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from memgpt.cli.operator.serving import Face, compose
from memgpt.memory import Memory
from memgpt.server.service import Service
from tests.chat_server import ChatServer, Fail, Hang, Say
from tests.console.conftest import SAME_ORIGIN, Tab, Visitor, service_on


@pytest.fixture
def model() -> Iterator[ChatServer]:
    with ChatServer().running() as server:
        yield server


@pytest.fixture
def service(dsn: str, model: ChatServer) -> Service:
    """With a scripted model. Closed with the application."""
    return service_on(
        dsn, chat_model="openai:scripted", chat_base_url=model.url, chat_api_key=SecretStr("only-for-tests")
    )


def noting(text: str) -> Say:
    return Say("Let me note that.", calls=[("archival_memory_insert", {"content": text})])


def test_a_turn_as_it_happens(tab: Tab, memory: Memory, model: ChatServer) -> None:
    memory.core["human"].append("Name: Ann")
    model.script(noting("Ann likes <b>night</b> trains"), Say("I noted that you like trains."))
    page = tab.open("/agents/ann/chat?session=monday")
    tab.ready()
    tab.is_accessible()
    page.get_by_label("Message").fill("I like night trains")
    page.keyboard.press("Control+Enter")
    turns = page.get_by_role("list", name="The conversation")
    turns.get_by_text("I noted that you like trains.").wait_for()
    edits = page.get_by_role("complementary", name="What it changed")
    edits.get_by_text("Ann likes <b>night</b> trains").wait_for()
    assert page.locator("#live").is_hidden()
    assert page.get_by_role("button", name="Cancel the turn").is_hidden()
    assert page.get_by_label("Message").evaluate("box => box === document.activeElement && box.value === ''")
    tab.is_accessible()
    tab.shot("chat")
    edits.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone: it is as it was before.").wait_for()
    assert memory.archival.list() == []
    edits.get_by_text("What was sent to the model").click()
    edits.get_by_role("link", name="Step 1").click()
    page.get_by_text("Exactly what was sent to openai:scripted.").wait_for()
    assert "Name: Ann" in page.locator("pre").first.inner_text()
    assert "I like night trains" in page.locator(".turns").inner_text()
    tab.is_accessible()
    tab.shot("chat-step")


def test_a_turn_is_cancelled_and_a_failed_one_taken_up_again(tab: Tab, memory: Memory, model: ChatServer) -> None:
    memory.core["human"].append("Name: Ann")
    tab.watch.expected += ["502"]  # the model's failure
    model.script(Hang("I begin to"))
    page = tab.open("/agents/ann/chat")
    tab.ready()
    page.get_by_label("Message").fill("Tell me a long story")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("I begin to").wait_for()
    tab.is_accessible()
    page.get_by_role("button", name="Cancel the turn").click()
    page.get_by_role("list", name="The conversation").get_by_text("cancelled").wait_for()
    model.script(Fail(400, "not today"))
    page.get_by_label("Message").fill("Again")
    page.get_by_role("button", name="Send").click()
    page.locator("#saying").get_by_text("The turn failed").wait_for()
    model.script(Say("Here I am."))
    page.get_by_role("button", name="Go on with the interrupted turn").click()
    page.get_by_text("Here I am.").wait_for()


def test_without_scripts_the_answer_is_a_page(service: Service, memory: Memory, model: ChatServer) -> None:
    memory.core["human"].append("Name: Ann")
    app, _ = compose(service, Face(("testserver",), with_worker=False), 80)
    key = service.keys.create(permissions=("read", "write")).token
    reader = service.keys.create(permissions=("read",)).token
    with TestClient(app, base_url="http://localhost:80") as client:
        client.post("/sign-in", data={"key": key}, headers=SAME_ORIGIN)
        somebody = Visitor(client)
        somebody.get("/agents/ann/chat")
        model.script(noting("Ann likes boats"), Say("Boats!"))
        page = somebody.post("/agents/ann/chat", text="I like boats", session="a/b")
        assert (page.url.path, page.url.params["session"]) == ("/agents/ann/chat", "a/b")
        assert ("Boats!" in page.text, "Ann likes boats" in page.text) == (True, True)
        assert somebody.post("/agents/ann/chat/resume", session="a/b").status_code == 409
        assert "No turn goes on" in somebody.post("/agents/ann/chat/cancel", session="a/b").text
        client.cookies.clear()
        client.post("/sign-in", data={"key": reader}, headers=SAME_ORIGIN)
        assert "<textarea" not in somebody.get("/agents/ann/chat?session=a/b").text
        assert somebody.post("/agents/ann/chat", text="x").status_code == 403


class TestWithoutAModel:
    @pytest.fixture
    def service(self, dsn: str) -> Service:
        return service_on(dsn)

    def test_the_memory_quotes(self, visitor: Visitor, memory: Memory) -> None:
        kept = memory.remember("The spare key of the boat hangs behind the chart table.")
        assert "Quoting mode" in visitor.get("/agents/ann/chat").text
        asked = visitor.post("/agents/ann/chat", text="Where does the spare key hang?")
        assert re.search(
            r"<blockquote[^>]*>The spare key of the boat hangs behind the chart table.</blockquote>", asked.text
        )
        assert f"memory <bdi>{kept.id}</bdi>" in asked.text
        assert visitor.get(str(asked.url)).text.count("<blockquote") == 1  # the question is no answer to itself
        told = visitor.post("/agents/ann/chat", text="Remember that the boat is called Lena")
        assert "Remembered memory" in told.text
        assert [one.text for one in memory.archival.list(limit=1)] == ["Remember that the boat is called Lena"]
        assert visitor.post("/agents/ann/chat", text="").status_code == 422
