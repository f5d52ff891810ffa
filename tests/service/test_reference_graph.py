"""The tools of the reference memory server ask for the rows they need; what they answer is what the whole graph has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.config import Settings
from memgpt.server.mcp.reference_graph import KnowledgeGraph, Node, Nodes, Relation
from memgpt.server.mcp.reference_store import SQL

FILL = """
    WITH made AS (
        INSERT INTO kg_entities (agent_id, name, type, properties)
        SELECT 'ann', 'thing ' || n, 'thing', jsonb_build_object('observations', jsonb_build_array('number ' || n))
        FROM generate_series(%(first)s::integer, %(last)s) AS n
        RETURNING id
    )
    INSERT INTO kg_relationships (agent_id, source_id, target_id, type, fact)
    SELECT 'ann', m.id, o.id, 'precedes', 'x' FROM made m JOIN made o ON o.id IN (m.id + 1, m.id + 7)"""


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as opened:
        yield opened


def blocks(connection: psycopg.Connection[Any], statement: bytes, given: Mapping[str, Any]) -> int:
    """How many blocks of the database a statement looks at."""
    row = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement, given, prepare=False).fetchone()
    assert row is not None
    return int(row[0][0]["Plan"]["Shared Hit Blocks"] + row[0][0]["Plan"]["Shared Read Blocks"])


def test_the_work_for_some_names_does_not_grow_with_the_graph(memory: Memory, dsn: str) -> None:
    names = {"agent_id": "ann", "names": ["thing 11", "thing 100", "nothing"]}
    pairs = {"agent_id": "ann", "sources": ["thing 11"], "targets": ["thing 12"], "types": ["precedes"]}
    looked_at = {}
    with psycopg.connect(dsn, autocommit=True) as owner:
        for first, last in ((1, 200), (201, 8_000)):
            owner.execute(FILL, {"first": first, "last": last})
            owner.execute("VACUUM (ANALYZE) kg_entities, kg_relationships")
            looked_at[last] = [
                blocks(owner, SQL.nodes_named, names),
                blocks(owner, SQL.relations_of, names),
                blocks(owner, SQL.relations_there, pairs),
            ]
    for few, many in zip(looked_at[200], looked_at[8_000], strict=True):
        assert many < 2 * few + 50
    graph = Nodes(memory).open(["thing 11"])
    assert graph.nodes == [Node("thing 11", "thing", ("number 11",))]
    others = [(relation.source, relation.target) for relation in graph.relations]
    assert others == [
        ("thing 4", "thing 11"),
        ("thing 10", "thing 11"),
        ("thing 11", "thing 12"),
        ("thing 11", "thing 18"),
    ]


def around(graph: KnowledgeGraph, nodes: list[Node]) -> KnowledgeGraph:
    """Nodes of a whole graph, and what has one of their names at an end."""
    names = {node.name for node in nodes}
    return KnowledgeGraph(nodes, [r for r in graph.relations if r.source in names or r.target in names])


def test_tools_answer_what_the_whole_graph_has(memory: Memory) -> None:
    chance, nodes = random.Random(1), Nodes(memory)
    names = ["Ann", "ann", "Äpfel", "tea", 'a "b", c', "100%", "x_y", "ŁÓDŹ"]
    nodes.create([Node(name, chance.choice(["person", "Thing"]), (f"likes {name}", "Été")) for name in names])
    ends = [(a, b, kind) for a in names for b in names for kind in ("knows", "likes") if chance.random() < 0.2]
    made = nodes.relate([Relation(*end) for end in ends])
    assert nodes.relate(made) == [], "they are there"
    memory.graph.add_entity("described", description="A text with TEA in it")
    whole = nodes.read()
    assert {node.name for node in whole.nodes} == {*names, "described"}
    assert [*whole.relations] == [*made]
    for asked in (["Ann"], ["ann", "tea", "nobody", "\0", "\ud800"], [], names):
        assert nodes.open(asked) == around(whole, [node for node in whole.nodes if node.name in asked])
    for text in ("ann", "ANN", "tea", "äpfel", "été", 'b", c', "%", "_", "łódź", "thing", "", "zzz", "\\", '["'):
        wanted = text.lower()
        having = [n for n in whole.nodes if any(wanted in t.lower() for t in (n.name, n.type, *n.observations))]
        assert nodes.search(text) == around(whole, having), text
    assert nodes.unrelate([*made[:3], Relation("Ann", "nobody", "knows")]) == 3
    assert [*nodes.read().relations] == [*made[3:]]
    assert nodes.delete(["Ann", "nobody"]) == (["Ann"], ["nobody"])
    assert not any("Ann" in (r.source, r.target) for r in nodes.read().relations)
