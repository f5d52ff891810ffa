"""A server that is managed by somebody else: the owner of the database is no superuser, and roles may be another's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from memgpt import Memory
from memgpt.config import Settings
from memgpt.database.admin import migrate, verify
from memgpt.database.connection import Database
from memgpt.database.driver import TEXTS_AND_ARRAYS
from memgpt.database.isolation import Tenancy
from memgpt.errors import DatabaseError
from memgpt.graph.traversal_store import TraversalStore, Walk
from memgpt.memory import scope_of
from memgpt.reembed import doctor
from memgpt.search import store
from memgpt.search.store import Filters, SearchStore
from memgpt.server.service import Service
from tests.conftest import MODEL, Server


class Managed(NamedTuple):
    admin: str
    owner: str
    """Of a database with pgvector; migrated by nobody yet."""
    user: str


@pytest.fixture
def managed(own_server: Server) -> Managed:
    name, user = own_server.create(), f"owner_{uuid4().hex[:8]}"
    with psycopg.connect(own_server.dsn(name), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'x'").format(sql.Identifier(user)))
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(user)))
        admin.execute("CREATE EXTENSION vector")
    return Managed(own_server.dsn(name), make_conninfo(own_server.dsn(name), user=user, password="x"), user)


def role_finding(options: Settings) -> tuple[str, str, str]:
    [finding] = [finding for finding in doctor.examine(options=options) if finding.check == "role"]
    return finding.level, finding.message, finding.action


def test_a_role_that_belongs_to_somebody_else(managed: Managed) -> None:
    with psycopg.connect(managed.admin, autocommit=True) as admin:
        admin.execute("CREATE ROLE memgpt_agent NOLOGIN")
    options = Settings(database_url=SecretStr(managed.owner))
    report = migrate.apply(options=options, model=MODEL)
    assert "memgpt_agent" in report.notices[-1]
    assert "MEMGPT_DB_ROLE" in report.notices[-1]
    level, message, action = role_finding(options)
    assert (level, "belongs to somebody else" in message, "MEMGPT_DB_ROLE" in action) == ("problem", True, True)
    service = Service(options)
    with pytest.raises(DatabaseError, match=r"memgpt_agent, as which requests run.*MEMGPT_DB_ROLE"):
        service.check()
    service.close()
    with psycopg.connect(managed.admin) as admin:
        admin.execute("SET ROLE memgpt_agent")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("SELECT * FROM archival_memories")
    with Memory("ann", dsn=managed.owner) as memory:
        assert memory.remember("the library works without it").id

    mine = options.model_copy(update={"db_role": f"{managed.user} requests"})
    assert role_finding(mine)[0] == "note"
    assert migrate.apply(options=mine).notices == ()
    assert role_finding(mine)[0] == "ok"
    assert verify.verify(options=mine).drifts == ()
    service = Service(mine)
    service.check()
    service.close()
    with Memory("ann", options=mine, isolated=True) as memory:
        assert [found.text for found in memory.archival.list()] == ["the library works without it"]
        assert memory.remember("as the role").id
    level, _, action = role_finding(options)
    assert level == "problem"
    migrate.rollback(options=mine, target="12")
    migrate.apply(options=mine)
    with Memory("ann", options=mine, isolated=True) as memory:
        assert len(memory.archival.list()) == 2


BLOCKS = "INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('ann', %s, %s)"


def test_blocks_of_before(managed: Managed) -> None:
    options = Settings(database_url=SecretStr(managed.owner))
    migrate.apply(options=options, target="12")
    before = [("a/b", ["bob"]), ("a\nb", []), ("a_b", []), ("a_b_1", ["carol", "nobody"])]
    with psycopg.connect(managed.owner) as owner:
        owner.cursor().executemany(BLOCKS, before)
    for _ in range(2):
        migrate.apply(options=options, model=MODEL)
        with psycopg.connect(managed.owner) as owner:
            rows = owner.execute("SELECT label, shared_with FROM core_memories ORDER BY id").fetchall()
        assert [shared for _, shared in rows] == [shared for _, shared in before]
        assert [label for label, _ in rows[2:]] == ["a_b", "a_b_1"]
        assert all(label.startswith("a_b_") for label, _ in rows[:2])
        with Memory("bob", options=options, isolated=True) as memory:
            assert [block.label for block in memory.core.list()] == [rows[0][0]]
        migrate.rollback(options=options, target="12")


ROWS = (
    "INSERT INTO archival_memories (agent_id, text, tags)"
    " SELECT 'acme-' || n %% 2, 'text rare' || n %% 500 || ' common ' || md5(n::text), ARRAY['t' || n %% 500, 'all']"
    " FROM generate_series(1, %s) n"
)
NAMES = (
    "INSERT INTO kg_entities (agent_id, id, name, aliases)"
    " SELECT 'acme-' || n %% 2, n, 'Name ' || n, ARRAY['Other ' || n] FROM generate_series(1, %s) n"
)


@pytest.fixture
def searched(managed: Managed) -> Iterator[Database]:
    options = Settings(database_url=SecretStr(managed.owner))
    migrate.apply(options=options, model=MODEL)
    with psycopg.connect(managed.owner, autocommit=True) as owner:
        owner.execute(ROWS, [6000])
        owner.execute(NAMES, [8000])
        owner.execute("VACUUM ANALYZE archival_memories, kg_entities")
    database = Database(managed.owner, options=options)
    assert not database.server.leakproof
    yield database
    database.close()


def scans(dsn: str, index: str = "archival_memories_search_idx") -> int:
    with psycopg.connect(dsn, autocommit=True) as admin:
        query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s"
        [count] = admin.execute(query, [index]).fetchone() or [0]
    return int(count)


def test_full_text_of_a_request_uses_its_index(searched: Database, managed: Managed) -> None:
    isolated = searched.isolated(Tenancy(("acme-*",), "acme-1"))
    before = scans(managed.admin)
    with Memory("acme-1", database=isolated) as memory, Memory("acme-1", database=searched) as owner:
        hits = memory.search("rare7", kinds=["archival"], limit=20)
        assert len(hits) > 5
        assert {hit.id for hit in hits} == {hit.id for hit in owner.search("rare7", kinds=["archival"], limit=20)}
    searched.close()  # a session counts its scans when it ends at the latest
    assert more_scans(managed.admin, "archival_memories_search_idx", before)


def more_scans(dsn: str, index: str, before: int) -> bool:
    deadline = time.monotonic() + 20
    while scans(dsn, index) == before and time.monotonic() < deadline:
        pass
    return scans(dsn, index) > before


def occurring(memory: Memory) -> object:
    return scope_of(memory).read(
        lambda connection: SearchStore(connection, "acme-1").occurring(
            ["rare7 common", "nowhere"], kinds=["archival"], filters=Filters(), language="english"
        )
    )


def walked(memory: Memory) -> object:
    walk = Walk([], ["other 7001"], hops=1, limit=10, fan_out=25)
    reached = scope_of(memory).read(lambda connection: TraversalStore(connection, scope_of(memory).author).within(walk))
    return [thing.id for thing in reached]


LOOKED_UP: dict[str, tuple[str, Callable[[Memory], object], object]] = {
    "phrase": ("archival_memories_search_idx", occurring, ["rare7 common"]),
    "tag": ("archival_memories_tags_idx", lambda memory: len(memory.archival.list(tags=["t7"], limit=100)), 12),
    "tagged": (
        "archival_memories_tags_idx",
        lambda memory: len(memory.search("common", kinds=["archival"], tags=["t7"], limit=50)),
        12,
    ),
    "name": ("kg_entities_name_keys_idx", lambda memory: [e.id for e in memory.graph.find("other 7001")], [7001]),
    "walk": (
        "kg_entities_name_keys_idx",
        walked,
        [7001],
    ),
}


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_a_policy_hides_is_looked_up(searched: Database, managed: Managed, name: str) -> None:
    index, ask, expected = LOOKED_UP[name]
    before = scans(managed.admin, index)
    with Memory("acme-1", database=searched.isolated(Tenancy(("acme-*",), "acme-1"))) as memory:
        assert ask(memory) == expected
    with Memory("acme-0", database=searched.isolated(Tenancy(("acme-*",), "acme-0"))) as other:
        assert ask(other) in ([], 0)
    searched.close()
    assert more_scans(managed.admin, index, before)


LOOKUPS = [f"memory_matching_{kind}('rare7'::tsquery)" for kind in ("archival", "message", "chunk", "fact", "entity")]
LOOKUPS += ["memory_matching_archival('rare7'::tsquery, ARRAY['t7'])", "memory_matching_tags(ARRAY['t7'])"]


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (Tenancy(("acme-*",), "acme-1"), 12),
        (Tenancy(("acme-1",), "acme-0"), 0),
        (Tenancy((), "acme-1"), 0),
        (Tenancy(("*",), ""), 0),
    ],
)
def test_the_lookups_tell_the_agents_rows_only(searched: Database, scope: Tenancy, count: int) -> None:
    with searched.isolated(scope).transaction() as connection:
        for lookup in LOOKUPS:
            there = count if "archival" in lookup or "tags" in lookup else 0
            assert connection.execute(f"SELECT cardinality({lookup})").fetchone() == (there,)


def test_nobody_else_may_look_up(searched: Database, managed: Managed) -> None:
    with psycopg.connect(managed.admin, autocommit=True) as admin:
        admin.execute("CREATE ROLE stranger")
        for lookup in LOOKUPS:
            with admin.transaction():
                admin.execute("SET LOCAL ROLE stranger")
                with pytest.raises(psycopg.errors.InsufficientPrivilege), admin.transaction():
                    admin.execute(f"SELECT {lookup}")


@pytest.mark.parametrize("kind", ["archival", "message", "chunk", "fact"])
def test_the_statements_differ_in_the_lookup_only(kind: str) -> None:
    compose: Callable[..., bytes] = store.compose
    plain, looked_up = (compose("ranked", (kind,), False, hidden) for hidden in (frozenset(), TEXTS_AND_ARRAYS))
    assert f"memory_matching_{kind}(".encode() in looked_up
    assert b"memory_matching" not in plain
