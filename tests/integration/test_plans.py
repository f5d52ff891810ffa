"""Searches are planned alike for every agent: fresh or analysed, small or large, at the first and thirtieth call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from pgvector import Vector

from memgpt import Memory
from memgpt.config import NO_MODEL, Settings
from memgpt.database.admin import migrate
from memgpt.database.codes import CodeType
from memgpt.database.connection import Connection, connect
from memgpt.history.store import SQL as HISTORY
from memgpt.search.store import compose

LARGE, SMALL = 3000, 400
"""Rows of the one large agent, and how many agents there are of two."""

Node = dict[str, object]


@pytest.fixture(params=[(256, "halfvec"), (1536, "bit")], ids=["halfvec", "bit"])
def skewed(empty_dsn: str, request: pytest.FixtureRequest) -> Iterator[tuple[Connection, CodeType, int]]:
    """A table with one large agent among small ones, never analysed, its pages known to be visible."""
    dimensions, code = request.param
    migrate.apply(empty_dsn, model=migrate.ModelSpec(NO_MODEL, dimensions))
    with connect(empty_dsn, autocommit=True) as connection:
        connection.prepare_threshold = 5
        connection.execute("ALTER TABLE archival_memories SET (autovacuum_enabled = off)")
        for agent, rows in (("'small ' || n / 2", 2 * SMALL), ("'large'", LARGE if code == "halfvec" else 1000)):
            connection.execute(
                f"INSERT INTO archival_memories (agent_id, text, embedding) SELECT {agent}, 'memory ' || n, "
                f"(SELECT array_agg(sin(n * i)) FROM generate_series(1, {dimensions}) i)::vector "
                f"FROM generate_series(1, {rows}) n"
            )
        connection.execute("CHECKPOINT")  # the server commits asynchronously, and VACUUM marks what is on disk
        connection.execute("VACUUM archival_memories")
        yield connection, code, dimensions


def given(agent: str, dimensions: int) -> dict[str, object]:
    vector = Vector(np.random.default_rng(1).standard_normal(dimensions).astype(np.float32))
    return {
        "agent_id": agent, "embedding": vector, "limit": 10, "archival_rows": LARGE, "archival_last": 0,
        "archival_candidates": 20,
        "language": "english", "asked_in": None,
        "words": "memory", "phrases": [], "excluded": [], "names": [], "lexical_seeds": 40,
        "vector_seeds": 30, "recent_seeds": 0, "tags": None, "since": None, "until": None, "metadata": None,
        "roles": None, "intents": None,
    }  # fmt: skip


def forms(code: CodeType) -> list[bytes]:
    nearest = "nearest" if code == "halfvec" else "nearest_by_bits"
    forms = [(nearest, False), ("ranked", False), ("ranked", True)]
    return [compose(form, ("archival",), False, code=code, sessions=sessions) for form, sessions in forms]


def nodes(plan: Node) -> Iterator[Node]:
    yield plan
    for child in plan.get("Plans", []):  # type: ignore[attr-defined]
        yield from nodes(child)


def reads_the_index_alone(connection: Connection, statement: bytes, values: dict[str, object]) -> bool:
    [[[explained]]] = connection.execute(b"EXPLAIN (FORMAT JSON) " + statement, values, prepare=False).fetchall()
    scans = [(node["Node Type"], node.get("Index Name")) for node in nodes(explained["Plan"])]
    assert not any(name == "archival_memories_embedding_idx" for _, name in scans), "an approximate index loses rows"
    return ("Index Only Scan", "archival_memories_agent_embedding_idx") in scans and not any(
        node["Node Type"] == "Seq Scan" and node["Relation Name"] == "archival_memories"
        for node in nodes(explained["Plan"])
    )


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_fresh_agent_is_searched_in_the_covering_index(skewed: tuple[Connection, CodeType, int], mode: str) -> None:
    connection, code, dimensions = skewed
    connection.execute(f"SET plan_cache_mode = {mode}")
    for when in ("fresh", "analysed"):
        for statement in forms(code):
            for agent in ("large", "small 7", "of nobody"):
                assert reads_the_index_alone(connection, statement, given(agent, dimensions)), (when, agent)
        connection.execute("ANALYZE archival_memories")


def test_the_thirtieth_call_of_a_connection_is_planned_as_the_first(
    skewed: tuple[Connection, CodeType, int],
) -> None:
    """PostgreSQL changes to one plan for all after the fifth execution; the small agents come first."""
    connection, code, dimensions = skewed
    connection.execute("ANALYZE archival_memories")
    statement = forms(code)[0]
    for n in range(30):
        agent = "large" if n % 10 == 9 else f"small {n}"
        hits = connection.execute(statement, given(agent, dimensions), binary=True).fetchall()
        assert len(hits) == (10 if agent == "large" else 1 if n == 0 else 2)
    generic, custom = prepared(connection)
    assert generic > 15 > custom, "a plan for all agents is as good as one for each, and is not made again"
    [[estimate]] = connection.execute(
        "SELECT reltuples / 200 FROM pg_class WHERE oid = 'archival_memories'::regclass"
    ).fetchall()
    for agent in ("large", "small 7"):
        [[[explained]]] = connection.execute(
            "EXPLAIN (FORMAT JSON) SELECT id FROM archival_memories WHERE agent_id = %s", [agent]
        ).fetchall()
        assert explained["Plan"]["Plan Rows"] == pytest.approx(estimate, rel=0.3)


def test_neighbours_of_fresh_memories_are_read_beside_them(skewed: tuple[Connection, CodeType, int]) -> None:
    """Each memory of a session looks at a few rows around it, and never at all that the agent has."""
    connection, code, dimensions = skewed
    connection.execute("""UPDATE archival_memories SET metadata = '{"session": "s"}' WHERE agent_id = 'large'""")
    ranked = forms(code)[2]
    for mode in ("force_custom_plan", "force_generic_plan"):
        connection.execute(f"SET plan_cache_mode = {mode}")
        [[[explained]]] = connection.execute(
            b"EXPLAIN (ANALYZE, FORMAT JSON) " + ranked, given("large", dimensions), prepare=False
        ).fetchall()
        scans: list[Any] = [node for node in nodes(explained["Plan"]) if "Scan" in str(node["Node Type"])]
        rows = [scan["Actual Rows"] for scan in scans if scan["Actual Loops"] > 10]
        assert rows
        assert max(rows) < 50, mode


def test_a_row_with_many_words_of_the_query_is_one_row(skewed: tuple[Connection, CodeType, int]) -> None:
    """Words that all memories have are looked for in each; nothing after that grows with how many there are."""
    connection, code, dimensions = skewed
    connection.execute(
        "UPDATE archival_memories SET text = 'every train to Linz leaves daily ' || id WHERE agent_id = 'large'"
    )
    [[rows]] = connection.execute("SELECT count(*) FROM archival_memories WHERE agent_id = 'large'").fetchall()
    values = given("large", dimensions) | {"words": "every train Linz leaves daily"}
    [[[explained]]] = connection.execute(
        b"EXPLAIN (ANALYZE, FORMAT JSON) " + forms(code)[1], values, prepare=False
    ).fetchall()
    read: list[Any] = [node["Actual Rows"] for node in nodes(explained["Plan"])]
    assert max(read) == rows


def test_an_undo_reads_what_its_change_did_and_not_the_history(dsn: str) -> None:
    """Whether or not there are statistics; neither by one change nor by what was taken back is all of it read."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("ALTER TABLE memory_history SET (autovacuum_enabled = off)")
        owner.execute(
            "INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes) "
            "SELECT 'ann', gen_random_uuid(), 'x', 'archival', n, 'insert', "
            "CASE WHEN n % 1000 = 0 THEN gen_random_uuid() END FROM generate_series(1, 5000) n"
        )
        values = {"agent_id": "ann", "change_id": uuid4(), "undone": []}
        page = dict.fromkeys(("kind", "row_id", "before", "actor", "action", "since", "until", "label"))
        for _ in range(2):
            for statement in (HISTORY.steps, HISTORY.undos, HISTORY.entries_page):
                [[[explained]]] = owner.execute(
                    b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, {**page, **values, "limit": 50}
                ).fetchall()
                scans: list[Any] = [node for node in nodes(explained["Plan"]) if "Scan" in str(node["Node Type"])]
                assert max(scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) for scan in scans) <= 5, scans
            owner.execute("ANALYZE memory_history")


def prepared(connection: Connection) -> tuple[int, int]:
    """How often the search was executed by the plan for all agents, and by one of its own."""
    rows = connection.execute(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement ~ 'embedding_code' "
        "ORDER BY generic_plans DESC LIMIT 1"
    ).fetchall()
    return rows[0]


def test_what_was_just_loaded_is_known_to_be_visible(dsn: str) -> None:
    options = Settings(embedding_model=NO_MODEL)
    vectors = np.random.default_rng(2).standard_normal((2500, 256)).astype(np.float32)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("ALTER TABLE archival_memories SET (autovacuum_enabled = off)")
        [[name]] = admin.execute("SELECT current_database()").fetchall()
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')  # VACUUM marks what is on disk
    with Memory("loaded", dsn=dsn, options=options) as memory:
        memory.remember_many({"text": f"memory {n}", "embedding": vector} for n, vector in enumerate(vectors))
    with psycopg.connect(dsn) as admin:
        [[pages, visible]] = admin.execute(
            "SELECT relpages, relallvisible FROM pg_class WHERE oid = 'archival_memories'::regclass"
        ).fetchall()
    assert visible == pages > 0
