-- 002_optimize_indexes: the indexes for production.
--
-- Vector indexes grow from lists=100 to lists=200 under their names; agent-scoped, temporal, graph and
-- specialized indexes are added. One transaction that records itself. Writers wait; readers go on but for the last moment,
-- in which the new vector indexes take the places of the old ones: dropping an index locks its table for everybody until
-- the transaction ends, so that comes last.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

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
    lists CONSTANT bigint := 200;
    samples CONSTANT bigint := CASE
        WHEN EXISTS (SELECT FROM document_chunks WHERE embedding IS NOT NULL)
            OR EXISTS (SELECT FROM archival_memories WHERE embedding IS NOT NULL)
        THEN greatest(50 * lists, 10000)
        ELSE 0
    END;
    dimensions bigint := (
        SELECT max(atttypmod) FROM pg_attribute
        WHERE attrelid IN ('document_chunks'::regclass, 'archival_memories'::regclass) AND attname = 'embedding');
    needed_kb bigint := 1024 + (
        samples * (8 + 4 * dimensions) + 3 * lists * (8 + 4 * dimensions)
        + 4 * samples * lists + 8 * samples + 4 * lists * lists) / 1024;
    limit_kb bigint := pg_size_bytes(nullif(current_setting('memgpt.maintenance_work_mem_limit', true), '')) / 1024;
BEGIN
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

-- 1. Vector indexes: lists 100 -> 200.
CREATE INDEX document_chunks_embedding_idx_200 ON document_chunks
USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200);

CREATE INDEX archival_memories_embedding_idx_200 ON archival_memories
USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200);

-- 2. Agent + embedding. IVFFlat takes one column only and a B-tree entry holds 2,704 bytes at most, so these carry the
-- embedding as one bit a dimension: an index-only scan of one agent finds the candidates, their exact distances decide.
CREATE INDEX document_chunks_agent_embedding_idx ON document_chunks (agent_id)
INCLUDE (id, embedding_bits)
WHERE embedding_bits IS NOT NULL;

CREATE INDEX archival_memories_agent_embedding_idx ON archival_memories (agent_id)
INCLUDE (id, embedding_bits, created_at, importance, expires_at)
WHERE embedding_bits IS NOT NULL AND superseded_at IS NULL;

-- 3. Recency, agent by agent.
CREATE INDEX document_chunks_created_at_idx ON document_chunks (agent_id, created_at DESC);
CREATE INDEX archival_memories_accessed_at_idx ON archival_memories (agent_id, accessed_at DESC);
CREATE INDEX conversations_created_at_idx ON conversations (agent_id, created_at DESC);

-- 4. Knowledge graph: what a traversal reads is in the index.
CREATE INDEX kg_relationships_source_idx ON kg_relationships (agent_id, source_id, type)
INCLUDE (target_id, weight, valid_from, valid_to, recorded_at, superseded_at, id);

CREATE INDEX kg_relationships_target_idx ON kg_relationships (agent_id, target_id, type)
INCLUDE (source_id, weight, valid_from, valid_to, recorded_at, superseded_at, id);

CREATE INDEX kg_entities_name_idx ON kg_entities (agent_id, name) INCLUDE (id, type);
CREATE INDEX kg_relationships_type_idx ON kg_relationships (agent_id, type);

-- 5. Specialized.
CREATE INDEX core_memories_type_idx ON core_memories (agent_id, label);
CREATE INDEX conversations_intent_idx ON conversations (agent_id, intent, created_at DESC);

-- The vector indexes under their names.
DROP INDEX IF EXISTS document_chunks_embedding_idx;
ALTER INDEX document_chunks_embedding_idx_200 RENAME TO document_chunks_embedding_idx;
DROP INDEX IF EXISTS archival_memories_embedding_idx;
ALTER INDEX archival_memories_embedding_idx_200 RENAME TO archival_memories_embedding_idx;

INSERT INTO schema_migrations (migration_name) VALUES ('002_optimize_indexes');

COMMIT;
