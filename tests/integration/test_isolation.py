"""Isolation by the database: what a request sees and writes when the application does not ask for one agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from memgpt import Memory
from memgpt.config import settings
from memgpt.database.admin import backup
from memgpt.database.connection import Database
from memgpt.database.isolation import Tenancy
from memgpt.database.tables import BY_NAME
from memgpt.errors import DatabaseError, DeniedError
from memgpt.graph import store as graph_store
from memgpt.graph import traversal_store
from memgpt.graph.traversal_store import Walk
from tests.conftest import Server

ROWS = "INSERT INTO archival_memories (agent_id, text) SELECT %s, 'note ' || n FROM generate_series(1, 3) n"
COUNT = "SELECT agent_id, count(*) FROM archival_memories GROUP BY agent_id ORDER BY agent_id"


@pytest.fixture
def database_of(dsn: str) -> Iterator[Database]:
    with psycopg.connect(dsn) as owner:
        for agent in ("acme-1", "acme-2", "umbrella"):
            owner.execute(ROWS, [agent])
            owner.execute("INSERT INTO agents (agent_id) VALUES (%s)", [agent])
    opened = Database(dsn, options=settings())
    yield opened
    opened.close()


def seen(database: Database, scope: Tenancy) -> list[tuple[object, ...]]:
    return database.isolated(scope).read(lambda connection: connection.execute(COUNT).fetchall())


def test_every_table_forces_row_level_security(dsn: str) -> None:
    with psycopg.connect(dsn) as owner:
        open_tables = owner.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT (relrowsecurity AND relforcerowsecurity)"
        ).fetchall()
        scoped = owner.execute(
            "SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polname = 'memgpt_agent'"
        ).fetchall()
    assert open_tables == []
    assert {name for (name,) in scoped} == {"agents", *BY_NAME}


def test_a_request_sees_its_agent_only_without_any_filter(database_of: Database) -> None:
    assert seen(database_of, Tenancy(("acme-*",), "acme-1")) == [("acme-1", 3)]
    assert seen(database_of, Tenancy(("umbrella",), "umbrella")) == [("umbrella", 3)]


@pytest.mark.parametrize(
    "scope",
    [
        Tenancy(("acme-*",), "umbrella"),
        Tenancy(("acme-1",), "acme-2"),
        Tenancy(("acme-1",), "acme-*"),
        Tenancy((), "acme-1"),
        Tenancy(("*",), ""),
        Tenancy(("acme_1", "acme-%", ".*"), "acme-1"),
    ],
)
def test_a_key_of_other_agents_sees_nothing(database_of: Database, scope: Tenancy) -> None:
    assert seen(database_of, scope) == []
    assert not scope.allows(scope.agent_id) or not scope.agent_id or scope.agent_id == "acme-*"


def test_the_list_of_agents_is_the_keys(database_of: Database) -> None:
    isolated = database_of.isolated(Tenancy(("acme-*",)))
    found = isolated.read(lambda c: c.execute("SELECT agent_id FROM agents ORDER BY agent_id").fetchall())
    assert found == [("acme-1",), ("acme-2",)]


def test_without_a_scope_the_role_sees_nothing(dsn: str, database_of: Database) -> None:
    with psycopg.connect(dsn) as bare:
        bare.execute("SET LOCAL ROLE memgpt_agent")
        assert bare.execute(COUNT).fetchall() == []
        bare.execute("SET LOCAL memgpt.agent_id = 'acme-1'")
        assert bare.execute(COUNT).fetchall() == []


def test_the_scope_ends_with_its_transaction(database_of: Database) -> None:
    scope = Tenancy(("acme-1",), "acme-1")
    with database_of.isolated(scope).transaction() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("memgpt_agent",)
    seen(database_of, scope)
    with database_of.connection() as connection:
        left = "SELECT current_user = session_user, coalesce(current_setting('memgpt.agent_id', true), '')"
        assert connection.execute(left).fetchone() == (True, "")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO archival_memories (agent_id, text) VALUES ('umbrella', 'planted')",
        "UPDATE archival_memories SET agent_id = 'umbrella' WHERE text = 'note 1'",
        "INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)"
        " VALUES ('umbrella', gen_random_uuid(), 'x', 'archival', 1, 'insert')",
        "INSERT INTO agents (agent_id) VALUES ('acme-2') ON CONFLICT (agent_id) DO UPDATE SET description = 'mine'",
        "INSERT INTO embedding_models (name, dimensions) VALUES ('mine', 3)",
        "SELECT * FROM api_keys",
        "SELECT * FROM audit_log",
        "SELECT * FROM idempotent_answers",
        "SELECT * FROM console_sessions",
        "CREATE TABLE public.mine ()",
        "ALTER TABLE archival_memories NO FORCE ROW LEVEL SECURITY",
    ],
)
def test_a_request_cannot_write_elsewhere(database_of: Database, statement: str) -> None:
    isolated = database_of.isolated(Tenancy(("acme-*",), "acme-1"))
    with pytest.raises(DeniedError), isolated.transaction() as connection:
        connection.execute(statement)


def test_an_update_or_delete_without_a_filter_stays_at_home(database_of: Database) -> None:
    isolated = database_of.isolated(Tenancy(("acme-*",), "acme-1"))
    with isolated.transaction() as connection:
        assert connection.execute("UPDATE archival_memories SET importance = 1").rowcount == 3
        assert connection.execute("DELETE FROM archival_memories").rowcount == 3
    with database_of.connection() as connection:
        assert connection.execute(COUNT).fetchall() == [("acme-2", 3), ("umbrella", 3)]


def test_what_would_escape_the_scope_is_refused(database_of: Database) -> None:
    with database_of.isolated(Tenancy(("acme-1",), "acme-1")).connection() as connection:
        with pytest.raises(DatabaseError, match="needs a transaction"):
            connection.cursor().executemany("SELECT %s::int", [(1,)])
        with (
            pytest.raises(DatabaseError, match="needs a transaction"),
            connection.cursor().copy("COPY agents TO STDOUT"),
        ):
            pass


def test_a_shared_block_is_seen_and_edited_but_not_taken(database_of: Database) -> None:
    with database_of.connection() as owner:
        owner.execute(
            "INSERT INTO core_memories (agent_id, label, value, shared_with) VALUES"
            " ('acme-1', 'team', 'v', '{acme-2}'), ('acme-1', 'secret', 'v', '{}')"
        )
    other = database_of.isolated(Tenancy(("acme-2",), "acme-2"))
    with other.transaction() as connection:
        assert connection.execute("SELECT label FROM core_memories FOR UPDATE").fetchall() == [("team",)]
        assert connection.execute("UPDATE core_memories SET value = 'w'").rowcount == 1
        logged = (
            "INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)"
            " SELECT agent_id, gen_random_uuid(), 'x', 'block', id, 'update' FROM core_memories"
        )
        assert connection.execute(logged).rowcount == 1
        assert connection.execute("DELETE FROM core_memories").rowcount == 0


def test_an_owner_that_is_no_superuser_works_without_a_scope(dsn: str, database_of: Database) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        name = "owner_" + admin.info.dbname
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(name)))
        admin.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(make_conninfo(dsn, user=name, password="x"), autocommit=True) as stranger:
                assert stranger.execute(COUNT).fetchall() == []
            database = sql.Identifier(admin.info.dbname)
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(name)))
            with psycopg.connect(make_conninfo(dsn, user=name, password="x"), autocommit=True) as owner:
                assert len(owner.execute(COUNT).fetchall()) == 3
                plan = owner.execute("EXPLAIN SELECT id FROM archival_memories WHERE agent_id = 'acme-1'").fetchall()
                assert "memory_agent" not in str(plan)
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(database))
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_through_a_pooler(database_of: Database, pooled_dsn: str) -> None:
    pooled = Database(pooled_dsn, options=settings())
    try:
        for _ in range(20):
            assert seen(pooled, Tenancy(("acme-*",), "acme-2")) == [("acme-2", 3)]
            with pooled.connection() as connection:
                assert len(connection.execute(COUNT).fetchall()) == 3
    finally:
        pooled.close()


NEAR = (
    "SELECT x.id FROM archival_memories x WHERE x.agent_id = 'acme-1' AND x.embedding_code IS NOT NULL"
    " AND x.superseded_at IS NULL"
    " ORDER BY x.embedding_code <#> (SELECT l2_normalize(%s::text::vector)::halfvec) LIMIT 100"
)
NAMED = "SELECT id FROM kg_entities WHERE agent_id = 'acme-1' AND name_keys @@ memory_name_query(ARRAY['name 4001'])"


def test_policies_keep_the_plans(database_of: Database) -> None:
    with database_of.connection() as owner:
        owner.execute(
            "INSERT INTO archival_memories (agent_id, text, embedding)"
            " SELECT 'acme-' || n %% 2, 'text rare' || n %% 500 || ' ' || n,"
            " (SELECT array_agg(sin(n * i)) FROM generate_series(1, %s) i)::vector FROM generate_series(1, 6000) n",
            [256],
        )
        owner.execute(
            "INSERT INTO kg_entities (agent_id, name)"
            " SELECT 'acme-' || n % 2, 'Name ' || n FROM generate_series(1, 6000) n"
        )
        owner.execute("CHECKPOINT")  # the server commits asynchronously, and VACUUM marks what is on disk
        owner.execute("VACUUM ANALYZE archival_memories, kg_entities")
    isolated = database_of.isolated(Tenancy(("acme-*",), "acme-1"))
    vector = str([1.0] * 256)
    with isolated.transaction() as connection:
        near = str(connection.execute(f"EXPLAIN {NEAR}", [vector]).fetchall())
        named = str(connection.execute(f"EXPLAIN {NAMED}").fetchall())
    assert "Index Only Scan using archival_memories_agent_embedding_idx" in near, near
    assert "One-Time Filter" in near
    assert "kg_entities_name_keys_idx" in named


def test_an_agent_can_leave_a_shared_block(dsn: str, database_of: Database) -> None:
    with database_of.connection() as owner:
        owner.execute("INSERT INTO core_memories (agent_id, label, shared_with) VALUES ('acme-1', 'team', '{acme-2}')")
    with database_of.isolated(Tenancy(("acme-2",), "acme-2")).transaction() as connection:
        assert connection.execute("UPDATE core_memories SET shared_with = '{}'").rowcount == 1
    with (
        pytest.raises(DeniedError),
        database_of.isolated(Tenancy(("*",), "acme-1")).transaction() as connection,
    ):
        connection.execute("UPDATE core_memories SET agent_id = 'acme-2'")


def test_on_supabase_a_signed_in_user_reads_their_own_agents(empty_dsn: str) -> None:
    from memgpt.database.admin import migrate
    from tests.conftest import MODEL

    with psycopg.connect(empty_dsn, autocommit=True) as admin:
        admin.execute(
            "CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE RETURN"
            " (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid;"
            "DO $$ BEGIN CREATE ROLE anon; CREATE ROLE authenticated;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            "GRANT USAGE ON SCHEMA auth TO authenticated;"
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated"
        )
        migrate.apply(empty_dsn, model=MODEL)
        me, other = "0b0e5b1c-0000-4000-8000-000000000001", "0b0e5b1c-0000-4000-8000-000000000002"
        for agent in (me, f"{me}:work", other):
            admin.execute(ROWS, [agent])
        granted = (
            "SELECT DISTINCT grantee, privilege_type FROM information_schema.role_table_grants WHERE grantee = ANY"
        )
        assert admin.execute(f"{granted} (ARRAY['anon', 'authenticated']) AND table_schema = 'public'").fetchall() == [
            ("authenticated", "SELECT")
        ]
        with admin.transaction():
            admin.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps({"sub": me})])
            admin.execute("SET LOCAL ROLE authenticated")
            assert [row[0] for row in admin.execute(COUNT)] == [me, f"{me}:work"]
        admin.execute("SET ROLE anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute(COUNT)


def test_a_backup_is_restored_where_the_role_is_missing(
    dsn: str, database_of: Database, own_server: Server, tmp_path: Path
) -> None:
    backup.backup(tmp_path / "memory.dump", dsn)
    elsewhere = own_server.dsn(own_server.create())
    backup.restore(tmp_path / "memory.dump", elsewhere)
    restored = Database(elsewhere, options=settings())
    try:
        assert seen(restored, Tenancy(("acme-*",), "acme-1")) == [("acme-1", 3)]
    finally:
        restored.close()


def test_names_of_entities_are_looked_up_in_their_index(dsn: str, database_of: Database) -> None:
    with database_of.connection() as owner:
        owner.execute(
            "INSERT INTO kg_entities (agent_id, id, name, aliases)"
            " SELECT 'acme-' || n %% 2, n, 'Name ' || n, ARRAY['Alias ' || n, 'Other'] FROM generate_series(1, %s) n",
            [12_000],
        )
        owner.execute("VACUUM ANALYZE kg_entities")
    walk = Walk([], ["alias 7001"], hops=1, limit=10, fan_out=25)
    statements = {
        "find": (
            graph_store._find_entities(),
            {"agent_id": "acme-1", "name": "ALIAS 7001", "known_at": None},
        ),
        "walk": (
            traversal_store._statement("around", of_types=False),
            {"agent_id": "acme-1", **walk.parameters(), "facts": 10},
        ),
    }
    with database_of.isolated(Tenancy(("acme-*",), "acme-1")).transaction() as connection:
        for name, (statement, given) in statements.items():
            plan = str(connection.execute(b"EXPLAIN " + statement, given, prepare=False).fetchall())
            assert "Bitmap Index Scan on kg_entities_name_keys_idx" in plan, (name, plan)
        found = connection.execute(*statements["find"]).fetchall()
    assert [row[0] for row in found] == [7001]
    with Memory("acme-1", dsn=dsn, isolated=True) as memory:
        assert [entity.id for entity in memory.graph.find("name 11999")] == [11_999]
        assert memory.graph.find("name 11998") == []  # another agent's
