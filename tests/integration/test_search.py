"""``memory.search`` on a real database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from memgpt import Memory
from memgpt.agent.toolbox import WEAK, _archival
from memgpt.config import Settings
from memgpt.database.driver import hidden_operators
from memgpt.errors import ConfigurationError, InputError
from memgpt.memory import scope_of
from memgpt.models import KINDS, Hit, Kind
from memgpt.scope.scope import AgentScope
from memgpt.search import store as store
from memgpt.search import weak
from memgpt.search.store import Filters

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TABLES: dict[Kind, str] = {
    "archival": "archival_memories",
    "message": "conversations",
    "chunk": "document_chunks",
    "fact": "kg_relationships",
    "item": "store_items",
    "file": "file_chunks",
}


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def fill(memory: Memory, topic: str = "flight to Oslo") -> None:
    """One row of each kind."""
    memory.remember(f"Archived: the {topic} leaves at 9:40", tags=["travel"], metadata={"a": 1}, created_at=NOW)
    memory.messages.append("user", f"I said the {topic} leaves at 9:40", metadata={"a": 1}, created_at=NOW)
    memory.documents.create([{"text": f"Read: the {topic} leaves at 9:40", "metadata": {"a": 1}}], title="Plan")
    memory.graph.add_fact("Ann", "takes", topic, fact=f"Ann takes the {topic} at 9:40", properties={"a": 1})
    memory.items.put(("plans", "ann"), topic, {"plan": f"Stored: the {topic} leaves at 9:40", "a": 1})
    memory.files.create(f"/memories/{topic}.md", f"Filed: the {topic} leaves at 9:40", metadata={"a": 1})


def keys(hits: list[Hit]) -> list[tuple[Kind, int]]:
    return [(hit.kind, hit.id) for hit in hits]


def texts(memory: Memory, query: str, **options: Any) -> list[str]:
    return [hit.text for hit in memory.search(query, **options)]


def embedded(memory: Memory, text: str) -> Any:
    scope = scope_of(memory)
    return scope.repeat_on_switch(lambda: scope.embed([text])[0])


def test_every_kind_is_found_with_its_source(memory: Memory) -> None:
    fill(memory)
    hits = {hit.kind: hit for hit in memory.search("when does the Oslo flight leave?")}
    assert hits.keys() == set(KINDS)
    assert hits["archival"].source == {"tags": ["travel"], "source": None, "importance": 0.5}
    source = hits["message"].source
    assert (source["session"], source["role"], source["name"]) == ("default", "user", None)
    assert source["intent"]  # every message of a user has one
    assert (hits["chunk"].source["title"], hits["chunk"].source["chunk_index"]) == ("Plan", 0)
    assert (hits["fact"].source["source"], hits["fact"].source["type"]) == ("Ann", "takes")
    assert hits["item"].source == {"namespace": ["plans", "ann"], "key": "flight to Oslo"}
    assert hits["file"].source["path"] == "/memories/flight to Oslo.md"
    assert {hit.metadata["a"] for hit in hits.values()} == {1}
    assert (hits["archival"].created_at, hits["message"].created_at) == (NOW, NOW)
    for kind in KINDS:
        assert [hit.kind for hit in memory.search("Oslo flight", kinds=[kind])] == [kind]
    assert memory.search("Oslo", kinds=[]) == []


def test_a_hit_by_words_alone_surfaces(memory: Memory) -> None:
    """Its vector points away from everything, so only the full-text arm can find it."""
    near = embedded(memory, "error code XK42-7 on the pump")
    assert near is not None
    vector = near.to_numpy()
    memory.remember("The pump showed XK42-7 on Tuesday", embedding=-vector)
    noise = np.random.default_rng(3).normal(size=(600, 256)) * 0.02
    memory.remember_many(
        {"text": f"note {n}", "embedding": vector + noise[n]} for n in range(600)
    )  # more than the vector arm looks at
    first, *_ = memory.search("error code XK42-7 on the pump", explain=True)
    assert first.text == "The pump showed XK42-7 on Tuesday"
    assert first.explain is not None
    assert first.explain["text"]["rank"] == 1


def test_a_hit_by_meaning_alone_surfaces(memory: Memory) -> None:
    memory.remember_many(
        {"text": text} for text in ("My dog has a cough", "The invoice is overdue", "We painted the fence green")
    )
    hit = memory.search("a sick puppy", limit=1, explain=True)[0]
    assert hit.text == "My dog has a cough"
    assert hit.explain is not None
    assert (hit.explain["text"], hit.explain["vector"]["rank"]) == (None, 1)


@pytest.mark.parametrize("said_in", ["session", "source"])
def test_turns_kept_as_archival_memories_have_neighbours(memory: Memory, said_in: str) -> None:
    turns = [("one", "Ann", "Do you own a guitar?"), ("one", "Ben", "An old Martin, from dad")]
    turns += [("two", "Ann", "Which car is it?"), ("two", "Ben", "An old Martin, by itself")]
    turns += [("two", "Ann", f"Lovely weather number {n}") for n in range(8)]
    for n, (session, speaker, text) in enumerate(turns):
        where: dict[str, Any] = {"source": session} if said_in == "source" else {"metadata": {"session": session}}
        memory.remember(f"{speaker}: {text}", created_at=NOW + timedelta(minutes=n), **where)
    found = texts(memory, "Does Ben own a guitar?", kinds=["archival"])
    assert "Ben: An old Martin, from dad" in found[:2]
    assert found.index("Ben: An old Martin, from dad") < found.index("Ben: An old Martin, by itself")


@pytest.mark.parametrize(
    "query",
    [
        "Hi! Could you please remind me when the Oslo flight leaves? Thanks a lot!",
        "Please search the memory for this: when the Oslo flight leaves. Many thanks for your help!",
        "I was wondering if you could tell me when the Oslo flight leaves?",
    ],
)
def test_courtesies_change_nothing(memory: Memory, query: str) -> None:
    fill(memory)
    memory.remember("Could you please remind me to thank the whole memory team a lot? Thanks!")
    plain = memory.search("when the Oslo flight leaves?")
    assert keys(memory.search(query)) == keys(plain)
    assert memory.search("thanks")


def test_a_mistyped_word_is_read_as_the_memory_spells_it(memory: Memory, statements: list[object]) -> None:
    memory.remember_many({"text": text} for text in ["The orchestra rehearses on Mondays", "Dentist at noon", "Tea"])
    [best, *_] = memory.search("when does the orchetsra rehaerse")
    assert best.text.startswith("The orchestra")
    statements.clear()
    memory.search("orchestra")
    assert len(statements) == 1
    memory.search("orchesrta")
    assert len(statements) > 2


def test_a_title_in_a_question_is_not_demanded(memory: Memory) -> None:
    memory.remember_many([{"text": "I read Becoming Nicole"}, {"text": "That book taught me to be myself"}])
    assert len(memory.search('What did I take away from the book "Becoming Nicole"?')) == 2
    assert len(memory.search('book "Becoming Nicole"')) == 1
    memory.remember("Another is called Silent Spring")
    assert memory.search('"Becoming Nicole" "Silent Spring"')


def test_yesterday_is_the_day_before_the_question(memory: Memory) -> None:
    for day in (3, 9, 15):
        memory.messages.append("user", "A walk in the hills", created_at=datetime(2023, 5, day, 12, tzinfo=UTC))
    for now, day in (("2023-05-10T09:00:00Z", 9), ("2023-05-16T09:00:00Z", 15)):
        assert memory.search("Where was the walk yesterday?", now=now)[0].created_at.day == day
    recent = memory.search("walk", recency=5.0, half_life="1d", now="2023-05-04T12:00:00Z", explain=True)
    assert all((hit.explain or {})["recency"] <= 5.0 for hit in recent)
    with pytest.raises(InputError, match="now"):
        memory.search("walk", now="soon")


def test_neighbours_of_an_archival_memory_pass_the_filters(memory: Memory) -> None:
    for n, tag in enumerate(["kept", "other"]):
        memory.remember(f"guitar {tag}", tags=[tag], source="talk", created_at=NOW + timedelta(minutes=n))
    assert texts(memory, "guitar", tags=["kept"]) == ["guitar kept"]


def test_filters(memory: Memory) -> None:
    memory.remember("tea one", tags=["a", "b"], metadata={"x": {"y": 1}}, created_at=NOW)
    memory.remember("tea two", tags=["a"], metadata={"x": {"y": 2}}, created_at=NOW + timedelta(days=1))
    memory.messages.append("user", "tea three", metadata={"x": {"y": 1}}, created_at=NOW + timedelta(days=2))
    everything = {"tea one", "tea two", "tea three"}
    vector = embedded(memory, "tea")
    for asked in ({"query": "tea"}, {"query": ""}, {"vector": vector}):

        def found(asked: dict[str, Any] = asked, **filters: Any) -> set[str]:
            return {hit.text for hit in memory.search(**asked, **filters)}

        assert found() == everything
        assert found(tags=["a"]) == {"tea one", "tea two"}
        assert found(tags=["b", "a"]) == {"tea one"}
        assert found(metadata={"x": {"y": 1}}) == {"tea one", "tea three"}
        assert found(since=NOW + timedelta(days=1)) == {"tea two", "tea three"}
        assert found(until="2024-06-02") == {"tea one"}
        assert found(since=NOW, until=NOW + timedelta(days=2), kinds=["message"]) == set()
        assert found(tags=["none"]) == set()


def test_facts_are_filtered_by_when_they_are_true(memory: Memory) -> None:
    memory.graph.add_fact("Ann", "works at", "Acme", valid_from="2020-01-01")
    assert texts(memory, "where does Ann work", kinds=["fact"], until="2020-06-01") == ["Ann works at Acme"]
    assert texts(memory, "where does Ann work", kinds=["fact"], since="2020-06-01") == []


def test_quotes_exclusions_and_or(memory: Memory) -> None:
    memory.remember_many(
        {"text": text}
        for text in ("green tea with milk", "milk with green tea bags", "black coffee", "tea of green herbs")
    )
    assert set(texts(memory, '"green tea"')) == {"green tea with milk", "milk with green tea bags"}
    assert set(texts(memory, '"green tea" -bags')) == {"green tea with milk"}
    assert "black coffee" not in texts(memory, "tea -coffee")
    assert "tea of green herbs" not in texts(memory, 'tea -"green herbs"')
    assert set(texts(memory, '"green tea" OR coffee')) == {
        "green tea with milk",
        "milk with green tea bags",
        "black coffee",
    }
    assert set(texts(memory, '"tea with milk" OR "black coffee"')) == {"green tea with milk", "black coffee"}
    assert {"black coffee", "tea of green herbs"} <= set(texts(memory, "coffee OR herbs"))
    assert set(texts(memory, "-coffee")) == {"green tea with milk", "milk with green tea bags", "tea of green herbs"}
    assert len(texts(memory, 'a 5" pipe with tea')) == 4  # a stray quote demands nothing


def test_a_phrase_that_occurs_nowhere_counts_as_its_words(memory: Memory) -> None:
    memory.remember_many(
        {"text": text} for text in ("green tea with milk", "herbs, then tea of green colour", "coffee")
    )
    for query, demanded, nowhere in (
        ('"green tea"', ['"green tea"'], []),
        ('"tea green"', [], ['"tea green"']),
        ('"green tea" "tea green"', ['"green tea"'], ['"tea green"']),
        ('"tea green" -coffee', [], ['"tea green"']),
    ):
        hits = memory.search(query, explain=True)
        assert "green tea with milk" in {hit.text for hit in hits}, query
        explained = [hit.explain["query"] for hit in hits if hit.explain]
        assert len(explained) == len(hits)
        assert all((e["phrases"], e["nowhere"]) == (demanded, nowhere) for e in explained), query
        assert ("coffee" in {hit.text for hit in hits}) <= (not demanded and "-" not in query)
    assert memory.search('"green tea" "with milk"', tags=["none has it"]) == []


def test_what_nobody_wrote_as_a_query_has_no_operators(memory: Memory) -> None:
    memory.remember_many(
        {"text": text} for text in ("pip install -e for a checkout", "green tea of herbs", "black coffee")
    )
    for query in ('he said "tea of green" -coffee', "coffee -tea -green"):
        assert len(texts(memory, query, operators=False)) == 3
        assert len(memory.context(query).items) == 3
    assert texts(memory, "coffee -tea -green") != texts(memory, "coffee -tea -green", operators=False)
    [hit, *_] = memory.search('"tea of green"', operators=False, explain=True)
    assert "query" not in (hit.explain or {})


def test_a_weak_best_hit_says_so(memory: Memory, dsn: str) -> None:
    fill(memory)
    memory.remember("Bob's dog is called Rex")
    assert not weak(memory.search("When does the Oslo flight leave?"))
    assert not weak(memory.search("what is the name of Bob's dog?", recency=1.0))
    unknown = memory.search("Who repaired the helicopter engine?")
    assert weak(unknown)
    assert all(0 < (hit.confidence or 0) < 0.3 for hit in unknown)
    assert [hit.score for hit in unknown] == sorted((hit.score for hit in unknown), reverse=True)
    for hits in (memory.search(""), memory.search(vector=np.ones(256)), memory.search("Кто починил вертолёт?")):
        assert {hit.confidence for hit in hits} == {None}
        assert not weak(hits)
    _, archival_memory_search, *_ = _archival(memory)
    assert WEAK in archival_memory_search("Who repaired the helicopter engine?")
    assert WEAK not in archival_memory_search("name of Bob's dog")


def test_the_newest_come_without_a_query(memory: Memory) -> None:
    for n in range(5):
        memory.remember(f"memory {n}", created_at=NOW + timedelta(days=2 * n))
        memory.messages.append("user", f"message {n}", created_at=NOW + timedelta(days=2 * n + 1))
    newest = [text for n in (4, 3, 2, 1, 0) for text in (f"message {n}", f"memory {n}")]
    assert texts(memory, "") == newest
    assert texts(memory, " \t\n", limit=3, offset=2) == newest[2:5]
    assert texts(memory, "", limit=25) == newest


@pytest.mark.parametrize("kind", KINDS)
def test_never_a_row_of_another_agent(memory: Memory, dsn: str, kind: Kind) -> None:
    with Memory("bob", dsn=dsn) as bob:
        for n in range(3):
            fill(bob, f"flight to Oslo number {n}")
        vector = embedded(bob, "flight to Oslo")
        assert len(bob.search("flight to Oslo", kinds=[kind])) == 3
    assert memory.search("flight to Oslo", kinds=[kind]) == []
    assert memory.search(vector=vector, kinds=[kind]) == []
    assert memory.search("", kinds=[kind], recency=1.0) == []
    fill(memory)
    assert len(memory.search("flight to Oslo", kinds=[kind], limit=100)) == 1


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every statement any connection of this process executes."""
    seen: list[object] = []
    execute = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(query)
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    return seen


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "when does the Oslo flight leave?"},
        {"query": "", "limit": 50},
        {"query": '"Oslo" -bus', "tags": ["travel"], "explain": True},
        {"query": "Oslo", "limit": 100, "recency": 1.0, "importance": 1.0, "min_score": 0.1},
        {"vector": np.ones(256), "limit": 30},
    ],
)
def test_a_search_is_one_statement(memory: Memory, statements: list[object], asked: dict[str, Any]) -> None:
    fill(memory)
    memory.search("warm")  # reads the model, counts the rows
    memory.search("warm")
    statements.clear()
    assert memory.search(**asked)
    assert len(statements) == 1


def test_explain_tells_the_arms_and_what_each_feature_added(memory: Memory) -> None:
    memory.remember_many({"text": f"tea number {n} {'tea ' * n}"} for n in range(5))
    for hit in memory.search("tea", explain=True):
        assert hit.explain is not None
        assert hit.explain.keys() == {"vector", "text", "features"}
        assert 1 <= hit.explain["vector"]["rank"] <= 5
        assert 1 <= hit.explain["text"]["rank"] <= 5
        json.dumps(hit.explain)
    assert {h.explain["text"]["rank"] for h in memory.search("tea", explain=True) if h.explain} == {1, 2, 3, 4, 5}
    [nearest, *_] = memory.search(vector=embedded(memory, "tea"), explain=True)
    assert nearest.explain is not None
    assert nearest.explain["vector"] == {"rank": 1, "score": nearest.score}
    assert all(hit.explain is None for hit in memory.search("tea"))


def test_scores_descend_and_min_score_cuts(memory: Memory) -> None:
    memory.remember_many({"text": text} for text in ("green tea", "tea in a green cup", "the harbour", "a sunny day"))
    hits = memory.search("green tea")
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert memory.search("green tea", min_score=scores[1]) == hits[:2]
    assert memory.search("green tea", min_score=scores[0] + 1) == []


def test_recency_and_importance_count_where_asked(memory: Memory) -> None:
    now = datetime.now(UTC)
    memory.remember("green tea in the old house", created_at=now - timedelta(days=400), importance=1.0)
    memory.remember("green tea in the new house", created_at=now, importance=0.0)
    assert texts(memory, "green tea", recency=10.0)[0] == "green tea in the new house"
    assert texts(memory, "green tea", importance=10.0)[0] == "green tea in the old house"
    hit = memory.search("green tea", recency=2.0, half_life=timedelta(days=200), explain=True)[-1]
    assert hit.explain is not None
    assert hit.explain["recency"] == pytest.approx(2.0 * 0.25, rel=1e-3)
    assert hit.score == pytest.approx(sum(hit.explain.values()))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"query": "x", "vector": np.ones(256)},
        {"query": 5},
        {"query": "x", "limit": 0},
        {"query": "x", "offset": -1},
        {"query": "x", "kinds": ["blog"]},
        {"query": "x", "tags": "travel"},
        {"query": "x", "since": "soon"},
        {"query": "x", "metadata": []},
        {"query": "x", "min_score": float("nan")},
        {"query": "x", "recency": -1},
        {"query": "x", "importance": float("inf")},
        {"query": "x", "recency": 1, "half_life": timedelta(0)},
        {"vector": np.zeros(256)},
        {"vector": np.ones(3)},
    ],
)
def test_bad_values_are_refused_in_words(memory: Memory, bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        memory.search(**bad)


@pytest.mark.parametrize("kinds", [["archival"], ["archival", "message"]])
@pytest.mark.parametrize("options", [{"query": "tea with milk"}, {"query": ""}, {"vector": True}])
def test_pages_neither_repeat_nor_skip(memory: Memory, kinds: list[Kind], options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    words = np.array(["tea", "milk", "sugar", "cup", "house", "garden", "rain", "boat", "green", "with"])
    pool = [f"{' '.join(rng.choice(words, 6))} {n}" for n in range(160)]
    memory.remember_many({"text": text} for text in pool[:100])
    memory.messages.append_many({"content": text, "session": f"s{n % 3}"} for n, text in enumerate(pool[100:]))
    if "vector" in options:
        options = {"vector": embedded(memory, "tea with milk")}
    total = 100 if len(kinds) == 1 else 160
    for limit in (7, 30):
        pages: list[tuple[Kind, int]] = []
        while page := keys(memory.search(limit=limit, offset=len(pages), kinds=kinds, **options)):
            pages.extend(page)
        assert len(set(pages)) == len(pages) == total
        assert keys(memory.search(limit=limit, kinds=kinds, **options)) == pages[:limit]
    assert memory.search(limit=10, offset=500, kinds=kinds, **options) == []


@pytest.fixture(scope="module")
def shelf(server: Any, template: str) -> Iterator[Memory]:
    """A small memory in several scripts that nobody writes to."""
    name = server.create(template)
    with Memory("ann", dsn=server.dsn(name)) as memory:
        fill(memory)
        scripts = (
            "Grüße aus Zürich",
            "東京の天気は晴れです",
            "مرحبا بالعالم",
            "Привет, мир",
            "🚀 emoji only",
            "O'Brien's a\\b 'q'",
        )
        memory.remember_many({"text": text} for text in scripts)
        yield memory
    server.drop(name)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.one_of(
        st.text(max_size=40),
        st.text(alphabet="\"-'\\:*&|!()<> ORab\0\n%{}$", max_size=30),
        st.lists(
            st.sampled_from(
                ["Oslo", "OR", "-Oslo", '"the flight"', '"', "'", "\\", "&", "the", "-", ":*", "!!", "日本"]
            )
        ).map(" ".join),
    )
)
def test_no_query_is_an_error(shelf: Memory, query: str) -> None:
    hits = shelf.search(query, limit=20)
    assert hits == shelf.search(query, limit=20)  # the order is stable
    assert len(set(keys(hits))) == len(hits)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(np.isfinite(scores))


@pytest.mark.parametrize(
    "query",
    [
        "the and of a",
        "word " * 30_000,
        "x" * 50_000,
        '"' * 5_000,
        "-a " * 5_000,
        "\ud800 half a pair",
        "\0\x01\x1b[31m",
        "'; DROP TABLE agents; --",
        "a' | b' & !c <-> d:*",
        "%s %(query)s {near}",
        "Zürich",
        "東京の天気は晴れです",
        "مرحبا",
        "привет",
        "🚀",
        "O'Brien's",
        "a\\b",
    ],
)
def test_hostile_queries(shelf: Memory, query: str) -> None:
    assert isinstance(shelf.search(query), list)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("Zürich", "Grüße aus Zürich"),
        ("東京の天気は晴れです", "東京の天気は晴れです"),
        ("привет", "Привет, мир"),
        ("o'brien", "O'Brien's a\\b 'q'"),
    ],
)
def test_any_script_is_found(shelf: Memory, query: str, text: str) -> None:
    assert shelf.search(query)[0].text == text


def test_languages(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(language="german", embedding_model="none")) as memory:
        memory.remember("Die Häuser am Hafen")
        assert texts(memory, "Haus Häusern") == ["Die Häuser am Hafen"]
        assert texts(memory, "die am") == []  # stop words
    with Memory("ann", dsn=dsn, options=Settings(language="english", embedding_model="none")) as memory:
        memory.remember("The houses at the harbour")
        assert texts(memory, "house") == ["The houses at the harbour"]
    with Memory("ann", dsn=dsn, options=Settings(language="klingon", embedding_model="none")) as memory:
        with pytest.raises(ConfigurationError, match="klingon"):
            memory.search("house")
        with pytest.raises(ConfigurationError, match="klingon"):
            memory.remember("house")


def load(memory: Memory, kind: Kind, count: int, agent: str, seed: int = 7) -> np.ndarray[Any, Any]:
    """Random unit vectors with texts of which one in a hundred has the word 'needle'; ids ascend with the vectors."""
    vectors = np.random.default_rng(seed).normal(size=(count, 256)).astype(np.float32)
    texts = [f"row {n} {'needle' if n % 100 == 0 else 'hay'} of {agent}" for n in range(count)]
    items = [{"text": text, "embedding": v} for text, v in zip(texts, vectors, strict=True)]
    scope: AgentScope = scope_of(memory)
    if kind == "archival":
        memory.remember_many(items)
    elif kind == "message":
        memory.messages.append_many(items)
    elif kind == "chunk":
        memory.documents.create(items)
    elif kind == "item":
        statement = (
            "INSERT INTO store_items (agent_id, namespace, key, value, text, embedding_model, embedding)"
            " SELECT %s, '{rows}', i.ord::text, '{}', i.text, 'wordllama-l2-supercat-256', i.embedding"
            " FROM unnest(%b::text[], %b::vector[]) WITH ORDINALITY AS i (text, embedding, ord) ORDER BY ord"
        )
        with scope.transaction() as connection:
            connection.execute(statement.encode(), (agent, texts, [scope_vector(v) for v in vectors]))
    elif kind == "file":
        file = memory.files.create("rows.md", "")
        statement = (
            "INSERT INTO file_chunks (agent_id, file_id, chunk_text, embedding_model, embedding)"
            " SELECT %s, %s, i.text, 'wordllama-l2-supercat-256', i.embedding"
            " FROM unnest(%b::text[], %b::vector[]) WITH ORDINALITY AS i (text, embedding, ord) ORDER BY ord"
        )
        with scope.transaction() as connection:
            connection.execute(statement.encode(), (agent, file.id, texts, [scope_vector(v) for v in vectors]))
    else:
        ann, bob = memory.graph.add_entity("Ann"), memory.graph.add_entity("Bob")
        statement = (
            "INSERT INTO kg_relationships (agent_id, source_id, target_id, type, fact, embedding_model, embedding)"
            " SELECT %s, %s, %s, 'knows', i.fact, 'wordllama-l2-supercat-256', i.embedding"
            " FROM unnest(%b::text[], %b::vector[]) WITH ORDINALITY AS i (fact, embedding, ord) ORDER BY ord"
        )
        with scope.transaction() as connection:
            vector_list = [scope_vector(v) for v in vectors]
            connection.execute(statement.encode(), (agent, ann.id, bob.id, texts, vector_list))
    return vectors


def scope_vector(values: np.ndarray[Any, Any]) -> Any:
    from pgvector import Vector

    return Vector(values)


def test_vectors_are_found_exactly(memory: Memory, dsn: str) -> None:
    with Memory("bob", dsn=dsn) as bob:
        load(bob, "archival", 500, "bob", seed=8)
    memory.search("warm", kinds=["archival"])  # counts no rows
    vectors = load(memory, "archival", 3000, "ann")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = np.random.default_rng(9).normal(size=(40, 256)).astype(np.float32)
    first = min(m.id for m in memory.archival.list(limit=10_000))
    hits, right = 0, 0
    for query in queries:
        truth = np.argsort(-(unit @ query), kind="stable")[:10] + first
        found = memory.search(vector=query, limit=10, kinds=["archival"])
        hits += len(set(truth.tolist()) & {hit.id for hit in found})
        right += 10
        best = unit[found[0].id - first] @ (query / np.linalg.norm(query))
        assert found[0].score == pytest.approx(float(best), abs=1e-5)
    assert hits / right >= 0.99


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explained(connection: psycopg.Connection[Any], statement: bytes, given: dict[str, Any]) -> list[dict[str, Any]]:
    row = connection.execute(b"EXPLAIN (FORMAT JSON) " + statement, given).fetchone()
    assert row is not None
    return [*nodes(row[0][0]["Plan"])]


@pytest.mark.parametrize("isolated", [False, True], ids=["owner", "isolated"])
@pytest.mark.parametrize("kind", KINDS)
def test_plans_use_the_covering_index_and_the_words_index(memory: Memory, dsn: str, kind: Kind, isolated: bool) -> None:
    rows = 6000 if isolated else 3000
    load(memory, kind, rows, "ann")
    with Memory("bob", dsn=dsn) as bob:
        load(bob, kind, rows, "bob", seed=8)
    with psycopg.connect(dsn, autocommit=True) as direct:
        direct.execute("CHECKPOINT")  # the tests' commits are lazy, and VACUUM trusts only what is on disk
        direct.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(TABLES[kind])))
    given = {
        "agent_id": "ann",
        "embedding": scope_vector(np.ones(256)),
        "limit": 10,
        f"{kind}_candidates": 600,
        f"{kind}_rows": rows,
        f"{kind}_last": 2**62,
        "words": "needle",
        "phrases": [],
        "excluded": [],
        "language": "english",
        "asked_in": None,
        "lexical_seeds": 40,
        "vector_seeds": 30,
        "recent_seeds": 0,
        "names": ["ann"],
        **Filters().parameters(),
    }
    prefix = {"fact": "kg_relationships"}.get(kind, TABLES[kind])
    with (
        Memory("ann", dsn=dsn, isolated=isolated) as asked,
        scope_of(asked).transaction() as connection,
    ):
        [[role]] = connection.execute("SELECT current_user").fetchall()
        assert (role == "memgpt_agent") is isolated
        hidden = hidden_operators(connection)
        nearest = explained(connection, store.compose("nearest", (kind,), False, hidden, code="halfvec"), given)
        ranked = explained(connection, store.compose("ranked", (kind,), False, hidden, code="halfvec"), given)
        phrased = given | {"phrases": ['"needle in hay"']}
        occurring = explained(connection, store._occurring((kind,), hidden), phrased)
    for plan in (nearest, ranked):
        assert any(
            n["Node Type"] == "Index Only Scan" and n["Index Name"] == f"{prefix}_agent_embedding_idx" for n in plan
        ), [(n["Node Type"], n.get("Index Name")) for n in plan]
        assert not any(n["Node Type"] == "Seq Scan" and n.get("Relation Name") == TABLES[kind] for n in plan)
    for plan in () if isolated else (ranked, occurring):  # a request asks a function: test_managed.py
        assert any(n["Node Type"] == "Bitmap Index Scan" and n["Index Name"] == f"{prefix}_search_idx" for n in plan), [
            (n["Node Type"], n.get("Index Name")) for n in plan
        ]


def test_a_read_only_session_can_search(memory: Memory, dsn: str) -> None:
    fill(memory)
    with psycopg.connect(dsn, autocommit=True) as direct:
        name = sql.Identifier(direct.info.dbname)
        direct.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    with Memory("ann", dsn=dsn) as standby:
        assert len(standby.search("Oslo flight", recency=1.0, explain=True)) == len(KINDS)
        assert len(standby.search(vector=embedded(standby, "Oslo"))) == len(KINDS)
        assert standby.search("") != []


def test_rows_without_vectors_are_found_by_their_words(dsn: str) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        fill(memory)
        assert {hit.kind for hit in memory.search("Oslo")} == set(KINDS)
        assert memory.search(vector=np.ones(256)) == []
    with Memory("ann", dsn=dsn) as memory:
        assert {hit.kind for hit in memory.search("Oslo")} == set(KINDS)
