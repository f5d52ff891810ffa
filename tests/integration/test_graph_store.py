"""``memory.graph`` on a real database: what is written, and how names are understood."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from config import Settings
from memgpt import Memory
from memgpt.errors import ConflictError, InputError, NotFoundError


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def test_an_entity_is_found_by_any_of_its_names(memory: Memory) -> None:
    liz = memory.graph.add_entity(
        "Elizabeth  Bennet", "person", aliases=["Liz", "Eliza"], description="a reader", properties={"age": 20}
    )
    assert (liz.name, liz.type, liz.aliases, liz.properties) == (
        "Elizabeth Bennet",
        "person",
        ["Liz", "Eliza"],
        {"age": 20},
    )
    for name in ("Elizabeth Bennet", "elizabeth bennet", "LIZ", " eliza "):
        assert memory.graph.get(name) == liz
    assert memory.graph.get(liz.id) == memory.graph.get(liz) == liz
    assert memory.graph.find("Jane") == []
    with pytest.raises(NotFoundError, match="no entity called 'Jane'"):
        memory.graph.get("Jane")


def test_the_same_name_and_type_is_the_same_entity_and_learns(memory: Memory, dsn: str) -> None:
    graph = memory.graph
    first = graph.add_entity("Ann", aliases=["A."])
    assert graph.add_entity("ann") == first
    typed = graph.add_entity("Ann", "person", aliases=["a.", "Annie"], description="runs", properties={"k": 1})
    assert (typed.id, typed.type, typed.aliases, typed.description) == (first.id, "person", ["A.", "Annie"], "runs")
    again = graph.add_entity("Annie", "Person", properties={"j": 2})
    assert (again.id, again.properties, again.description) == (first.id, {"k": 1, "j": 2}, "runs")
    assert graph.add_entity("Ann", "person", description="runs", properties={"k": 1}) == again
    city = graph.add_entity("Ann", "place")
    assert city.id != first.id
    with pytest.raises(InputError, match="2 entities are called 'ann'"):
        graph.get("ann")
    with psycopg.connect(dsn) as connection:
        actions = connection.execute(
            "SELECT action, old->>'type', old_embedding IS NOT NULL FROM memory_history ORDER BY id"
        ).fetchall()
    assert actions == [
        ("insert", None, False),
        ("update", "thing", True),
        ("update", "person", False),
        ("insert", None, False),
    ]


def test_an_own_name_counts_before_an_alias(memory: Memory) -> None:
    memory.graph.add_entity("Paris Hilton", "person", aliases=["Paris"])
    city = memory.graph.add_entity("Paris", "city")
    assert memory.graph.get("paris") == city
    assert [e.name for e in memory.graph.find("Paris")] == ["Paris", "Paris Hilton"]


def test_update_changes_what_is_given(memory: Memory) -> None:
    graph = memory.graph
    acme = graph.add_entity("Acme", "company", aliases=["ACME Inc"], properties={"k": 1})
    changed = graph.update("Acme", name="Acme Corp", description="makes anvils", aliases=[])
    assert (changed.name, changed.aliases, changed.properties) == ("Acme Corp", [], {"k": 1})
    other = graph.add_entity("Other", "company")
    with pytest.raises(ConflictError, match=f"entity {acme.id} is called"):
        graph.update(other, name="acme corp")
    assert graph.update(other, type="company").name == "Other"
    assert [e.name for e in graph.list(type="company")] == ["Acme Corp", "Other"]
    assert graph.list(limit=1, after=changed) == [graph.get(other.id)]


def test_add_fact_makes_the_entities_it_names(memory: Memory) -> None:
    graph = memory.graph
    told = graph.add_fact(
        "Ann",
        "WORKS_AT",
        "Acme",
        weight=0.5,
        valid_from="2024-05-01",
        valid_to=datetime(2025, 1, 1, tzinfo=UTC),
        properties={"role": "smith"},
        provenance=("message", 12),
    )
    ann, acme = graph.get("ann"), graph.get("acme")
    assert (told.source_id, told.target_id, told.fact) == (ann.id, acme.id, "Ann works at Acme")
    assert (told.weight, told.properties, told.provenance_kind, told.provenance_id) == (
        0.5,
        {"role": "smith"},
        "message",
        12,
    )
    assert (told.valid_from, told.valid_to) == (datetime(2024, 5, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert graph.fact(told.id) == told
    same = graph.add_fact(ann, "WORKS_AT", acme.id, valid_from="2024-05-01", valid_to="2025-01-01")
    assert same == told
    itself = graph.add_fact("Echo", "answers", "echo")
    assert itself.source_id == itself.target_id


def test_a_statement_said_again_learns_what_is_new_as_an_update_that_undo_takes_back(memory: Memory) -> None:
    graph = memory.graph
    first = graph.add_fact("Ann", "works_at", "Acme", weight=0.5, properties={"role": "smith", "floor": 1})
    again = graph.add_fact("ann", "works_at", "acme", properties={"floor": 2, "desk": 7}, provenance=("message", 12))
    assert (again.id, again.recorded_at, again.weight) == (first.id, first.recorded_at, 0.5), "no weight was named"
    assert again.properties == {"role": "smith", "floor": 2, "desk": 7}
    assert (again.provenance_kind, again.provenance_id) == ("message", 12)
    assert graph.fact(first.id) == again
    heavier = graph.add_fact("Ann", "works_at", "Acme", weight=2, provenance=("message", 99))
    assert (heavier.weight, heavier.provenance_id) == (2, 12), "where it is from first"
    assert [c.action for c in memory.history("fact", first.id)] == ["update", "update", "insert"]
    memory.undo()
    memory.undo()
    assert graph.fact(first.id) == first


def test_a_statement_said_again_writes_nothing_where_nothing_is_new(memory: Memory) -> None:
    graph = memory.graph
    first = graph.add_fact("Ann", "works_at", "Acme", weight=0.3, properties={"role": "smith", "floor": 1})
    assert graph.add_fact("Ann", "works_at", "Acme") == first
    assert graph.add_fact("Ann", "works_at", "Acme", weight=0.3, properties={"floor": 1}, functional=True) == first
    assert len(memory.history("fact")) == 1
    graph.retract_fact(first.id)
    later = graph.add_fact("Ann", "works_at", "Acme")
    assert (later.weight, later.properties) == (1, {}), "a belief of its own"


def test_a_vector_comes_to_a_statement_that_had_none(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        first = memory.graph.add_fact("Ann", "likes", "tea")
    with Memory("ann", dsn=dsn) as memory:
        assert memory.graph.add_fact("Ann", "likes", "tea") == first
        assert [c.action for c in memory.history("fact", first.id)] == ["update", "insert"]
    with psycopg.connect(dsn) as connection:
        vectors = connection.execute("SELECT embedding IS NOT NULL FROM kg_relationships WHERE agent_id = 'ann'")
        assert vectors.fetchall() == [(True,)]


def test_facts_of_an_entity(memory: Memory) -> None:
    graph = memory.graph
    knows = graph.add_fact("Ann", "knows", "Bob")
    likes = graph.add_fact("Bob", "likes", "Ann", fact="Bob is fond of Ann")
    other = graph.add_fact("Bob", "likes", "Tea")
    assert graph.facts("Ann") == [likes, knows]
    assert graph.facts("Ann", direction="out") == [knows]
    assert graph.facts("Ann", direction="in") == [likes]
    assert graph.facts("Bob", type="likes") == [other, likes]
    assert graph.facts() == [other, likes, knows]
    assert graph.facts(after=likes) == [knows]
    assert graph.facts(limit=1) == [other]
    retracted = graph.retract_fact(likes.id)
    assert retracted.superseded_at is not None
    assert graph.retract_fact(likes.id) == retracted
    assert graph.facts("Ann") == [knows]
    assert graph.facts("Ann", superseded=True) == [retracted, knows]
    assert graph.add_fact("Bob", "likes", "Ann", fact="Bob is fond of Ann").id != likes.id
    graph.delete_fact(knows.id)
    with pytest.raises(NotFoundError):
        graph.fact(knows.id)


def test_deleting_an_entity_deletes_what_is_said_about_it(memory: Memory, dsn: str) -> None:
    graph = memory.graph
    graph.add_fact("Ann", "knows", "Bob")
    graph.add_fact("Bob", "likes", "Bob")
    kept = graph.add_fact("Ann", "likes", "Tea")
    graph.delete("Bob")
    assert graph.facts() == [kept]
    with pytest.raises(NotFoundError):
        graph.get("Bob")
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT kind, coalesce(old->>'fact', old->>'name'), old->>'embedding_model', old ? 'embedding', "
            "old_embedding IS NOT NULL FROM memory_history WHERE action = 'delete' ORDER BY kind, row_id"
        ).fetchall()
        changes = connection.execute(
            "SELECT array_agg(kind ORDER BY id) FROM memory_history GROUP BY change_id ORDER BY min(id)"
        ).fetchall()
    model = "wordllama-l2-supercat-256"
    assert rows == [
        ("entity", "Bob", model, False, True),
        ("fact", "Ann knows Bob", model, False, True),
        ("fact", "Bob likes Bob", model, False, True),
    ]
    assert changes[0] == (["entity", "entity", "fact"],)


BAD: list[dict[str, object]] = [
    {"source": " "},
    {"source": "x" * 256},
    {"type": ""},
    {"weight": float("nan")},
    {"valid_from": "2025-01-01", "valid_to": "2024-01-01"},
    {"provenance": ("book", 1)},
    {"target": 99},
]


def test_a_bad_statement_writes_nothing(memory: Memory) -> None:
    for bad in BAD:
        given: dict[str, object] = {"source": "Ann", "type": "knows", "target": "Bob", **bad}
        with pytest.raises(InputError):
            memory.graph.add_fact(**given)  # type: ignore[arg-type]
    assert memory.graph.list() == []


def test_threads_naming_the_same_things_make_each_once(memory: Memory) -> None:
    def tell(thread: int) -> None:
        for n in range(5):
            memory.graph.add_fact(f"person {n}", "met", f"Person {(n + thread) % 5}", fact=f"{thread} {n}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(tell, range(8)))
    assert sorted(e.name.lower() for e in memory.graph.list()) == [f"person {n}" for n in range(5)]
    assert len(memory.graph.facts()) == 40


def test_another_agent_has_its_own_graph(memory: Memory, dsn: str) -> None:
    told = memory.graph.add_fact("Ann", "knows", "Bob")
    with Memory("bob", dsn=dsn) as other:
        assert (other.graph.list(), other.graph.facts(), other.graph.find("Ann")) == ([], [], [])
        for call in (other.graph.retract_fact, other.graph.delete_fact, other.graph.fact):
            with pytest.raises(NotFoundError):
                call(told.id)
