"""The full-text arm: it finds what PostgreSQL's own match finds, within one agent, whatever others store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memgpt import Memory
from memgpt.database.admin import migrate
from memgpt.database.driver import SCANNED
from memgpt.models import KINDS, Kind
from memgpt.search import store
from memgpt.search.store import Counts, Filters, ParsedQuery, SearchStore, Seeds
from tests.conftest import MODEL, Server
from tests.integration.test_search import explained, nodes

AGENTS = ("ann", "bob")
PIECES = st.sampled_from([
    "tea", "teas", "green", "the", "not", "or", "O'Neill", "don't", "back\\slash", "x'y\\z", "Zürich", "naïve", "Ёлка",
    "שלום", "커피를", "e-mail", "ann@example.org", "https://example.org/a?b=c", "/usr/local/lib", "3.14", "-7", "a_b",
    "x" * 300, "🙂", "C++", "'", "\\", "&", "|", "!", "(", ":*",
])  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=8).map(" ".join)
QUERIES = """
SELECT t.lexeme, ('''' || replace(replace(t.lexeme, E'\\\\', E'\\\\\\\\'), '''', '''''') || '''')::tsquery AS query
FROM unnest((tsvector_to_array(to_tsvector('english', %(words)s)))[:32]) AS t (lexeme)
"""
PLAIN = f"""
SELECT q.lexeme, ARRAY(
    SELECT m.id FROM archival_memories m WHERE m.agent_id = %(agent)s AND m.search @@ q.query ORDER BY m.id)
FROM ({QUERIES}) AS q
"""
LOOKED_UP = f"SELECT memory_matching_archival(string_agg(q.query::text, ' | ')::tsquery) FROM ({QUERIES}) AS q"
ENTER = "SELECT set_config('memgpt.agent_id', %(agent)s, true), set_config('memgpt.entered', %(agent)s, true)"


@given(st.lists(TEXTS, min_size=1, max_size=8, unique=True), TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_arm_finds_what_a_plain_match_finds(dsn: str, texts: Sequence[str], words: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.cursor().executemany(
            "INSERT INTO archival_memories (agent_id, text) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(agent, text) for agent in AGENTS for text in texts],
        )
        for agent in AGENTS:
            asked = {"agent": agent, "words": words}
            plain: dict[str, list[int]] = dict(connection.execute(PLAIN.encode(), asked).fetchall())
            ids = {id for rows in plain.values() for id in rows}
            found = ranked(connection, agent, words)
            assert {row.id for row in found} == ids
            for row in found[:1]:
                frequencies = dict(zip(row.terms or (), row.document_frequencies or (), strict=True))
                assert frequencies == {lexeme: len(rows) for lexeme, rows in plain.items()}
            connection.execute(ENTER, asked)
            [[looked_up]] = connection.execute(LOOKED_UP.encode(), asked).fetchall()
            assert set(looked_up or ()) == ids
        connection.rollback()


def ranked(connection: psycopg.Connection[Any], agent: str, words: str) -> Sequence[store.Found]:
    answer = SearchStore(connection, agent).ranked(
        ParsedQuery(words),
        None,
        seeds=Seeds(lexical=100, vector=0, recent=0),
        counts=Counts({"archival": 1}, {"archival": 0}),
        candidates={"archival": 1},
        filters=Filters(),
        language="english",
    )
    return answer.found


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_of_languages_with_blanks_are_as_they_were(dsn: str, text: str) -> None:
    query = (
        "SELECT x.body ~ memory_unspaced(), memory_bigrams(x.body) = x.body,"
        " memory_search_vector('english', x.body) = to_tsvector('english', normalize(x.body))"
        " FROM (SELECT %s::text AS body) AS x"
    )
    with psycopg.connect(dsn) as connection:
        [[unspaced, same_text, same_vector]] = connection.execute(query, [text]).fetchall()
    assert unspaced or (same_text and same_vector)


def parameters(kind: Kind, words: str) -> dict[str, Any]:
    return {
        "agent_id": "ann",
        "embedding": None,
        f"{kind}_candidates": 1,
        f"{kind}_rows": 30,
        f"{kind}_last": 0,
        "words": words,
        "phrases": [],
        "excluded": [],
        "language": "english",
        "asked_in": None,
        "lexical_seeds": 40,
        "vector_seeds": 30,
        "recent_seeds": 0,
        **Filters().parameters(),
    }


MANY = """
INSERT INTO archival_memories (agent_id, text)
SELECT %s, 'every shared word and text ' || n FROM generate_series(1, %s) AS n
"""


def test_the_index_is_read_for_one_agent_only_without_statistics(dsn: str) -> None:
    """Words that everybody has: what is read is the agent's, in a table that nobody analysed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE archival_memories SET (autovacuum_enabled = off)")
        connection.execute(MANY, ["bob", 3000])
        connection.execute(MANY, ["ann", 30])
        statement = b"EXPLAIN (ANALYZE, FORMAT JSON) " + store.compose("ranked", ("archival",), False)
        [[plan]] = connection.execute(statement, parameters("archival", "every shared word")).fetchall()
    scans = [n for n in nodes(plan[0]["Plan"]) if n.get("Index Name") == "archival_memories_search_idx"]
    assert [(n["Node Type"], n["Actual Rows"], n["Actual Loops"]) for n in scans] == [("Bitmap Index Scan", 30, 1)]


def test_frequencies_of_sessions_are_counted_once(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        plan = explained(connection, store.compose("ranked", ("message",), False), parameters("message", "every"))
    assert "CTE session_frequencies" in {n.get("Subplan Name") for n in plan}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_tests_rows_by_their_words(kind: Kind) -> None:
    """There a policy hides the index, and no function of the owner reads tables: keys of every row would only cost."""
    for statement in (store.compose("ranked", (kind,), False, SCANNED), store._occurring((kind,), SCANNED)):
        assert b"memory_word_keys" not in statement
        assert b"memory_matching" not in statement


UNSPACED = (
    "我不喝咖啡,只喝绿茶。",
    "王经理的办公室搬到了十二楼。",
    "弟弟在柏林学建筑,用Python写程序。",
    "コーヒーは飲まず、緑茶だけ飲みます。",
    "「京都」へ行きたい",
    "ฉันไม่ดื่มกาแฟ ดื่มแต่ชาเขียว",
    "He only drinks tea",
)


@pytest.fixture(scope="module")
def reader(server: Server, template: str) -> Iterator[Memory]:
    with Memory("ann", dsn=server.dsn(server.create(template))) as memory:
        memory.remember_many([{"text": text} for text in UNSPACED])
        yield memory


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"绿茶"', [0]),
        ('"十二楼"', [1]),
        ('"茶"', [0, 3]),
        ('"柏林"', [2]),
        ('"Python"', [2]),
        ('"緑茶"', [3]),
        ('"コーヒー"', [3]),
        ('"京都"', [4]),
        ('"ชาเขียว"', [5]),
        ('"กาแฟ"', [5]),
        ('"咖啡只"', []),  # a comma stands between
        ('"茶绿"', []),
        ('"tea"', [6]),
    ],
)
def test_words_of_languages_without_blanks(reader: Memory, query: str, found: list[int]) -> None:
    phrase = query.strip('"')
    hits = {hit.text for hit in reader.search(query, limit=10)}
    wanted = {UNSPACED[n] for n in found}
    if wanted:
        assert hits == wanted
    else:  # a phrase that occurs nowhere counts as its words
        assert not any(phrase in text for text in hits)


def test_excluded_words_of_languages_without_blanks(reader: Memory) -> None:
    assert UNSPACED[1] in {hit.text for hit in reader.search("办公室", limit=10)}
    assert UNSPACED[1] not in {hit.text for hit in reader.search("办公室 -十二楼", limit=10)}


def test_a_long_text_without_blanks(dsn: str) -> None:
    characters = [chr(0x4E00 + n % 20_000) for n in range(0, 3 * 300_000, 3)]
    text = "".join(characters)
    with psycopg.connect(dsn) as connection:
        query = "SELECT length(memory_search_vector('english', %s)), memory_search_vector('english', %s) @@ %s::tsquery"
        [[words, begins]] = connection.execute(query, [text, text, text[:2]]).fetchall()
    assert words > 10_000
    assert begins


def test_texts_of_before_are_found_after_the_migration(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, target="17")
    rows = "INSERT INTO archival_memories (agent_id, text) VALUES ('ann', %s)"
    with psycopg.connect(empty_dsn) as connection:
        connection.cursor().executemany(rows, [(text,) for text in UNSPACED])
    migrate.apply(empty_dsn, model=MODEL)
    with psycopg.connect(empty_dsn) as connection:
        assert [row.text for row in ranked(connection, "ann", "绿茶")] == [UNSPACED[0]]
    migrate.rollback(empty_dsn, target="17")
    match = "SELECT text FROM archival_memories WHERE agent_id = 'ann' AND search @@ to_tsquery('english', %s)"
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute(match, ["绿茶"]).fetchall() == []
        assert connection.execute(match, ["tea"]).fetchall() == [(UNSPACED[6],)]
