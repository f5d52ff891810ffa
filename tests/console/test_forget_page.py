"""Forgetting in the console: what goes is shown, it is meant, it is as it was shown, and there is a receipt."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from memgpt.errors import NotFoundError
from memgpt.memory import Memory
from memgpt.server.console import sessions
from memgpt.server.service import Service
from tests.console.conftest import Tab, Visitor

FORGET = "/agents/ann/forget"


def digest_of(html: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', html)
    assert found is not None
    return found[1]


def test_a_preview_counts_what_forgetting_removes_and_the_receipt_says_so(visitor: Visitor, memory: Memory) -> None:
    id = memory.remember("A secret", tags=["x"]).id
    memory.archival.update(id, tags=["y"])
    page = visitor.get(f"{FORGET}?kind=archival&id={id}")
    assert ("A secret" in page.text, memory.archival.get(id).text) == (True, "A secret")
    counts = {table: n for table, n in memory.forget(id, preview=True).items() if n}
    assert counts == {"archival_memories": 1, "memory_history": 2}
    order = {"kind": "archival", "id": str(id), "digest": digest_of(page.text)}
    assert visitor.post(FORGET, **order, confirm="no").status_code == 422
    done = visitor.post(FORGET, **order, confirm=str(id))
    assert (done.status_code, "A secret" in done.text, "3 rows in 2 tables" in done.text) == (200, False, True)
    with pytest.raises(NotFoundError):
        memory.forget(id, preview=True)
    fields = dict(re.findall(r'name="(receipt|mark)" value="([^"]*)"', done.text.replace("&#34;", "\N{APOSTROPHE}")))
    text = fields["receipt"].replace("\N{APOSTROPHE}", '"')
    saved = visitor.post("/receipt", receipt=text, mark=fields["mark"])
    assert (saved.headers["content-disposition"], saved.json()["rows"]) == (
        'attachment; filename="receipt.json"',
        counts,
    )
    assert hashlib.sha256(saved.content).hexdigest() in done.text
    assert saved.json()["request_id"] == done.headers["x-request-id"]
    forged = json.dumps(saved.json() | {"rows": {}})
    assert visitor.post("/receipt", receipt=forged, mark=fields["mark"]).status_code in (401, 403)


def test_what_changed_since_the_preview_is_shown_again(visitor: Visitor, memory: Memory) -> None:
    id = memory.remember("A secret").id
    digest = digest_of(visitor.get(f"{FORGET}?kind=archival&id={id}").text)
    memory.archival.update(id, tags=["new"])
    answer = visitor.post(FORGET, kind="archival", id=str(id), digest=digest, confirm=str(id))
    assert (answer.status_code, "has changed since you looked" in answer.text) == (409, True)
    assert memory.archival.get(id).text == "A secret"
    again = visitor.post(FORGET, kind="archival", id=str(id), digest=digest_of(answer.text), confirm=str(id))
    assert again.status_code == 200


def test_a_conversation_and_the_whole_agent_are_forgotten_by_name(visitor: Visitor, memory: Memory) -> None:
    memory.messages.append("user", "A secret turn", session="monday/1")
    memory.remember("Another secret")
    digest = digest_of(visitor.get(FORGET, params={"session": "monday/1"}).text)
    assert visitor.post(FORGET, session="monday/1", digest=digest, confirm="monday/1").status_code == 200
    assert memory.messages.count() == 0
    counts = memory.forget_agent(preview=True)
    assert (counts["archival_memories"], memory.archival.list()[0].text) == (1, "Another secret")
    done = visitor.post(FORGET, digest=digest_of(visitor.get(FORGET).text), confirm="ann")
    assert (done.status_code, memory.archival.list()) == (200, [])


def test_only_an_admin_forgets_and_only_one_who_signed_in_lately(
    visitor_with: Callable[..., Visitor], service: Service, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = memory.remember("A secret").id
    writer = visitor_with(permissions=["read", "write"])
    assert writer.get(f"{FORGET}?id={id}").status_code == 403
    assert "Forget for good" not in writer.get(f"/agents/ann/memories/{id}").text
    monkeypatch.setattr(sessions, "FRESH", timedelta(0))
    admin = visitor_with(permissions=["read", "write", "admin"])
    page = admin.get(f"{FORGET}?id={id}").text
    order = {"id": str(id), "digest": digest_of(page), "confirm": str(id)}
    other = service.keys.create(permissions=("admin",)).token
    for key in ("", "memgpt_nonsense", other):
        answer = admin.post(FORGET, **order, key=key)
        assert (answer.status_code, 'type="password"' in answer.text) == (403, True), key
    assert memory.archival.get(id).text == "A secret"


def test_forgetting_by_hand(tab: Tab, memory: Memory) -> None:
    id = memory.remember("A secret").id
    page = tab.open(f"/agents/ann/memories/{id}")
    page.get_by_role("link", name="Forget for good").click()
    page.get_by_role("cell", name="A secret").first.wait_for()
    tab.is_accessible()
    tab.shot("forget")
    page.get_by_label(f"Type {id} to confirm").fill(str(id))
    page.get_by_role("button", name="Forget for good").click()
    page.get_by_role("heading", name="Forgotten for good").wait_for()
    tab.is_accessible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save JSON").click()
    assert json.loads(download.value.path().read_text("utf-8"))["forgotten"]["id"] == id
