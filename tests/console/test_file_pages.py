"""Files and store items in the console: lists, one of them, the editor, two people at one file, undo."""

from __future__ import annotations

from collections.abc import Callable

from memgpt.memory import Memory
from memgpt.server.console import addresses
from tests.console.conftest import Tab, Visitor

START = "Name: Ann\nLives in Graz"


def test_a_file_is_read_edited_renamed_deleted_and_brought_back(visitor: Visitor, memory: Memory) -> None:
    file = memory.files.write("/memories/ann.md", START.replace("\n", "\r\n"))
    address = f"/agents/ann/files/{file.id}"
    assert f'href="{address}"' in visitor.get("/agents/ann/files").text
    page = visitor.get(address).text
    assert "Lives in Graz" in page
    assert f"kind=file&amp;id={file.id}" in page
    assert f'href="{address}"' in visitor.get("/agents/ann/search?q=Graz&kinds=file").text
    page = visitor.post(address, version="1", content="Name: Ann\r\nLives in Linz")
    assert "Saved file /memories/ann.md, version 2." in page.text
    assert memory.files.get(file.id).content == "Name: Ann\r\nLives in Linz", "the file's own line breaks"
    page = visitor.post(address, version="2", content="Name: Ann\r\nLives in Linz")
    assert 'name="change"' not in page.text, "nothing was changed, so nothing is to be undone"
    assert visitor.post(f"{address}/rename", version="1", to="/b.md").status_code == 409
    assert "/memories/b.md" in visitor.post(f"{address}/rename", version="2", to="b.md").text
    assert visitor.post(f"{address}/delete", version="2").status_code == 409
    page = visitor.post(f"{address}/delete", version="3")
    assert not memory.files.list()
    assert visitor.get(address).status_code == 404
    change = page.text.split('name="change" value="')[1][:36]
    assert "Undone" in visitor.post("/agents/ann/undo", change=change, back=address).text
    assert memory.files.read("/memories/b.md").content == "Name: Ann\r\nLives in Linz"


def test_files_and_items_are_paged_by_key(visitor: Visitor, memory: Memory) -> None:
    for n in range(51):
        memory.files.write(f"/{n:02}.md", "note")
        memory.items.put(("users",), f"{n:02}", {"n": n})
        memory.items.put((f"space {n:02}",), "key", {"n": n})
    for path, first, last in (
        ("files", "/00.md", "/50.md"),
        ("items?label=users", "key=00", "key=50"),
        ("items", "label=space+00", "users"),
    ):
        page = visitor.get(f"/agents/ann/{path}").text
        assert (first in page, last in page) == (True, False)
        following = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        page = visitor.get(following).text
        assert (first in page, last in page, 'rel="next"' in page) == (False, True, False)


def test_an_item_is_read_deleted_and_brought_back(visitor: Visitor, memory: Memory) -> None:
    namespace = ("users", "a/b & ü")
    id = memory.items.put(namespace, "how, to?", {"likes": "Trains"}, ttl_minutes=60)
    expires = memory.items.get(namespace, "how, to?", refresh=False).expires_at
    address = addresses.address("agents", "ann", "items", "value", label=namespace, key="how, to?")
    escaped = address.replace("&", "&amp;")
    assert (
        addresses.address("agents", "ann", "items", label=namespace).replace("&", "&amp;")
        in visitor.get("/agents/ann/items").text
    )
    assert escaped in visitor.get(addresses.address("agents", "ann", "items", label=namespace)).text
    assert escaped in visitor.get("/agents/ann/search?q=Trains&kinds=item").text
    page = visitor.get(address).text
    assert "&#34;likes&#34;: &#34;Trains&#34;" in page
    assert f"kind=item&amp;id={id}" in page
    assert memory.items.get(namespace, "how, to?", refresh=False).expires_at == expires, "looking keeps nothing alive"
    page = visitor.post("/agents/ann/items/delete", label=list(namespace), key="how, to?")
    assert visitor.get(address).status_code == 404
    change = page.text.split('name="change" value="')[1][:36]
    assert "Undone" in visitor.post("/agents/ann/undo", change=change, back="/agents/ann/items").text
    assert visitor.get(address).status_code == 200


def test_files_and_items_as_they_were(visitor: Visitor, memory: Memory) -> None:
    file = memory.files.write("/a.md", "as it was")
    memory.items.put(("users",), "ann", {"says": "as it was"})
    at = memory.history(limit=1)[0].changed_at.isoformat()
    memory.files.write("/a.md", "as it is")
    memory.items.put(("users",), "ann", {"says": "as it is"})
    for path in ("files", f"files/{file.id}", "items"):
        page = visitor.get(addresses.address("agents", "ann", *path.split("/"), at=at)).text
        assert ("as it was" in page, "as it is<" in page, "/edit" in page) == (True, False, False)


def test_whoever_may_only_read_changes_no_file(visitor_with: Callable[..., Visitor], memory: Memory) -> None:
    file = memory.files.write("/a.md", START)
    memory.items.put(("users",), "ann", {"n": 1})
    reader = visitor_with(permissions=["read"])
    address = f"/agents/ann/files/{file.id}"
    page = reader.get(address)
    assert (page.status_code, "/edit" in page.text, "/delete" in page.text) == (200, False, False)
    assert reader.get(f"{address}/edit").status_code == 403
    for path, fields in (
        (address, {"content": "x"}),
        (f"{address}/merge", {"base": "1"}),
        (f"{address}/rename", {"to": "/b"}),
        (f"{address}/delete", {}),
        ("/agents/ann/items/delete", {"label": "users", "key": "ann"}),
    ):
        assert reader.post(path, version="1", **fields).status_code == 403, path
    assert memory.files.read("/a.md").content == START


def test_an_edit_with_a_conflict_and_its_undo(tab: Tab, memory: Memory) -> None:
    file = memory.files.write("/memories/ann.md", START)
    tab.watch.expected += ["409"]
    page = tab.open(f"/agents/ann/files/{file.id}")
    tab.ready()
    tab.is_accessible()
    page.keyboard.press("e")
    page.get_by_label("Text").fill("Name: Ann Bauer\nLives in Linz")
    tab.is_accessible()
    memory.files.write("/memories/ann.md", "Name: Ann\nLives in Vienna\nLikes trains")
    page.keyboard.press("Control+Enter")
    page.get_by_role("heading", name="Somebody was faster").wait_for()
    assert memory.files.get(file.id).content == "Name: Ann\nLives in Vienna\nLikes trains", "never overwritten"
    tab.is_accessible()
    page.get_by_role("radio", name="Both").check()
    page.get_by_role("button", name="Save against version 2").click()
    page.get_by_text("Saved file /memories/ann.md, version 3.").wait_for()
    tab.ready()
    both = set(memory.files.get(file.id).content.split("\n"))
    assert {"Lives in Vienna", "Lives in Linz", "Name: Ann Bauer", "Likes trains"} <= both
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert memory.files.get(file.id).content == "Name: Ann\nLives in Vienna\nLikes trains"
