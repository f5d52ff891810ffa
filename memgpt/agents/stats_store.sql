-- kinds --
-- What one agent holds of each kind. "hidden" are rows no search finds: superseded or expired. Blocks and documents have no vector.
SELECT 'block' AS kind, count(*) AS rows, NULL::bigint AS embedded, 0::bigint AS hidden, NULL::bigint AS tokens,
    min(created_at) AS first, max(updated_at) AS last
FROM core_memories WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'archival', count(*), count(embedding), count(*) FILTER (WHERE superseded_at IS NOT NULL OR expires_at <= now()),
    NULL, min(created_at), max(created_at)
FROM archival_memories WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'message', count(*), count(embedding), 0, coalesce(sum(tokens), 0), min(created_at), max(created_at)
FROM conversations WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'document', count(*), NULL, 0, NULL, min(created_at), max(updated_at)
FROM documents WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'chunk', count(*), count(embedding), 0, coalesce(sum(tokens), 0), min(created_at), max(created_at)
FROM document_chunks WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'file', count(*), NULL, 0, NULL, min(created_at), max(updated_at)
FROM files WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'file_chunk', count(*), count(embedding), 0, coalesce(sum(tokens), 0), min(created_at), max(created_at)
FROM file_chunks WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'entity', count(*), count(embedding), count(*) FILTER (WHERE merged_at IS NOT NULL), NULL, min(created_at), max(updated_at)
FROM kg_entities WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'fact', count(*), count(embedding), count(*) FILTER (WHERE superseded_at IS NOT NULL), NULL,
    min(recorded_at), max(recorded_at)
FROM kg_relationships WHERE agent_id = %(agent_id)s::text
UNION ALL
SELECT 'item', count(*), count(embedding), count(*) FILTER (WHERE text = '' OR expires_at <= now()), NULL,
    min(created_at), max(updated_at)
FROM store_items WHERE agent_id = %(agent_id)s::text

-- totals --
SELECT
    (SELECT count(DISTINCT session) FROM conversations WHERE agent_id = %(agent_id)s::text) AS sessions,
    (SELECT count(DISTINCT change_id) FROM memory_history WHERE agent_id = %(agent_id)s::text) AS changes
