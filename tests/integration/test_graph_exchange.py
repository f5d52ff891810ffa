"""Files of the graph, analyses by networkx, and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest
from typer.testing import CliRunner

from memgpt import Memory
from memgpt.cli.graph import app
from memgpt.config import Settings
from memgpt.errors import InputError
from memgpt.graph import exchange

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def test_both_files_hold_the_graph(memory: Memory, tmp_path: Path) -> None:
    graph = memory.graph
    graph.add_entity("Ann", "person", aliases=["A. Müller"], properties={"age": 30})
    told = graph.relate("Ann", "works_at", "Acme", valid_from="2020-01-01", weight=2)
    graph.retract(graph.relate("Ann", "likes", "Tea").id)
    for name in ("g.graphml", "g.json"):
        assert exchange.export(graph, tmp_path / name) == {"entities": 3, "relationships": 1}
    read = networkx.read_graphml(tmp_path / "g.graphml", node_type=int, force_multigraph=True)
    assert read.nodes[told.source_id]["name"] == "Ann"
    assert json.loads(read.nodes[told.source_id]["aliases"]) == ["A. Müller"]
    linked = networkx.node_link_graph(json.loads((tmp_path / "g.json").read_text()), edges="edges")
    [(source, target, data)] = linked.edges(data=True)
    assert (source, target, data["type"], data["weight"]) == (told.source_id, told.target_id, "works_at", 2.0)
    with pytest.raises(InputError, match="neither"):
        exchange.export(graph, tmp_path / "g.png")


def test_triples_are_imported_all_or_none(memory: Memory, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.jsonl"
    good.write_text(
        "source,type,target,valid_from,weight,source_type,functional\n"
        "Ann,works_at,Acme,2020-01-01,0.5,person,true\nAnn,works_at,Beta,2021-01-01,,person,true\n"
    )
    assert exchange.import_triples(memory.graph, good) == 2
    assert [r.fact for r in memory.graph.relationships("Ann", valid_at="2022-01-01")] == ["Ann works at Beta"]
    assert memory.graph.get("Ann").type == "person"
    for line in ('{"source": "X", "type": "t"}', "nonsense", '{"source": "X", "colour": 1}', "[1]"):
        bad.write_text('{"source": "New", "type": "t", "target": "Other"}\n' + line)
        with pytest.raises(InputError, match=r"bad\.jsonl, line 2"):
            exchange.import_triples(memory.graph, bad)
        assert memory.graph.find("New") == []
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        exchange.import_triples(memory.graph, bad)


def test_communities_and_centrality(memory: Memory) -> None:
    for a, b in (("A", "B"), ("B", "C"), ("C", "A"), ("X", "Y"), ("Y", "Z"), ("Z", "X"), ("A", "X")):
        memory.graph.relate(a, "knows", b)
    assert sorted(exchange.communities(memory.graph)) == [["A", "B", "C"], ["X", "Y", "Z"]]
    assert {name for name, _ in exchange.centrality(memory.graph, limit=2)} == {"A", "X"}


def test_the_command_line(memory: Memory, dsn: str, tmp_path: Path) -> None:
    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--agent", "ann", "--dsn", dsn])
        assert result.exit_code == status, result.output
        return result.output

    assert "Ann works at Acme" in run("relate", "Ann", "works_at", "Acme", "--functional")
    run("relate", "Ann", "works_at", "Beta", "--functional", "--from", "2020-01-01")
    assert "Beta" in run("facts", "Ann")
    assert "Acme" in run("near", "Ann")
    assert json.loads(run("near", "Ann", "--json"))["complete"] is True
    assert "Ann works at Beta" in run("path", "Ann", "Beta")
    run("relate", "Zoe", "likes", "Zen")
    run("path", "Ann", "Zoe", status=1)
    assert "Beta" in run("rank", "Ann")
    assert "entities" in run("export", str(tmp_path / "g.json"))
    (tmp_path / "t.csv").write_text("source,type,target\nEve,knows,Ann\n")
    assert "1 statements" in run("import", str(tmp_path / "t.csv"))
    assert "Eve" in run("communities")
    fact = memory.graph.relationships("Eve")[0]
    assert "not believed" in run("retract", str(fact.id))
