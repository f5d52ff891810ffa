"""Walks over the graph: what they find, what they leave out, and that each is one round trip by index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import networkx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Memory
from memgpt.config import Settings
from memgpt.errors import InputError, NotFoundError
from memgpt.graph import traversal_store
from memgpt.graph.traversal_store import Walk

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def fill(dsn: str, edges: list[tuple[int, int]], agent: str = "ann", weights: list[float] | None = None) -> None:
    """Entities called by their ids, and edges between them."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        ids = sorted({id for edge in edges for id in edge})
        cursor.executemany(
            "INSERT INTO kg_entities (agent_id, id, name) VALUES (%s, %s, %s)", [(agent, i, f"e{i}") for i in ids]
        )
        cursor.executemany(
            "INSERT INTO kg_relationships (agent_id, id, source_id, target_id, type, fact, weight) "
            "VALUES (%s, %s, %s, %s, 't', '', %s)",
            [(agent, n, *edge, (weights or [1.0] * len(edges))[n - 1]) for n, edge in enumerate(edges, start=1)],
        )


def test_what_is_near_comes_first_each_thing_once(memory: Memory) -> None:
    graph = memory.graph
    for source, target in (("Ann", "Bob"), ("Bob", "Cat"), ("Cat", "Dan"), ("Cat", "Ann"), ("Eve", "Eve")):
        graph.add_fact(source, "knows", target)
    near = graph.within(" ann ", hops=2)
    assert [(r.name, r.depth) for r in near.start] == [("Ann", 0)]
    assert [(r.name, r.depth) for r in near.entities] == [("Bob", 1), ("Cat", 1), ("Dan", 2)]
    assert near.complete
    assert [r.name for r in graph.within("Ann", hops=2, direction="out").entities] == ["Bob", "Cat"]
    assert [r.name for r in graph.neighbours("Ann", direction="in").entities] == ["Cat"]
    assert graph.within("Eve").entities == []
    assert [r.name for r in graph.within(["Ann", graph.get("Dan")], hops=1).entities] == ["Bob", "Cat"]
    with pytest.raises(NotFoundError, match="'Zoe'"):
        graph.neighbours("Zoe")


def test_filters_by_type_weight_and_time(memory: Memory) -> None:
    graph = memory.graph
    graph.add_fact("Ann", "knows", "Bob", weight=0.2)
    graph.add_fact("Ann", "works_at", "Acme", valid_from="2000-01-01", valid_to="2005-01-01")
    gone = graph.add_fact("Ann", "owns", "Boat")
    graph.retract_fact(gone.id)

    def names(**filters: Any) -> set[str]:
        return {r.name for r in graph.neighbours("Ann", **filters).entities}

    assert names() == {"Bob", "Acme"}
    assert names(types=["knows", "owns"]) == {"Bob"}
    assert names(min_weight=0.5) == {"Acme"}
    assert names(valid_at="2006-01-01") == {"Bob"}
    assert names(known_at=gone.recorded_at) == {"Bob", "Acme", "Boat"}
    with pytest.raises(InputError, match="direction"):
        names(direction="up")


def test_what_the_fan_out_leaves_out_is_flagged(dsn: str, memory: Memory) -> None:
    fill(dsn, [(1, n) for n in range(2, 12)])
    capped = memory.graph.neighbours(1, fan_out=4)
    assert len(capped.entities) == 4
    assert capped.start[0].capped
    assert not capped.complete
    exact = memory.graph.neighbours(1, fan_out=10)
    assert len(exact.entities) == 10
    assert not exact.start[0].capped
    assert exact.complete
    everything = memory.graph.neighbours(1, fan_out=None)
    assert (len(everything.entities), everything.complete) == (10, True)
    cut = memory.graph.neighbours(1, fan_out=None, limit=3)
    assert (len(cut.entities), cut.complete) == (3, False)


def test_a_subgraph_and_its_ranking(memory: Memory) -> None:
    graph = memory.graph
    for target in ("Bob", "Cat"):
        graph.add_fact("Ann", "knows", target)
    graph.add_fact("Bob", "likes", "Cat", weight=3)
    graph.add_fact("Cat", "likes", "Tea")
    found = graph.about("What did ann's friends do?")
    assert [r.name for r in found.start] == ["Ann"]
    assert {e.type for e in found.facts} == {"knows", "likes"}
    assert len(found.facts) == 3
    assert graph.about("nobody here").start == []
    ranked = graph.rank("Ann", hops=2)
    assert {r.entity.name for r in ranked} == {"Ann", "Bob", "Cat", "Tea"}
    assert sum(r.score for r in ranked) == pytest.approx(1)
    names = [r.entity.name for r in graph.rank({"Tea": 1.0}, hops=2)]
    assert names.index("Cat") < names.index("Ann")


def test_what_is_left_out_is_counted_and_the_strongest_are_followed(dsn: str, memory: Memory) -> None:
    fill(
        dsn,
        [(1, n) for n in range(2, 12)] + [(2, 3), (2, 20), (1, 1)],
        weights=[float(n) for n in range(10)] + [1.0] * 3,
    )
    near = memory.graph.around(1, fan_out=3)
    assert {r.name for r in near.entities} == {"e9", "e10", "e11"}, "those that weigh most"
    assert (near.start[0].capped, near.complete) == (True, False)
    assert near.start[0].more == 7, "those not followed; what it says of itself is there"
    whole = memory.graph.around(1, fan_out=100)
    assert [(r.name, r.more) for r in (*whole.start, *whole.entities) if r.more] == [("e2", 1)]
    assert sorted(fact.weight for fact in whole.facts) == [0.0, 1.0, 1.0, *map(float, range(1, 10))]
    among = memory.graph.around([2, 3], hops=0)
    assert [(r.id, r.more) for r in among.start] == [(2, 2), (3, 1)]
    assert [(fact.source_id, fact.target_id) for fact in among.facts] == [(2, 3)]
    assert memory.graph.within(1).start[0].more == 0


def test_what_had_ended_comes_along_when_asked_for(memory: Memory) -> None:
    graph = memory.graph
    graph.add_fact("Ann", "works_at", "Acme", valid_from="2000-01-01", valid_to="2005-01-01")
    graph.add_fact("Ann", "works_at", "Beta", valid_from="2008-01-01")

    def names(**filters: Any) -> set[str]:
        return {r.name for r in graph.around("Ann", **filters).entities}

    assert names(valid_at="2006-01-01") == set()
    assert names(valid_at="2006-01-01", ended=True) == {"Acme"}
    assert names(ended=True) == names() == {"Acme", "Beta"}
    [fact] = graph.around("Ann", valid_at="2001-01-01").facts
    assert (fact.valid_from, fact.valid_to) == (datetime(2000, 1, 1, tzinfo=UTC), datetime(2005, 1, 1, tzinfo=UTC))
    way = graph.path("Acme", "Beta", valid_at="2009-01-01", ended=True)
    assert way is not None
    assert graph.path("Acme", "Beta", valid_at="2009-01-01") is None


def test_the_graph_at_a_glance(dsn: str, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = memory.graph
    empty = graph.overview()
    assert (empty.entities, empty.facts, empty.complete, empty.true_from, empty.known_to) == (0, 0, True, None, None)
    graph.add_entity("Ann", "person")
    first = graph.add_fact("Ann", "works_at", "Acme", valid_from="2000-01-01", valid_to="2005-01-01")
    graph.add_fact("Ann", "knows", "Bob")
    graph.add_fact("Ann", "is", "Ann")
    gone = graph.retract_fact(graph.add_fact("Bob", "knows", "Cat", valid_from="1990-01-01").id)
    glance = graph.overview(limit=2)
    assert (glance.entities, glance.facts, glance.complete) == (4, 3, True)
    assert [(t.type, t.count) for t in glance.entity_types] == [("thing", 3), ("person", 1)]
    assert [(t.type, t.count) for t in glance.fact_types] == [("is", 1), ("knows", 1), ("works_at", 1)]
    assert [(e.name, e.facts) for e in glance.most_connected] == [("Ann", 3), ("Acme", 1)]
    assert glance.true_from == gone.valid_from, "sliders reach over what was known once, too"
    assert glance.true_to == first.valid_to
    assert (glance.known_from, glance.known_to) == (first.recorded_at, gone.superseded_at)
    assert graph.overview(valid_at="2006-01-01").facts == 2
    assert (graph.overview(known_at=first.recorded_at).facts, graph.overview(known_at="1999-01-01").entities) == (1, 0)
    monkeypatch.setattr("memgpt.graph.traversal.MOST_FACTS", 2)
    cut = graph.overview()
    assert (cut.complete, cut.entities) == (False, 2)


nodes = st.integers(1, 9)
graphs = st.lists(st.tuples(nodes, nodes), min_size=1, max_size=25)
agents = iter(range(10**9))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edges=graphs, weights=st.lists(st.sampled_from([1.0, 2.0, 5.0]), min_size=25, max_size=25), hops=st.integers(1, 4)
)
def test_walks_and_paths_agree_with_networkx(
    dsn: str, edges: list[tuple[int, int]], weights: list[float], hops: int
) -> None:
    agent = f"agent {next(agents)}"
    fill(dsn, edges, agent, weights)
    known = networkx.MultiGraph()
    for (source, target), weight in zip(edges, weights, strict=False):
        known.add_edge(source, target, weight=weight)
    first, last = edges[0][0], edges[-1][1]
    with Memory(agent, dsn=dsn, options=WITHOUT_MODEL) as memory:
        near = memory.graph.within(first, hops=hops, fan_out=None)
        expected = networkx.single_source_shortest_path_length(known, first, cutoff=hops)
        assert {r.id: r.depth for r in (*near.start, *near.entities)} == expected
        assert near.complete
        path = memory.graph.path(first, last, max_hops=10)
        if not networkx.has_path(known, first, last):
            assert path is None
            return
        assert path is not None
        assert path.cost == networkx.shortest_path_length(known, first, last)
        cheap = memory.graph.path(first, last, by="weight", max_hops=10)
        assert cheap is not None
        assert cheap.cost == networkx.shortest_path_length(known, first, last, weight="weight")
        assert sum(e.weight for e in cheap.facts) == cheap.cost


def test_a_path_of_exactly_the_most_hops_is_found(dsn: str, memory: Memory) -> None:
    fill(dsn, [(n, n + 1) for n in range(1, 8)])
    for hops in range(1, 8):
        path = memory.graph.path(1, 1 + hops, max_hops=hops)
        assert path is not None
        assert list(path.entity_ids) == list(range(1, hops + 2))
        assert memory.graph.path(1, 1 + hops, max_hops=max(hops - 1, 1)) is None or hops == 1
    assert memory.graph.path(3, 1) is not None
    assert memory.graph.path(3, 1, direction="out") is None


def test_a_walk_reads_nothing_but_the_covering_indexes(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO kg_entities (agent_id, id, name) SELECT 'ann', n, 'e' || n FROM generate_series(1, 3000) n"
        )
        connection.execute(
            "INSERT INTO kg_relationships (agent_id, source_id, target_id, type) "
            "SELECT 'ann', 1 + n % 3000, 1 + n * 7 % 3000, 't' || n % 5 FROM generate_series(1, 20000) n"
        )
        connection.execute("VACUUM ANALYZE kg_relationships")
        connection.execute("VACUUM ANALYZE kg_entities")
        walk = Walk([1], [], hops=2, limit=100, fan_out=25)
        for form, counted in (("within", False), ("around", False), ("around", True), ("between", False)):
            given = {"agent_id": "ann", **walk.parameters(), "facts": 1000, "counted": 100}
            walked = traversal_store._statement(form, of_types=False, strongest=counted, counted=counted)
            statement = b"EXPLAIN (FORMAT JSON) " + walked
            [[plan]] = connection.execute(statement, given, prepare=False).fetchall()
            scans = {(s["Node Type"], s.get("Index Name")) for s in _scans(plan[0]["Plan"]) if _on_edges(s)}
            assert scans == {
                ("Index Only Scan", "kg_relationships_source_idx"),
                ("Index Only Scan", "kg_relationships_target_idx"),
            }, json.dumps(sorted(map(str, scans)))


def test_a_fresh_graph_is_walked_as_one_that_is_known(dsn: str) -> None:
    """Before there are statistics facts are not compared with things one by one either."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in ("kg_entities", "kg_relationships"):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        fill(dsn, [(n, 1 + (n * m + 1) % 5000) for n in range(1, 5001) for m in (7, 13)])
        walk = Walk([1], [], hops=10, limit=5000, fan_out=25)
        for form in ("within", "around", "between"):
            given = {"agent_id": "ann", **walk.parameters(), "facts": 20_000, "counted": 100}
            walked = traversal_store._statement(form, of_types=False, strongest=True, counted=form == "around")
            statement = b"EXPLAIN (ANALYZE, FORMAT JSON) " + walked
            [[plan]] = connection.execute(statement, given, prepare=False).fetchall()
            assert max(map(_touched, _scans(plan[0]["Plan"]))) < 20 * 10_000, form


def _touched(node: dict[str, Any]) -> float:
    """Rows that a part of a plan gave or left out, in all."""
    left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + left_out))


def _scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _scans(child)


def _on_edges(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") == "kg_relationships"
