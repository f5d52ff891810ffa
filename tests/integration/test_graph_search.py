"""The graph arm of a search: names by rule, and texts found by the names they share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from memgpt import Agents, Memory
from memgpt.graph import Linked


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def names(dsn: str, kind: str = "archival") -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT name FROM kg_mentions WHERE kind = %s AND name <> '' ORDER BY name", [kind]
        ).fetchall()
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Bank of Ulm hired Anna Müller's brother.", ["anna müller", "bank of ulm"]),
        ("when it rains, nobody runs", []),
        ("However, he met Élodie near Paris.", ["paris", "élodie"]),
        ("tea ceremony (Japan)\nA ritual of Kyoto.", ["japan", "kyoto", "tea ceremony"]),
        ("Not a title.\nAnother line.", ["not"]),
    ],
)
def test_names_are_found_by_rule(dsn: str, text: str, expected: list[str]) -> None:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT array(SELECT memory_mentions(%s) ORDER BY 1)", [text]).fetchone()
    assert found is not None
    assert [name for name in found[0] if name in expected] == sorted(expected)


def test_writes_link_nothing_and_link_takes_what_is_new_or_changed(memory: Memory, dsn: str) -> None:
    first = memory.remember("Ann lives near Ulm.")
    memory.remember("nothing named here")
    document = memory.documents.create([{"text": "He saw Rome."}], title="Old Travels")
    assert names(dsn) == names(dsn, "chunk") == []
    steps: list[Linked] = []
    done = memory.graph.link(batch=1, on_progress=steps.append)
    assert done == Linked(texts=3, mentions=4, seen=3, total=3)
    assert [step.seen for step in steps] == [1, 2, 3]
    assert (names(dsn), names(dsn, "chunk")) == (["ann", "ulm"], ["old travels", "rome"])
    assert memory.graph.link() == Linked(texts=0, mentions=0, seen=3, total=3)
    memory.archival.update(first.id, text="Ann lives near Bonn.")
    memory.remember("Karl lives in Jena.")
    assert memory.graph.link().texts == 2
    assert names(dsn) == ["ann", "bonn", "jena", "karl"]
    memory.documents.delete(document.id)
    assert names(dsn, "chunk") == []


def test_texts_that_name_a_thing_and_texts_that_facts_are_from(memory: Memory) -> None:
    first, second = memory.remember("Ann lives near Ulm."), memory.remember("In Ulm it rains. " + "x" * 400)
    document = memory.documents.create([{"text": "He saw Rome."}], title="Old Travels")
    message = memory.messages.append("user", "Ann sings", session="monday")
    memory.graph.link()
    assert [(t.kind, t.id) for t in memory.graph.texts_naming(["Ulm", "ULM "])] == [
        ("archival", second.id), ("archival", first.id)
    ]  # fmt: skip
    assert [len(t.text) for t in memory.graph.texts_naming(["ulm"], limit=1)] == [300]
    [chunk] = memory.graph.texts_naming(["rome"])
    assert (chunk.kind, chunk.document_id, chunk.place, chunk.text) == (
        "chunk",
        document.id,
        "Old Travels",
        "He saw Rome.",
    )
    memory.core["human"].append("Name: Ann")
    block = memory.core["human"].block
    rows = [("message", message.id), ("block", block.id), ("document", document.id), ("archival", 10**9)]
    facts = [memory.graph.add_fact("Ann", f"r{n}", "Ulm", provenance=row) for n, row in enumerate(rows)]
    facts.append(memory.graph.add_fact("Ann", "of a fact", "Ulm", provenance=("fact", facts[0].id)))
    behind = {t.kind: (t.place, t.text, t.document_id) for t in memory.graph.texts_behind(facts)}
    assert behind == {
        "message": ("monday", "Ann sings", None),
        "block": ("human", "Name: Ann", None),
        "document": ("Old Travels", "Old Travels", document.id),
        "fact": (None, "Ann r0 Ulm", None),
    }
    assert memory.graph.texts_behind([memory.graph.add_fact("Ann", "likes", "tea")]) == []
    assert memory.graph.names([facts[0].source_id, 10**9]) == {facts[0].source_id: "Ann"}


def test_names_go_with_the_text_and_come_back_by_linking(memory: Memory, dsn: str) -> None:
    kept = memory.remember("Ann lives near Ulm.")
    memory.graph.link()
    memory.archival.delete(kept.id)
    assert names(dsn) == []
    memory.undo()
    assert memory.graph.link().texts == 1
    assert names(dsn) == ["ann", "ulm"]
    memory.forget(kept.id)
    assert names(dsn) == []


def test_an_interrupted_run_goes_on_and_others_are_left_alone(memory: Memory, dsn: str) -> None:
    memory.remember_many([{"text": f"Ann met Person{n}."} for n in range(5)])
    with Memory("bob", dsn=dsn) as other:
        other.remember("Bob lives in Oslo.")

    def stop(done: Linked) -> None:
        if done.seen == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.graph.link(batch=2, on_progress=stop)
    assert memory.graph.link(batch=2).texts == 1
    assert set(names(dsn)) == {"ann", *(f"person{n}" for n in range(5))}


def test_two_at_once_do_the_work_once(memory: Memory, dsn: str) -> None:
    memory.remember_many([{"text": f"Ann met Person{n}."} for n in range(40)])
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda _: memory.graph.link(batch=3), range(2)))
    assert sum(run.texts for run in runs) == 40
    assert len(names(dsn)) == 80


def test_a_copy_and_a_renamed_agent_stay_linked_and_an_import_is_linked_anew(memory: Memory, dsn: str) -> None:
    memory.remember("Ann lives near Ulm.")
    memory.graph.link()
    with Agents(dsn) as agents:
        agents.fork("ann", "copy")
        agents.rename("copy", "renamed")
        file = io.StringIO()
        agents.export("ann", file)
        agents.import_(io.StringIO(file.getvalue()), "imported")
    with Memory("renamed", dsn=dsn) as renamed, Memory("imported", dsn=dsn) as imported:
        assert renamed.graph.link().texts == 0
        assert imported.graph.link().texts == 1
    assert names(dsn) == ["ann"] * 3 + ["ulm"] * 3


def test_only_who_linked_pays_for_the_graph_arm(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.remember("The mill was built by Quentin Marlowe.")
    memory.messages.append("user", "Who built the mill?")
    memory.search("who built the mill")
    ran: list[object] = []
    plain = psycopg.Cursor.execute

    def execute(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        ran.append(query)
        return plain(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    memory.search("who built the mill")
    assert len(ran) == 1
    memory.graph.link()
    memory.search("who built the mill")
    ran.clear()
    memory.search("who built the mill")
    assert len(ran) == 2
    ran.clear()
    memory.search("who built the mill", kinds=["message"])
    assert len(ran) == 1


def test_what_the_best_text_names_is_found(memory: Memory) -> None:
    memory.remember_many(
        [{"text": f"Filler number {n} speaks of weather and bread."} for n in range(60)]
        + [
            {"text": "Harbour Street bakery was opened by Quentin Marlowe."},
            {"text": "Quentin Marlowe grew up in Tromsø."},
        ]
    )
    memory.graph.link()
    question = "Where did the person who opened the bakery grow old as a child?"
    with_arm = memory.search(question, limit=3, explain=True)
    hit = next(hit for hit in with_arm if "Tromsø" in hit.text)
    assert hit.explain is not None
    assert hit.explain["graph"]["score"] > 0
    scores = [h.score for h in with_arm]
    assert scores == sorted(scores, reverse=True)
    assert all("graph" not in (h.explain or {}) for h in memory.search(question, graph=False, explain=True))


def test_the_second_hop_is_found_beside_the_names_asked_for(memory: Memory) -> None:
    """Other texts about the firm asked for have more words of the question than the one about its founder."""
    memory.remember_many(
        [{"text": f"Filler number {n} speaks of weather and bread."} for n in range(60)]
        + [{"text": f"Item {n} of the list says that Acme Works opened a place in spring."} for n in range(8)]
        + [
            {"text": "Acme Works is a firm; its founder was Quentin Marlowe."},
            {"text": "In an old letter a baker thanks Quentin Marlowe for flour."},
            {"text": "Quentin Marlowe grew up in Tromsø."},
        ]
    )
    memory.graph.link()
    question = "In what place did the founder of Acme Works live as a child?"
    texts = [hit.text for hit in memory.search(question, limit=5)]
    assert "Quentin Marlowe grew up in Tromsø." in texts
    later = [hit.text for hit in memory.search(question, limit=40)]
    assert later.index("Quentin Marlowe grew up in Tromsø.") < later.index(
        "In an old letter a baker thanks Quentin Marlowe for flour."
    )


def test_a_text_is_about_what_it_begins_with(memory: Memory) -> None:
    memory.documents.create([{"text": "Bread from there was sold at Kiel."}], title="The Bank of Ulm")
    memory.remember("At Kiel somebody praised the Bank of Ulm.")
    memory.graph.link()
    hits = memory.search("who praised what stood beside the Bank of Ulm", explain=True)
    links = {hit.kind: (hit.explain or {})["graph"]["score"] for hit in hits}
    assert links["chunk"] > links["archival"] > 0


def test_filters_hold_in_the_graph_arm(memory: Memory) -> None:
    memory.remember("The mill was built by Quentin Marlowe.", tags=["old"])
    memory.remember("Quentin Marlowe was born in Tromsø.", tags=["new"])
    memory.graph.link()
    assert [h.text[:8] for h in memory.search("who built the mill", tags=["old"])] == ["The mill"]
    texts = [h.text for h in memory.search("who built the mill -Tromsø")]
    assert not any("Tromsø" in text for text in texts)


def test_messages_keep_their_places(memory: Memory) -> None:
    memory.messages.append("user", "Quentin Marlowe told me about the mill.")
    memory.remember("The mill was built by Quentin Marlowe.")
    memory.remember("Quentin Marlowe was born in Tromsø.")
    memory.graph.link()
    plain = memory.search("who told about the mill", graph=False)
    linked = memory.search("who told about the mill")
    assert [n for n, h in enumerate(plain) if h.kind == "message"] == [
        n for n, h in enumerate(linked) if h.kind == "message"
    ]


@pytest.fixture
def firm(memory: Memory) -> Memory:
    """Things said of people and firms, among texts that have nothing to do with them."""
    memory.remember_many([{"text": f"Filler number {n} speaks of weather and bread."} for n in range(60)])
    minutes = memory.remember("The minutes of the founders' meeting were signed at the harbour.")
    graph = memory.graph
    graph.add_entity("Ann Lee", aliases=["Annie"])
    graph.add_fact("Ann Lee", "works_at", "Acme", valid_from="2020-01-01")
    graph.add_fact("Acme", "based_in", "Bergen", provenance=("archival", minutes.id))
    graph.add_fact("Karl", "lives_in", "Jena")
    return memory


def test_facts_about_what_the_query_names_and_about_what_stands_beside_it(firm: Memory) -> None:
    hits = firm.search("what town does the employer of annie sit in", explain=True, limit=20)
    facts = {hit.text: hit for hit in hits if hit.kind == "fact"}
    near, far = facts["Ann Lee works at Acme"], facts["Acme based in Bergen"]
    assert near.explain is not None
    assert far.explain is not None
    assert (near.explain["graph"]["hops"], far.explain["graph"]["hops"]) == (1, 2)
    assert "graph" not in (facts["Karl lives in Jena"].explain or {}) if "Karl lives in Jena" in facts else True
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    plain = firm.search("what town does the employer of annie sit in", explain=True, limit=20, graph=False)
    before = next(hit for hit in plain if hit.text == "Acme based in Bergen")
    assert far.score > before.score
    assert not any("graph" in (hit.explain or {}) for hit in plain)


def test_the_text_a_fact_is_from_comes_along(firm: Memory) -> None:
    question = "what town does the employer of annie sit in"
    assert any("minutes" in hit.text for hit in firm.search(question, limit=10))
    context = firm.context(question, budget_tokens=400)
    assert "# Facts" in context.text
    fact = next(item for item in context.items if item.part == "fact" and "Bergen" in item.text)
    assert ", said in archival " in fact.text


def test_only_what_is_true_now_rises_and_filters_hold(firm: Memory) -> None:
    firm.graph.add_fact("Ann Lee", "studied_at", "Ulm", valid_from="2010-01-01", valid_to="2015-01-01")
    gone = firm.graph.add_fact("Ann Lee", "likes", "Tea")
    firm.graph.retract_fact(gone.id)
    hits = firm.search("annie", kinds=["fact"], explain=True)
    risen = [hit.text for hit in hits if "graph" in (hit.explain or {})]
    assert risen == ["Ann Lee works at Acme", "Acme based in Bergen"]
    assert not any("Tea" in hit.text for hit in hits)
    early = firm.search("annie", kinds=["fact"], until="2019-01-01", explain=True)
    assert not any("graph" in (hit.explain or {}) for hit in early)


def test_a_hub_lets_no_more_than_ten_facts_rise(memory: Memory) -> None:
    for n in range(40):
        memory.graph.add_fact("Ann", "met", f"Person {n}")
    hits = memory.search("ann", limit=40, explain=True)
    assert sum("graph" in (hit.explain or {}) for hit in hits) == 10


def test_a_merged_name_leads_to_what_is_believed_of_the_other(firm: Memory, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO kg_entities (agent_id, name, type, merged_into, merged_at) SELECT agent_id, 'Leeann', type, "
            "id, now() FROM kg_entities WHERE name = 'Ann Lee'"
        )
    hits = firm.search("leeann", kinds=["fact"], explain=True)
    assert "Ann Lee works at Acme" in [hit.text for hit in hits if "graph" in (hit.explain or {})]


def test_agents_see_their_own_facts_and_requests_find_them(firm: Memory, dsn: str) -> None:
    with Memory("bob", dsn=dsn) as other:
        other.graph.add_fact("Annie", "knows", "Secret")
    with Memory("ann", dsn=dsn, isolated=True) as isolated:
        hits = isolated.search("where does annie work", explain=True)
    assert any(hit.text == "Ann Lee works at Acme" and hit.explain and "graph" in hit.explain for hit in hits)
    assert not any("Secret" in hit.text for hit in hits)


def test_facts_cost_no_statement_of_their_own(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = memory.remember("The mill was built by Quentin Marlowe.")
    memory.graph.add_fact("Quentin Marlowe", "built", "the mill")
    memory.search("who built the mill")
    ran: list[object] = []
    plain = psycopg.Cursor.execute

    def execute(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        ran.append(query)
        return plain(cursor, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    memory.search("who built the mill")
    assert len(ran) == 1
    memory.graph.add_fact("Quentin Marlowe", "was", "a miller", provenance=("archival", kept.id))
    memory.search("who built the mill")
    ran.clear()
    memory.search("who built the mill")
    assert len(ran) == 2
