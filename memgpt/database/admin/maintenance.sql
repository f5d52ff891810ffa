-- running --
-- Index builds and vacuums in progress in this database, with how far they are.
SELECT p.pid, coalesce(p.relid::regclass::text, '') AS table, p.command AS work, p.phase,
    CASE WHEN p.tuples_total > 0 THEN round(100.0 * p.tuples_done / p.tuples_total)
        WHEN p.blocks_total > 0 THEN round(100.0 * p.blocks_done / p.blocks_total) END::integer AS percent
FROM pg_stat_progress_create_index p
WHERE p.datname = current_database()
UNION ALL
SELECT v.pid, v.relid::regclass::text, 'VACUUM', v.phase,
    CASE WHEN v.heap_blks_total > 0 THEN round(100.0 * v.heap_blks_scanned / v.heap_blks_total) END::integer
FROM pg_stat_progress_vacuum v
WHERE v.datname = current_database()

-- blocked --
-- Who waits for whose lock, and for how long.
SELECT a.pid, pg_blocking_pids(a.pid) AS blocked_by,
    round(extract(epoch FROM clock_timestamp() - a.query_start))::integer AS seconds, left(a.query, 80) AS query
FROM pg_stat_activity a
WHERE a.datname = current_database() AND cardinality(pg_blocking_pids(a.pid)) > 0

-- largest_agent --
SELECT agent_id FROM document_chunks WHERE embedding IS NOT NULL GROUP BY agent_id ORDER BY count(*) DESC LIMIT 1

-- explain_search --
-- The specification's sample query, for a vector that is stored.
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF)
SELECT chunk_text, embedding <=> (
    SELECT embedding FROM document_chunks WHERE agent_id = %(agent_id)s::text AND embedding IS NOT NULL LIMIT 1) AS distance
FROM document_chunks
WHERE agent_id = %(agent_id)s::text
ORDER BY distance
LIMIT 10

-- tables --
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND c.relkind IN ('r', 'p')
    AND c.relname = ANY (%(tables)s::text[])
ORDER BY pg_table_size(c.oid) DESC

-- vacuum --
VACUUM (ANALYZE) {table}

-- tokens --
-- Tokens that have been, or would be, embedded. Where a row has no count, four characters are taken for one token.
WITH texts AS (
    SELECT 'document_chunks' AS table, c.tokens, c.chunk_text AS text, c.created_at FROM document_chunks c
    UNION ALL
    SELECT 'file_chunks', f.tokens, f.chunk_text, f.created_at FROM file_chunks f
    UNION ALL
    SELECT 'archival_memories', NULL, a.text, a.created_at FROM archival_memories a
    UNION ALL
    SELECT 'conversations', m.tokens, m.content, m.created_at FROM conversations m
    UNION ALL
    SELECT 'kg_entities', NULL, concat_ws(': ', e.name, nullif(e.description, '')), e.created_at FROM kg_entities e
    UNION ALL
    SELECT 'kg_relationships', NULL, r.fact, r.recorded_at FROM kg_relationships r
)
SELECT t.table, count(*) AS texts,
    coalesce(sum(t.tokens), 0)::bigint AS counted,
    coalesce(sum((char_length(t.text) + 3) / 4) FILTER (WHERE t.tokens IS NULL), 0)::bigint AS estimated,
    coalesce(sum(coalesce(t.tokens, (char_length(t.text) + 3) / 4))
        FILTER (WHERE t.created_at > now() - interval '30 days'), 0)::bigint AS last_month
FROM texts t
GROUP BY t.table
ORDER BY t.table
