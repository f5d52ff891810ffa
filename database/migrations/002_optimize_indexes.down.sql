-- Undoes 002_optimize_indexes: exactly the indexes of 001 again.
-- The vector indexes keep their names in 002, so they are dropped before they are made again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP INDEX IF EXISTS document_chunks_agent_embedding_idx;
DROP INDEX IF EXISTS archival_memories_agent_embedding_idx;
DROP INDEX IF EXISTS document_chunks_created_at_idx;
DROP INDEX IF EXISTS archival_memories_accessed_at_idx;
DROP INDEX IF EXISTS conversations_created_at_idx;
DROP INDEX IF EXISTS kg_relationships_source_idx;
DROP INDEX IF EXISTS kg_relationships_target_idx;
DROP INDEX IF EXISTS kg_entities_name_idx;
DROP INDEX IF EXISTS kg_relationships_type_idx;
DROP INDEX IF EXISTS core_memories_type_idx;
DROP INDEX IF EXISTS conversations_intent_idx;
DROP INDEX IF EXISTS document_chunks_embedding_idx;
DROP INDEX IF EXISTS archival_memories_embedding_idx;

DO $$
BEGIN
    PERFORM set_config('search_path', concat_ws(', ', current_setting('search_path'), quote_ident(n.nspname)), true)
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector' AND NOT n.nspname = ANY (current_schemas(true));
END
$$;

-- k-means keeps its samples in maintenance_work_mem and fails when they do not fit. Any role may raise the
-- setting for its own transaction, so that the 32 MB of a small Supabase plan are enough to start from. Who must
-- not use more sets memgpt.maintenance_work_mem_limit (in the session, role or database), and is told before
-- anything is touched. Needed: samples, centers and the lower bounds of Elkan's k-means (pgvector's ivfkmeans.c);
-- the samples are allocated in full for the first row already, and not at all for an empty table.
DO $$
DECLARE
    lists CONSTANT bigint := 100;
    samples bigint := 0;
    dimensions bigint;
    needed_kb bigint;
    limit_kb CONSTANT bigint :=
        pg_size_bytes(nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '')) / 1024;
BEGIN
    IF to_regclass('document_chunks') IS NULL OR to_regclass('archival_memories') IS NULL THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM document_chunks WHERE embedding IS NOT NULL)
        OR EXISTS (SELECT FROM archival_memories WHERE embedding IS NOT NULL) THEN
        samples := greatest(50 * lists, 10000);
    END IF;
    SELECT max(atttypmod) INTO dimensions FROM pg_attribute
    WHERE attrelid IN ('document_chunks'::regclass, 'archival_memories'::regclass) AND attname = 'embedding';
    needed_kb := 1024 + (
        samples * (8 + 4 * dimensions) + 3 * lists * (8 + 4 * dimensions)
        + 4 * samples * lists + 8 * samples + 4 * lists * lists) / 1024;
    IF needed_kb > limit_kb THEN
        RAISE EXCEPTION 'building the vector indexes needs % MB of maintenance_work_mem, but memgpt.maintenance_work_mem_limit is % MB',
            ceil(needed_kb / 1024.0), limit_kb / 1024
        USING HINT = 'Raise or remove the limit: nothing smaller fits, because pgvector samples 10,000 rows for any lists up to 200.',
            ERRCODE = 'configuration_limit_exceeded';
    END IF;
    IF needed_kb > pg_size_bytes(current_setting('maintenance_work_mem')) / 1024 THEN
        PERFORM set_config('maintenance_work_mem', needed_kb || 'kB', true);
    END IF;
END
$$;

-- Tables that somebody has dropped by hand get no index, so that the rollback of 001 can follow.
DO $$
BEGIN
    IF to_regclass('document_chunks') IS NOT NULL THEN
        CREATE INDEX document_chunks_embedding_idx ON document_chunks
        USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100);
    END IF;
    IF to_regclass('archival_memories') IS NOT NULL THEN
        CREATE INDEX archival_memories_embedding_idx ON archival_memories
        USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100);
    END IF;
END
$$;

DELETE FROM schema_migrations WHERE migration_name = '002_optimize_indexes';

COMMIT;
