"""Agents beside many others: what it takes to list or describe some does not grow with how many there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.agents import agents as agents_module
from memgpt.agents import store
from memgpt.agents.agents import Agents
from memgpt.agents.store import SQL, AgentStore, _describe, _next_described, _page
from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.database.isolation import LAST_CHARACTER, Tenancy
from tests.integration.conftest import Run

FILL = """
    WITH made AS (SELECT 'many-' || lpad(n::text, 5, '0') AS agent_id FROM generate_series(%s::integer, %s) AS n),
    a AS (INSERT INTO agents (agent_id) SELECT agent_id FROM made),
    b AS (INSERT INTO core_memories (agent_id, label, value) SELECT agent_id, 'human', 'x' FROM made),
    c AS (INSERT INTO conversations (agent_id, role, content) SELECT agent_id, 'user', 'tea' FROM made)
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT agent_id, gen_random_uuid(), 'x', 'message', 1, 'insert' FROM made"""

UNDESCRIBED = {
    "conversations": "INSERT INTO conversations (agent_id, role, content) VALUES (%s, 'user', 'x')",
    "documents": "INSERT INTO documents (agent_id, title, content_hash) VALUES (%s, 'x', 'x')",
}


@pytest.fixture
def agents(dsn: str) -> Iterator[Agents]:
    with Agents(dsn, options=Settings(embedding_model="none")) as opened:
        yield opened


def fill(dsn: str, first: int, last: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(FILL, [first, last])
        owner.execute("VACUUM (ANALYZE) agents, core_memories, conversations, memory_history")


def ids(page: Any) -> list[str]:
    return [agent.agent_id for agent in page]


def blocks(connection: psycopg.Connection[Any], statement: bytes, given: Mapping[str, Any]) -> int:
    """How many blocks of the database a statement looks at, once its plan is made."""
    explain = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement
    row = connection.execute(explain, given, prepare=False).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_pages_lead_through_all_agents_once(agents: Agents, dsn: str) -> None:
    fill(dsn, 1, 25)
    with psycopg.connect(dsn) as raw:  # rows that nobody described an agent for
        for name in ("many-00003x", "aa", "zz"):
            raw.execute("INSERT INTO conversations (agent_id, role, content) VALUES (%s, 'user', 'x')", [name])
    paged: list[str] = []
    while page := agents.list(limit=10, after=paged[-1] if paged else None):
        paged += ids(page)
    assert paged == sorted(paged)
    assert set(paged) == {"aa", "many-00003x", "zz", *(f"many-{n:05}" for n in range(1, 26))}
    assert paged == ids(agents.list())


def test_a_prefix_leaves_the_agents_that_begin_so(agents: Agents, dsn: str) -> None:
    fill(dsn, 1, 25)
    agents.create("man")
    agents.create("many%")
    assert ids(agents.list(prefix="many-0002")) == [f"many-{n:05}" for n in range(20, 26)]
    assert ids(agents.list(prefix="many-", limit=2, after="many-00007")) == ["many-00008", "many-00009"]
    assert ids(agents.list(prefix="many%")) == ["many%"]
    assert ids(agents.list(prefix="x")) == []
    for _ in range(8):  # also when the statement is prepared
        assert len(agents.list(prefix="many-0001")) == 10


def test_the_work_of_a_page_and_of_one_agent_does_not_grow(dsn: str) -> None:
    page = {"after": "many-00100", "limit": 20, "prefix": ""}
    beginning = page | {"prefix": "many-0012", "last_character": LAST_CHARACTER}
    some = {"agent_ids": [f"many-{n:05}" for n in range(101, 121)], "most": 10_000}
    following = page | some | {"last": "many-00120"}
    one = {"agent_ids": ["many-00111"], "most": None}
    looked_at = {}
    with psycopg.connect(dsn, autocommit=True) as owner:
        for first, last in ((1, 300), (301, 6_000)):
            fill(dsn, first, last)
            looked_at[last] = [
                blocks(owner, _page("any"), page),
                blocks(owner, _page("range"), beginning),
                blocks(owner, _describe("some"), some),
                blocks(owner, _describe("some"), one),
                blocks(owner, _next_described("range"), beginning),
                blocks(owner, _describe("after"), following),
            ]
    for few, many in zip(looked_at[300], looked_at[6_000], strict=True):
        assert many < 2 * few + 100
    assert looked_at[6_000][3] < 200, "one agent"
    assert looked_at[6_000][5] <= looked_at[6_000][2] + 50, "looking for others costs next to nothing"


def test_a_page_of_described_agents_is_two_statements(
    agents: Agents, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for their ids, one that counts; every table is looked through only where somebody may be left out."""
    fill(dsn, 1, 25)
    looked_through: list[str] = []

    def page(begins: str) -> bytes:
        looked_through.append(begins)
        return _page(begins)

    monkeypatch.setattr(store, "_page", page)
    expected = [f"many-{n:05}" for n in range(10, 15)]
    assert ids(agents.list(limit=5, after="many-00009")) == expected
    assert ids(agents.list(limit=5, prefix="many-0001")) == expected
    assert not looked_through
    assert ids(agents.list(limit=5, after="many-00022")) == [f"many-{n:05}" for n in range(23, 26)]
    assert looked_through == ["any"], "fewer than asked for may not be all"


@pytest.mark.parametrize("table", ["conversations", "documents"])
@pytest.mark.parametrize("name", ["many-0001", "many-00010+", "many-00012+", "many-00014+"])
def test_who_has_rows_and_no_description_has_a_place_among_the_described(
    agents: Agents, dsn: str, name: str, table: str
) -> None:
    fill(dsn, 1, 25)
    with psycopg.connect(dsn, autocommit=True) as raw:
        raw.execute(UNDESCRIBED[table], [name])
    everybody = sorted([name, *(f"many-{n:05}" for n in range(1, 26))])
    assert ids(agents.list()) == everybody
    for begin in (None, "many-00001", "many-00009", "many-00010", "many-00011", "many-00013"):
        assert ids(agents.list(limit=5, after=begin)) == [id for id in everybody if id > (begin or "")][:5]
        beginning = [id for id in everybody if id > (begin or "") and id.startswith("many-0001")]
        assert ids(agents.list(limit=5, after=begin, prefix="many-0001")) == beginning[:5]


def test_where_texts_are_not_ordered_by_code_points_pages_are_the_same(dsn: str) -> None:
    fill(dsn, 1, 25)
    with psycopg.connect(dsn, autocommit=True) as owner:
        for after, prefix, limit in ((None, "many-0001", 5), ("many-00007", "many-", 50), ("many-00003", None, 4)):
            pages = [
                AgentStore(owner).page(limit=limit, after=after, prefix=prefix, most=10, by_code_point=by_code_point)
                for by_code_point in (True, False)
            ]
            assert pages[0] == pages[1] != []


def test_a_key_of_few_agents_lists_them_without_looking_at_others(dsn: str) -> None:
    fill(dsn, 1, 6_000)
    database = Database(dsn)
    scope = Tenancy(("many-05999", "many-0300*", "nobody*"))
    ranges = scope.ranges(by_code_point=database.server.by_code_point)
    assert not ranges.anywhere, "the test's database orders by code points"
    firsts, lasts = zip(*ranges.bounds, strict=True)
    given = {"after": "", "limit": 51, "firsts": [*firsts], "lasts": [*lasts], "anywhere": False}
    with database.isolated(scope).transaction() as connection:
        assert len(connection.execute(SQL.page_of_key, given).fetchall()) == 11
        assert blocks(connection, SQL.page_of_key, given) < 500
    database.close()


def test_ranges_where_texts_are_not_ordered_by_code_points() -> None:
    scope = Tenancy(("ann", "acme-*"))
    assert scope.ranges(by_code_point=True).bounds == [("acme-", "acme-\U0010ffff"), ("ann", "ann")]
    elsewhere = scope.ranges(by_code_point=False)
    assert (elsewhere.bounds, elsewhere.anywhere) == ([("ann", "ann")], True)
    assert not Tenancy(("ann",)).ranges(by_code_point=False).anywhere


@pytest.mark.parametrize(
    ("prefix", "agents"),
    [("a", ("ann", "acme-*")), ("acme-1", ("acme-1*",)), ("acme-", ("acme-*",)), ("ann", ("ann",)), ("b", ())],
)
def test_a_scope_narrowed_to_a_prefix(prefix: str, agents: tuple[str, ...]) -> None:
    assert Tenancy(("ann", "acme-*")).narrowed(prefix).agents == agents


def test_a_list_counts_so_far_and_says_where_there_are_more(
    agents: Agents, dsn: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    with Memory("ann", dsn=dsn, options=Settings(embedding_model="none")) as memory:
        memory.messages.append_many([{"role": "user", "content": str(n)} for n in range(5)])
        memory.core.create("human", "x")
        changed_at = memory.history(limit=1)[0].changed_at
    monkeypatch.setattr(agents_module, "MOST_COUNTED", 3)
    [listed] = agents.list()
    assert (listed.rows["conversations"], listed.rows["core_memories"]) == (3, 1)
    assert listed.more_rows == ["conversations", "memory_history"]
    assert listed.last_active_at == changed_at
    described = agents.describe("ann")
    assert (described.rows["conversations"], described.more_rows) == (5, [])
    printed = run("agent", "list", "--prefix", "an")
    assert " 3+ " in printed
    assert json.loads(run("agent", "list", "--json"))["more_rows"] == ["conversations", "memory_history"]
