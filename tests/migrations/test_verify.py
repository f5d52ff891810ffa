"""verify names every drift, and its remedy removes it."""

from __future__ import annotations

import psycopg
import pytest

from memgpt.database.admin import migrate, verify
from memgpt.errors import DatabaseError, MigrationError

DRIFTS = [
    ("missing", "index kg_entities_name_idx", "DROP INDEX kg_entities_name_idx"),
    ("missing", "index document_chunks_embedding_idx", "DROP INDEX document_chunks_embedding_idx"),
    ("changed", "index conversations_intent_idx",
     "DROP INDEX conversations_intent_idx; CREATE INDEX conversations_intent_idx ON conversations (intent)"),
    ("invalid", "index archival_memories_tags_idx",
     "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'archival_memories_tags_idx'::regclass"),
    ("missing", "column documents.title", "ALTER TABLE documents DROP COLUMN title"),
    ("changed", "column kg_entities.embedding", "ALTER TABLE kg_entities ALTER embedding SET STORAGE EXTERNAL"),
    ("changed", "column core_memories.value", "ALTER TABLE core_memories ALTER value DROP NOT NULL"),
    ("changed", "column core_memories.label", "ALTER TABLE core_memories ALTER label SET DEFAULT 'x'"),
    ("missing", "constraint kg_relationships.kg_relationships_source_fkey",
     "ALTER TABLE kg_relationships DROP CONSTRAINT kg_relationships_source_fkey"),
    ("changed", "constraint conversations.conversations_role_check",
     "ALTER TABLE conversations DROP CONSTRAINT conversations_role_check, "
     "ADD CONSTRAINT conversations_role_check CHECK (role <> '')"),
    ("invalid", "constraint core_memories.core_memories_label_check",
     "ALTER TABLE core_memories DROP CONSTRAINT core_memories_label_check, "
     "ADD CONSTRAINT core_memories_label_check CHECK (label <> '') NOT VALID"),
    ("changed", "table archival_memories", "ALTER TABLE archival_memories RESET (toast_tuple_target)"),
    ("changed", "table agents",
     "ALTER TABLE agents DISABLE ROW LEVEL SECURITY; ALTER TABLE agents NO FORCE ROW LEVEL SECURITY; "
     "ALTER TABLE agents SET (fillfactor = 50)"),
    ("missing", "trigger schema_migrations.schema_migrations_once",
     "DROP TRIGGER schema_migrations_once ON schema_migrations"),
    ("changed", "trigger schema_migrations.schema_migrations_once",
     "ALTER TABLE schema_migrations DISABLE TRIGGER schema_migrations_once"),
    ("missing", "policy archival_memories.memgpt_agent", "DROP POLICY memgpt_agent ON archival_memories"),
    ("missing", "policy core_memories.memgpt_shared_edit", "DROP POLICY memgpt_shared_edit ON core_memories"),
    ("changed", "policy conversations.memgpt_agent",
     "ALTER POLICY memgpt_agent ON conversations USING (true) WITH CHECK (false)"),
    ("changed", "policy agents.memgpt_listed",
     "DROP POLICY memgpt_listed ON agents; CREATE POLICY memgpt_listed ON agents AS RESTRICTIVE FOR ALL USING (true)"),
    ("changed", "function memory_search_vector",
     "CREATE OR REPLACE FUNCTION memory_search_vector(language text, body text) RETURNS tsvector "
     "LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN to_tsvector('simple', body)"),
    ("missing", "function memory_matching_archival(query tsquery)", "DROP FUNCTION memory_matching_archival(tsquery)"),
    ("missing", "function memory_matching_archival(query tsquery, wanted text[])",
     "DROP FUNCTION memory_matching_archival(tsquery, text[])"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "what", "damage"), DRIFTS, ids=[f"{k} {w}" for k, w, _ in DRIFTS])
def test_a_drift_is_named_and_its_remedy_works(dsn: str, kind: str, what: str, damage: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(damage)
        (drift,) = verify.verify(dsn).drifts
        assert drift.kind == kind
        assert drift.what.startswith(what)
        for statement in drift.remedy.split("; "):
            connection.execute(statement)
    assert verify.verify(dsn).drifts == ()


def test_changes_that_have_no_one_line_remedy_are_named(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE memory_history")
        connection.execute("ALTER TABLE conversations ALTER tokens TYPE bigint")
        connection.execute("ALTER TABLE agents DISABLE ROW LEVEL SECURITY")
    found = {d.what.split(" is ")[0]: d for d in verify.verify(dsn).drifts}
    assert set(found) == {"table memory_history", "column conversations.tokens", "table agents"}
    assert "rollback --target 3" in found["table memory_history"].remedy


def test_additions_are_not_an_error(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE INDEX mine ON conversations (role); CREATE TABLE other (id int)")
    found = verify.verify(dsn)
    assert found.drifts == ()
    assert found.extras == ("index mine",)


def test_nothing_of_the_comparison_stays(dsn: str, empty_dsn: str) -> None:
    verify.verify(dsn)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'memgpt%'").fetchall() == []
    with pytest.raises(MigrationError, match="run `memgpt db migrate`"):
        verify.verify(empty_dsn)


def test_a_role_without_the_right_is_told(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'r'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = psycopg.conninfo.make_conninfo(dsn, user="reader", password="r")
    assert migrate.status(reader).pending == 0
    with pytest.raises(DatabaseError, match="GRANT CREATE ON DATABASE"):
        verify.verify(reader)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP OWNED BY reader; DROP ROLE reader")
