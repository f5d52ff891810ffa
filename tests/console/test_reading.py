"""Documents with their chunks in place, and conversations as people read them."""

from __future__ import annotations

import subprocess
import sys

from memgpt.memory import Memory
from tests.console.conftest import SAME_ORIGIN, Tab, Visitor


def test_a_document_is_added_read_removed_and_brought_back(visitor: Visitor, memory: Memory) -> None:
    memory.remember("The agent exists.")
    visitor.get("/agents/ann/documents")
    assert (
        "Kept document" in visitor.post("/agents/ann/documents/text", text="# Oslo\r\n\r\nGate 4.", title="Guide").text
    )
    [document] = memory.documents.list()
    page = visitor.get(f"/agents/ann/documents/{document.id}").text
    assert "Gate 4." in page
    deleted = visitor.post(f"/agents/ann/documents/{document.id}/delete").text
    assert memory.documents.list() == []
    change = deleted.split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back="/agents/ann/documents")
    assert [one.id for one in memory.documents.list()] == [document.id]


def test_a_citation_leads_to_its_chunk(visitor: Visitor, memory: Memory) -> None:
    chunks = [{"text": f"Chunk number {n}"} for n in range(120)]
    document = memory.documents.create(chunks, title="Long")
    cited = memory.documents.chunks(document.id, limit=1000)[77]
    page = visitor.get(f"/agents/ann/documents/{document.id}?chunk={cited.id}").text
    assert "<mark>Chunk number 77</mark>" in page
    assert ("Chunk number 72" in page, "Chunk number 60" in page) == (True, False)
    assert 'rel="next"' not in page
    assert 'rel="next"' in visitor.get(f"/agents/ann/documents/{document.id}").text


def test_an_upload_is_read_by_a_worker(visitor: Visitor, memory: Memory, dsn: str) -> None:
    memory.remember("The agent exists.")
    visitor.get("/agents/ann/documents")
    files = {"files": ("guide.md", b"# Oslo\n\nFlights leave from gate 4.")}
    fields = {"token": visitor.token}
    page = visitor.client.post("/agents/ann/documents/files", data=fields, files=files, headers=SAME_ORIGIN)
    assert page.status_code == 200
    assert "1 files are being read" in page.text
    assert "waits for a worker" in page.text
    worker = [sys.executable, "-m", "memgpt", "worker", "--once", "--dsn", dsn]
    subprocess.run(worker, check=True, capture_output=True, timeout=120)
    [document] = memory.documents.list()
    assert document.source == "guide.md"
    assert "is done" in visitor.get("/agents/ann/documents?job=1").text


def test_a_conversation_is_read_in_its_order(visitor: Visitor, memory: Memory) -> None:
    memory.messages.append_many({"content": f"Turn {n}.", "session": "mon/day"} for n in range(120))
    session = "~" + "bW9uL2RheQ"
    assert f'href="/agents/ann/conversations/{session}"' in visitor.get("/agents/ann/conversations").text
    page = visitor.get(f"/agents/ann/conversations/{session}").text
    assert [n for n in range(120) if f"Turn {n}." in page] == list(range(70, 120))
    older = page.split('rel="prev" href="')[1].split('"')[0]
    assert [n for n in range(120) if f"Turn {n}." in visitor.get(older).text] == list(range(20, 70))
    looked_for = memory.messages.list(session="mon/day", limit=100)[0]
    page = visitor.get(f"/agents/ann/conversations/{session}?message={looked_for.id}").text
    assert ("cited" in page, "Turn 20." in page, "Turn 21." in page) == (True, True, False)
    deleted = visitor.post(f"/agents/ann/conversations/{session}/delete").text
    assert memory.messages.count() == 0
    change = deleted.split('name="change" value="')[1][:36]
    visitor.post("/agents/ann/undo", change=change, back="/agents/ann/conversations")
    assert memory.messages.count() == 120


def test_conversations_and_documents_in_a_browser(tab: Tab, memory: Memory) -> None:
    memory.messages.append("user", "When does the flight leave?", session="monday", name="Ann")
    calls = [{"id": "c1", "function": {"name": "archival_memory_search", "arguments": '{"query": "flight"}'}}]
    memory.messages.append("assistant", "", session="monday", tool_calls=calls)
    memory.messages.append("tool", "On 3 May.", session="monday", tool_call_id="c1")
    memory.messages.append("assistant", "On 3 May at 9:40.", session="monday")
    document = memory.documents.add("# Oslo\n\nFlights leave from gate 4.\n\n## Trains\n\nAt night.", title="Guide")
    page = tab.open("/agents/ann/conversations/monday")
    page.get_by_text("calls archival_memory_search").click()
    page.get_by_text('"query"').wait_for()
    tab.is_accessible()
    tab.shot("conversation")
    chunk = memory.documents.chunks(document.id)[-1]
    tab.open(f"/agents/ann/documents/{document.id}?chunk={chunk.id}#c{chunk.id}")
    page.locator("mark").wait_for()
    tab.is_accessible()
    tab.shot("document")
