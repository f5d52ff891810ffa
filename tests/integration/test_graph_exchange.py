"""Files of the graph, analyses by networkx, and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import networkx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from memgpt import Memory
from memgpt.cli.graph import app
from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.errors import InputError
from memgpt.graph import exchange
from memgpt.memory import scope_of

WITHOUT_MODEL = Settings(embedding_model="none")


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn, options=WITHOUT_MODEL) as memory:
        yield memory


def test_both_files_hold_the_graph(memory: Memory, tmp_path: Path) -> None:
    graph = memory.graph
    graph.add_entity("Ann", "person", aliases=["A. Müller"], properties={"age": 30})
    told = graph.add_fact("Ann", "works_at", "Acme", valid_from="2020-01-01", weight=2)
    graph.retract_fact(graph.add_fact("Ann", "likes", "Tea").id)
    for name in ("g.graphml", "g.json"):
        assert exchange.export(graph, tmp_path / name) == {"entities": 3, "facts": 1}
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
    assert [r.fact for r in memory.graph.facts("Ann", valid_at="2022-01-01")] == ["Ann works at Beta"]
    assert memory.graph.get("Ann").type == "person"
    for line in ('{"source": "X", "type": "t"}', "nonsense", '{"source": "X", "colour": 1}', "[1]"):
        bad.write_text('{"source": "New", "type": "t", "target": "Other"}\n' + line)
        with pytest.raises(InputError, match=r"bad\.jsonl, line 2"):
            exchange.import_triples(memory.graph, bad)
        assert memory.graph.find("New") == []
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        exchange.import_triples(memory.graph, bad)


@pytest.fixture
def shared(memory: Memory) -> Database:
    return scope_of(memory).database


def contents(memory: Memory) -> tuple[Any, Any]:
    """A graph without the ids and times that are a database's own."""
    graph = exchange.to_networkx(memory.graph)
    nodes = {id: json.dumps(data, sort_keys=True) for id, data in graph.nodes(data=True)}
    edges = [
        (nodes[source], nodes[target], json.dumps({**data, "recorded_at": ""}, sort_keys=True))
        for source, target, data in graph.edges(data=True)
    ]
    return sorted(nodes.values()), sorted(edges)


text = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\r\n\t"), max_size=12)
name = st.one_of(
    text.filter(str.strip), st.sampled_from(["Ann", "ann", "1984", "2024", "0x1F", "<&>", 'a;"b"', "true", "3"])
)
properties = st.dictionaries(text, st.one_of(st.integers(-9, 9), text, st.lists(text, max_size=2)), max_size=2)
moment = st.none() | st.datetimes(datetime(1, 2, 1), datetime(9000, 1, 1), timezones=st.just(UTC))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    things=st.lists(
        st.tuples(name, st.sampled_from(["thing", "person", "place"]), st.lists(name, max_size=2), text, properties),
        max_size=4,
    ),
    facts=st.lists(st.tuples(st.integers(0, 9), name, st.integers(0, 9), text, moment, moment, properties), max_size=5),
    form=st.sampled_from([".graphml", ".json"]),
)
def test_exports_come_back_whole(shared: Database, tmp_path: Path, things: Any, facts: Any, form: str) -> None:
    file, agent = tmp_path / f"g{form}", str(uuid4())
    memory, other = (Memory(f"{agent} {copy}", database=shared, options=WITHOUT_MODEL) for copy in ("first", "again"))
    graph, entities = memory.graph, []
    for called, kind, aliases, description, more in things:
        try:
            entities.append(graph.add_entity(called, kind, aliases=aliases, description=description, properties=more))
        except InputError:  # several are called so
            continue
    for source, kind, target, fact, start, end, more in facts:
        if entities and (start is None or end is None or start < end):
            ends = entities[source % len(entities)], entities[target % len(entities)]
            words = fact if fact.strip() else None
            graph.add_fact(ends[0], kind, ends[1], fact=words, valid_from=start, valid_to=end, properties=more)
    exchange.export(graph, file)
    exchange.import_triples(other.graph, file)
    assert contents(other) == contents(memory)
    exchange.import_triples(other.graph, file)
    assert contents(other) == contents(memory)


def test_what_xml_cannot_hold_is_refused(memory: Memory, tmp_path: Path) -> None:
    memory.graph.add_entity("Ann", description="a \x01 b")
    with pytest.raises(InputError, match=r"U\+0001"):
        exchange.export(memory.graph, tmp_path / "g.graphml")
    assert not (tmp_path / "g.graphml").exists()
    exchange.export(memory.graph, tmp_path / "g.json")


@pytest.mark.parametrize(
    "table",
    [
        "source;type;target\nAnn;born_in;1984\nAnn;likes;tea, green\n",
        "Ann;born_in;1984\nAnn;likes;tea, green\n",
        "\ufeffSubject\tPredicate\tObject\nAnn\tborn_in\t1984\nAnn\tlikes\ttea, green\n",
        'source,type,target\nAnn,born_in,1984\n\nAnn,likes,"tea, green"\nAnn,born_in,1984\n',
        "Ann|born_in|1984\r\nAnn|likes|tea, green\r\n",
    ],
)
def test_tables_of_every_shape(memory: Memory, tmp_path: Path, table: str) -> None:
    (tmp_path / "t.csv").write_text(table, encoding="utf-8", newline="")
    exchange.import_triples(memory.graph, tmp_path / "t.csv")
    stated = {(r.type, memory.graph.get(r.target_id).name) for r in memory.graph.facts("Ann")}
    assert stated == {("born_in", "1984"), ("likes", "tea, green")}
    assert len(memory.graph.facts()) == 2


def test_a_table_in_another_encoding(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("source;type;target\nMüller;wohnt_in;Köln\n".encode("cp1252"))
    assert exchange.import_triples(memory.graph, tmp_path / "t.csv") == 1
    assert memory.graph.get("Müller").name == "Müller"


def test_numbers_are_names(memory: Memory, tmp_path: Path) -> None:
    memory.graph.add_entity("Ann")
    (tmp_path / "t.jsonl").write_text(
        '{"source": "1984", "type": "written_in", "target": 1948, "valid_from": 1949}\n'
        '{"source": 1, "type": "before", "target": 2.5, "source_type": "number"}\n'
    )
    assert exchange.import_triples(memory.graph, tmp_path / "t.jsonl") == 2
    [fact] = memory.graph.facts("1984")
    assert (fact.fact, fact.valid_from) == ("1984 written in 1948", datetime(1949, 1, 1, tzinfo=UTC))
    assert [r.fact for r in memory.graph.facts("1")] == ["1 before 2.5"]


TRIPLES = r"""# people
<http://x.org/Ann_Lee> <http://x.org/knows> <http://x.org/Bob> . # since school
<http://x.org/Ann_Lee> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://xmlns.com/foaf/0.1/Person> .
<http://x.org/Bob> <http://www.w3.org/2000/01/rdf-schema#label> "Bob \"B\" M\u00FCller"@en .
<http://x.org/Bob> <http://x.org/born> "1984"^^<http://www.w3.org/2001/XMLSchema#gYear> .

_:b0 <http://x.org/knows> <http://x.org/Ann_Lee> .
<http://x.org/Ann_Lee> <http://x.org/knows> <http://x.org/Bob> .
<http://a.org/Paris> <http://x.org/twin> <http://b.org/Paris> .
"""


def test_n_triples(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "t.nt").write_text(TRIPLES)
    for _ in range(2):
        assert exchange.import_triples(memory.graph, tmp_path / "t.nt") == 5
        assert {r.fact for r in memory.graph.facts()} == {
            'Ann Lee knows Bob "B" Müller',
            'Bob "B" Müller born 1984',
            "_:b0 knows Ann Lee",
            "http://a.org/Paris twin http://b.org/Paris",
        }
    assert memory.graph.get("http://x.org/Ann_Lee").type == "Person"


def test_bad_lines_are_named_and_may_be_skipped(memory: Memory, tmp_path: Path) -> None:
    files = {
        "t.nt": "<http://x/a> <http://x/b> <http://x/c> .\n<http://x/a> <http://x/b> .\n",
        "t.csv": "source;type;target\nAnn;knows;Bob;too;many\nAnn;knows;Bob\n;knows;Bob\n",
        "t.jsonl": '{"source": true, "type": "t", "target": "x"}\n{"source": "x", "type": "t", "target": "y"}\n[',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=rf"{name}, line \d"):
            exchange.import_triples(memory.graph, tmp_path / name)
        problems: list[Any] = []
        done = exchange.import_triples(memory.graph, tmp_path / name, on_error="skip", on_problem=problems.append)
        assert done == 1
        assert all(f"line {problem.index}:" in problem.reason for problem in problems)
        assert len(problems) == (1 if name == "t.nt" else 2)
    edges = {"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "zz", "type": "t"}, 7]}
    (tmp_path / "g.json").write_text(json.dumps(edges))
    with pytest.raises(InputError, match=r"g\.json, edge 1: its target 'zz' is not a node"):
        exchange.import_triples(memory.graph, tmp_path / "g.json")
    for name, content in {"g.graphml": "<graphml", "h.json": "[1]", "i.json": "{", "x.png": ""}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=name):
            exchange.import_triples(memory.graph, tmp_path / name)


def test_communities_and_centrality(memory: Memory) -> None:
    for a, b in (("A", "B"), ("B", "C"), ("C", "A"), ("X", "Y"), ("Y", "Z"), ("Z", "X"), ("A", "X")):
        memory.graph.add_fact(a, "knows", b)
    assert sorted(exchange.communities(memory.graph)) == [["A", "B", "C"], ["X", "Y", "Z"]]
    assert {name for name, _ in exchange.centrality(memory.graph, limit=2)} == {"A", "X"}


def test_the_command_line(memory: Memory, dsn: str, tmp_path: Path) -> None:
    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--agent", "ann", "--dsn", dsn])
        assert result.exit_code == status, result.output
        return result.output

    assert "Ann works at Acme" in run("add-fact", "Ann", "works_at", "Acme", "--functional")
    run("add-fact", "Ann", "works_at", "Beta", "--functional", "--from", "2020-01-01")
    assert "Beta" in run("facts", "Ann")
    assert "Acme" in run("near", "Ann")
    assert json.loads(run("near", "Ann", "--json"))["complete"] is True
    assert "Ann works at Beta" in run("path", "Ann", "Beta")
    run("add-fact", "Zoe", "likes", "Zen")
    run("path", "Ann", "Zoe", status=1)
    assert "Beta" in run("rank", "Ann")
    assert "entities" in run("export", str(tmp_path / "g.json"))
    (tmp_path / "t.csv").write_text("source,type,target\nEve,knows,Ann\n")
    assert "1 facts" in run("import", str(tmp_path / "t.csv"))
    fact = memory.graph.facts("Eve")[0]
    assert f"fact {fact.id} retracted" in run("retract-fact", str(fact.id))
