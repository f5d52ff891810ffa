"""Walks over the graph by REST: what is near, what is left out, ways, and the graph at a glance."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

A = "/v1/agents/acme-1"


def test_walks_over_rest_are_those_of_the_library(client: TestClient) -> None:
    def add(source: str, type: str, target: str, **fields: Any) -> dict[str, Any]:
        answer = client.post(f"{A}/facts", json={"source": source, "type": type, "target": target, **fields})
        assert answer.status_code == 201
        fact: dict[str, Any] = answer.json()
        return fact

    works = add("Ann", "works_at", "Acme", valid_from="2010-01-01T00:00:00Z", valid_to="2015-01-01T00:00:00Z")
    ann, acme = works["source_id"], works["target_id"]
    based = add("Acme", "based_in", "Bergen", weight=2)
    add("Acme", "sells", "tea")
    near = client.get(f"{A}/graph/around", params={"entity": ann, "hops": 2, "fan_out": 1}).json()
    assert [one["name"] for one in near["start"]] == ["Ann"]
    assert [(one["name"], one["depth"], one["more"]) for one in near["entities"]] == [("Acme", 1, 1), ("Bergen", 2, 0)]
    assert (near["complete"], {fact["id"] for fact in near["facts"]}) == (False, {works["id"], based["id"]})
    several = client.get(f"{A}/graph/around", params={"entity": [ann, acme], "hops": 0}).json()
    assert [one["name"] for one in several["start"]] == ["Ann", "Acme"]
    later = {"entity": ann, "valid_at": "2020-01-01T00:00:00Z"}
    assert client.get(f"{A}/graph/around", params=later).json()["entities"] == []
    assert len(client.get(f"{A}/graph/around", params={**later, "ended": True}).json()["entities"]) == 1
    ends = {"source": ann, "target": based["target_id"]}
    assert client.get(f"{A}/graph/path", params=ends).json()["cost"] == 2
    assert client.get(f"{A}/graph/path", params={**ends, "types": "sells"}).json() is None
    glance = client.get(f"{A}/graph/overview", params={"limit": 1}).json()
    assert (glance["entities"], glance["facts"], glance["most_connected"][0]["name"]) == (4, 3, "Acme")
    assert glance["true_to"].startswith("2015-01-01")
    assert client.get(f"{A}/graph/around", params={"entity": 999}).status_code == 404
    assert client.get(f"{A}/graph/around").status_code == 422
