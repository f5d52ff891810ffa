"""Proposals over HTTP: what waits, and what becomes of it."""

from __future__ import annotations

from starlette.testclient import TestClient

A = "/v1/agents/acme-1"


def test_entities_that_are_one_are_merged_and_taken_apart(client: TestClient) -> None:
    ids = [
        client.post(f"{A}/entities", json={"name": name, "type": "person"}).json()["id"]
        for name in ("Ann O'Neil", "ANN O’NEIL.", "Bob")
    ]
    [made] = client.post(f"{A}/proposals/merges").json()
    assert (made["kind"], made["status"], made["score"]) == ("merge", "proposed", 1.0)
    one = f"{A}/proposals/{made['id']}"
    assert client.get(f"{A}/proposals", params={"status": "proposed"}).json() == [made]
    assert client.get(f"{A}/proposals", params={"kind": "duplicates"}).json() == []
    assert client.get(one).json() == made
    assert client.post(f"{one}/revert").status_code == 409, "not applied"
    applied = client.post(f"{one}/apply").json()
    assert (applied["status"], applied["change_id"] is None) == ("applied", False)
    assert client.get(f"{A}/entities/{ids[1]}").json()["merged_into"] == ids[0]
    assert len(client.get(f"{A}/entities").json()) == 2
    assert client.post(f"{one}/apply").status_code == 409
    assert client.post(f"{one}/revert").json()["status"] == "reverted"
    assert len(client.get(f"{A}/entities").json()) == 3
    assert client.post(f"{A}/proposals/merges").json() == [], "never again"


def test_proposals_come_in_pages_and_can_be_rejected(client: TestClient) -> None:
    for name in ("Acme", "ACME.", "Beta", "BETA!"):
        client.post(f"{A}/entities", json={"name": name, "type": "firm"})
    first, second = client.post(f"{A}/proposals/merges").json()
    page = client.get(f"{A}/proposals", params={"limit": 1})
    rest = client.get(f"{A}/proposals", params={"limit": 1, "after": page.headers["next-cursor"]})
    assert [*page.json(), *rest.json()] == [second, first]
    assert client.post(f"{A}/proposals/{first['id']}/reject").json()["status"] == "rejected"
    assert client.post(f"{A}/proposals/{first['id']}/apply").status_code == 409
    assert client.get(f"{A}/proposals/99999").status_code == 404
    assert client.get("/v1/agents/acme-2/proposals").json() == []
