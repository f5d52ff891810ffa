"""Agents beside many others: what it takes to list or describe some does not grow with how many there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from memgpt import Memory
from memgpt.agents import agents as agents_module
from memgpt.agents.agents import Agents
from memgpt.agents.store import SQL, _describe, _page
from memgpt.config import Settings
from memgpt.database.connection import Database
from memgpt.database.isolation import Tenancy
from tests.integration.conftest import Run

FILL = """
    WITH made AS (SELECT 'many-' || lpad(n::text, 5, '0') AS agent_id FROM generate_series(%s::integer, %s) AS n),
    a AS (INSERT INTO agents (agent_id) SELECT agent_id FROM made),
    b AS (INSERT INTO core_memories (agent_id, label, value) SELECT agent_id, 'human', 'x' FROM made),
    c AS (INSERT INTO conversations (agent_id, role, content) SELECT agent_id, 'user', 'tea' FROM made)
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT agent_id, gen_random_uuid(), 'x', 'message', 1, 'insert' FROM made"""


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
    page = {"after": "many-00100", "limit": 20, "prefix": None}
    beginning = page | {"prefix": "many-0012"}
    some = {"agent_ids": [f"many-{n:05}" for n in range(101, 121)], "most": 10_000}
    one = {"agent_ids": ["many-00111"], "most": None}
    looked_at = {}
    with psycopg.connect(dsn, autocommit=True) as owner:
        for first, last in ((1, 300), (301, 6_000)):
            fill(dsn, first, last)
            looked_at[last] = [
                blocks(owner, _page(), page),
                blocks(owner, _page(), beginning),
                blocks(owner, _describe(), some),
                blocks(owner, _describe(), one),
            ]
    for few, many in zip(looked_at[300], looked_at[6_000], strict=True):
        assert many < 2 * few + 100
    assert looked_at[6_000][3] < 200, "one agent"


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
