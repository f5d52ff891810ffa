-- lock_agent --
-- One undo at a time for an agent.
SELECT agent_id FROM agents WHERE agent_id = %(agent_id)s::text FOR UPDATE

-- undos --
-- Which change took back which, oldest first.
SELECT change_id, undoes FROM memory_history
WHERE agent_id = %(agent_id)s::text AND undoes IS NOT NULL
GROUP BY change_id, undoes
ORDER BY min(id)

-- last_change --
-- The newest change that is no undo and is not taken back.
SELECT change_id FROM memory_history
WHERE agent_id = %(agent_id)s::text AND undoes IS NULL AND change_id <> ALL (%(undone)s::uuid[])
ORDER BY id DESC
LIMIT 1

-- steps --
-- What one change did, oldest first.
SELECT id, kind, row_id, undoes, old IS NOT NULL AS existed, old_embedding IS NOT NULL AS has_vector
FROM memory_history
WHERE agent_id = %(agent_id)s::text AND change_id = %(change_id)s::uuid
ORDER BY id

-- later --
-- What happened afterwards to the rows of a change, newest first; our own undo of it does not count.
SELECT h.id, h.kind, h.row_id, h.change_id, h.undoes, h.actor, h.changed_at
FROM memory_history c
JOIN memory_history h
    ON h.agent_id = %(agent_id)s::text AND h.kind = c.kind AND h.row_id = c.row_id AND h.id > c.id
WHERE c.agent_id = %(agent_id)s::text AND c.id = ANY (%(entries)s::bigint[])
    AND h.change_id <> %(undone)s::uuid AND h.change_id <> %(change_id)s::uuid
ORDER BY h.id DESC

-- put_*: rows as they were before a change, read from its entries; a row that is gone comes back with its id. target reads
-- before, so that the rows are locked and read before they are written.
-- The vector is the one an entry of the change kept; where none did, the row keeps the vector it has. A vector of
-- another model than the active one stays away: it would be compared with vectors it has nothing to do with.
-- delete_*: rows a change had made. A row that later ones depend on stays, and is missing from the answer.
-- *_as_of: the first later change of a row tells what it was; a row without one is as it is now. The last change that had
-- begun by then counts as a whole, for its entries are some microseconds apart.

-- entries --
-- The history, newest first. The row after a change is what the next change of that row found, or the live row.
SELECT
    h.id, h.change_id, h.changed_at, h.actor, h.kind, h.row_id, h.action, h.old, h.undoes,
    CASE WHEN n.id IS NOT NULL THEN n.old ELSE
        CASE h.kind
            WHEN 'block' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
                    updated_at
                FROM core_memories WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'archival' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at,
                    superseded_by, accessed_at, access_count, embedding_model
                FROM archival_memories WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'message' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id,
                    metadata, language, created_at, embedding_model
                FROM conversations WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'document' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
                FROM documents WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'chunk' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens,
                    metadata, language, created_at, embedding_model
                FROM document_chunks WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'entity' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, name, type, aliases, description, properties, language, created_at, updated_at,
                    embedding_model
                FROM kg_entities WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
            WHEN 'fact' THEN (SELECT to_jsonb(r) FROM (
                SELECT
                    id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
                    superseded_at, provenance_kind, provenance_id, language, embedding_model
                FROM kg_relationships WHERE agent_id = %(agent_id)s::text AND id = h.row_id) r)
        END
    END AS new
FROM memory_history h
LEFT JOIN LATERAL (
    SELECT x.id, x.old FROM memory_history x
    WHERE x.agent_id = %(agent_id)s::text AND x.kind = h.kind AND x.row_id = h.row_id AND x.id > h.id
    ORDER BY x.id
    LIMIT 1
) n ON true
WHERE h.agent_id = %(agent_id)s::text
    AND (%(kind)s::text IS NULL OR h.kind = %(kind)s::text)
    AND (%(row_id)s::bigint IS NULL OR h.row_id = %(row_id)s::bigint)
    AND (%(change_id)s::uuid IS NULL OR h.change_id = %(change_id)s::uuid)
    AND (%(before)s::bigint IS NULL OR h.id < %(before)s::bigint)
    AND (%(label)s::text IS NULL OR h.kind = 'block' AND h.row_id IN (
        SELECT b.id FROM core_memories b WHERE b.agent_id = %(agent_id)s::text AND b.label = %(label)s::text
        UNION ALL
        SELECT b.row_id FROM memory_history b
        WHERE b.agent_id = %(agent_id)s::text AND b.kind = 'block' AND b.old ->> 'label' = %(label)s::text))
ORDER BY h.id DESC
LIMIT %(limit)s::bigint

-- put_block --
WITH before AS (
    SELECT
        id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
    FROM core_memories
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.label, t.value, t.description, t."limit", t.read_only, t.shared_with,
        coalesce(m.version, t.version) + 1 AS version, t.metadata, t.created_at, clock_timestamp() AS updated_at,
        m.id IS NOT NULL AS existed
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::core_memories, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO core_memories (
        agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
        updated_at)
    SELECT
        %(agent_id)s::text, id, label, value, description, "limit", read_only, shared_with, version, metadata,
        created_at, updated_at
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        label = excluded.label, value = excluded.value, description = excluded.description,
        "limit" = excluded."limit", read_only = excluded.read_only, shared_with = excluded.shared_with,
        version = excluded.version, metadata = excluded.metadata, created_at = excluded.created_at,
        updated_at = excluded.updated_at
    RETURNING id
)
INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action, undoes, old)
SELECT
    %(agent_id)s::text, t.updated_at, %(change_id)s::uuid, %(actor)s::text, 'block', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b)
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_block --
WITH gone AS (
    DELETE FROM core_memories m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
    RETURNING
        id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'block', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g)
FROM gone g
RETURNING row_id

-- put_archival --
WITH before AS (
    SELECT
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model, embedding
    FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.text, t.tags, t.importance, t.source, t.metadata, t.language, t.created_at, t.expires_at,
        t.superseded_at, t.superseded_by, t.accessed_at, t.access_count, m.id IS NOT NULL AS existed,
        CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END
            AS embedding_model,
        CASE WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
            WHEN a.name IS NOT NULL THEN e.old_embedding END AS embedding
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::archival_memories, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = 'archival'
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = t.embedding_model AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO archival_memories (
        agent_id, id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at,
        superseded_by, accessed_at, access_count, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, id, text, tags, importance, source, metadata, language, created_at, expires_at,
        superseded_at, superseded_by, accessed_at, access_count, embedding_model, embedding
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        text = excluded.text, tags = excluded.tags, importance = excluded.importance, source = excluded.source,
        metadata = excluded.metadata, language = excluded.language, created_at = excluded.created_at,
        expires_at = excluded.expires_at, superseded_at = excluded.superseded_at,
        superseded_by = excluded.superseded_by, embedding_model = excluded.embedding_model,
        embedding = excluded.embedding
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN b.embedding IS DISTINCT FROM t.embedding THEN b.embedding END
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_archival --
WITH gone AS (
    DELETE FROM archival_memories m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
    RETURNING
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- put_message --
WITH before AS (
    SELECT
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata,
        language, created_at, embedding_model, embedding
    FROM conversations
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.session, t.role, t.name, t.content, t.intent, t.intent_confidence, t.tokens, t.tool_calls,
        t.tool_call_id, t.metadata, t.language, t.created_at, m.id IS NOT NULL AS existed,
        CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END
            AS embedding_model,
        CASE WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
            WHEN a.name IS NOT NULL THEN e.old_embedding END AS embedding
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::conversations, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = 'message'
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = t.embedding_model AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO conversations (
        agent_id, id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, id, session, role, name, content, intent, intent_confidence, tokens, tool_calls,
        tool_call_id, metadata, language, created_at, embedding_model, embedding
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        session = excluded.session, role = excluded.role, name = excluded.name, content = excluded.content,
        intent = excluded.intent, intent_confidence = excluded.intent_confidence, tokens = excluded.tokens,
        tool_calls = excluded.tool_calls, tool_call_id = excluded.tool_call_id, metadata = excluded.metadata,
        language = excluded.language, created_at = excluded.created_at, embedding_model = excluded.embedding_model,
        embedding = excluded.embedding
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN b.embedding IS DISTINCT FROM t.embedding THEN b.embedding END
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_message --
WITH gone AS (
    DELETE FROM conversations m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
    RETURNING
        id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id, metadata,
        language, created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- put_document --
WITH before AS (
    SELECT
        id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM documents
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.title, t.source, t.media_type, t.content_hash, t.tokens, t.metadata, t.created_at,
        now() AS updated_at, m.id IS NOT NULL AS existed
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::documents, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO documents (
        agent_id, id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at)
    SELECT
        %(agent_id)s::text, id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        title = excluded.title, source = excluded.source, media_type = excluded.media_type,
        content_hash = excluded.content_hash, tokens = excluded.tokens, metadata = excluded.metadata,
        created_at = excluded.created_at, updated_at = excluded.updated_at
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b)
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_document --
WITH gone AS (
    DELETE FROM documents m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
        AND NOT EXISTS (
            SELECT FROM document_chunks c WHERE c.agent_id = %(agent_id)s::text AND c.document_id = m.id)
    RETURNING
        id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g)
FROM gone g
RETURNING row_id

-- put_chunk --
WITH before AS (
    SELECT
        id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata,
        language, created_at, embedding_model, embedding
    FROM document_chunks
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.document_id, t.chunk_index, t.chunk_text, t.heading_path, t.page, t.char_start, t.char_end, t.tokens,
        t.metadata, t.language, t.created_at, m.id IS NOT NULL AS existed,
        CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END
            AS embedding_model,
        CASE WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
            WHEN a.name IS NOT NULL THEN e.old_embedding END AS embedding
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::document_chunks, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = 'chunk'
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = t.embedding_model AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO document_chunks (
        agent_id, id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end,
        tokens, metadata, language, created_at, embedding_model, embedding
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        document_id = excluded.document_id, chunk_index = excluded.chunk_index, chunk_text = excluded.chunk_text,
        heading_path = excluded.heading_path, page = excluded.page, char_start = excluded.char_start,
        char_end = excluded.char_end, tokens = excluded.tokens, metadata = excluded.metadata,
        language = excluded.language, created_at = excluded.created_at, embedding_model = excluded.embedding_model,
        embedding = excluded.embedding
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN b.embedding IS DISTINCT FROM t.embedding THEN b.embedding END
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_chunk --
WITH gone AS (
    DELETE FROM document_chunks m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
    RETURNING
        id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens, metadata,
        language, created_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- put_entity --
WITH before AS (
    SELECT
        id, name, type, aliases, description, properties, language, created_at, updated_at, embedding_model, embedding
    FROM kg_entities
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.name, t.type, t.aliases, t.description, t.properties, t.language, t.created_at, now() AS updated_at,
        m.id IS NOT NULL AS existed,
        CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END
            AS embedding_model,
        CASE WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
            WHEN a.name IS NOT NULL THEN e.old_embedding END AS embedding
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_entities, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = 'entity'
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = t.embedding_model AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO kg_entities (
        agent_id, id, name, type, aliases, description, properties, language, created_at, updated_at, embedding_model,
        embedding)
    SELECT
        %(agent_id)s::text, id, name, type, aliases, description, properties, language, created_at, updated_at,
        embedding_model, embedding
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        name = excluded.name, type = excluded.type, aliases = excluded.aliases, description = excluded.description,
        properties = excluded.properties, language = excluded.language, created_at = excluded.created_at,
        updated_at = excluded.updated_at, embedding_model = excluded.embedding_model, embedding = excluded.embedding
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN b.embedding IS DISTINCT FROM t.embedding THEN b.embedding END
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_entity --
WITH gone AS (
    DELETE FROM kg_entities m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
        AND NOT EXISTS (
            SELECT FROM kg_relationships r WHERE r.agent_id = %(agent_id)s::text AND r.source_id = m.id)
        AND NOT EXISTS (
            SELECT FROM kg_relationships r WHERE r.agent_id = %(agent_id)s::text AND r.target_id = m.id)
    RETURNING
        id, name, type, aliases, description, properties, language, created_at, updated_at, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- put_fact --
WITH before AS (
    SELECT
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
    FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND id IN (
        SELECT h.row_id FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[]))
    FOR UPDATE
),
target AS (
    SELECT
        t.id, t.source_id, t.target_id, t.type, t.fact, t.weight, t.properties, t.valid_from, t.valid_to,
        t.recorded_at, t.superseded_at, t.provenance_kind, t.provenance_id, t.language, m.id IS NOT NULL AS existed,
        CASE WHEN e.id IS NOT NULL THEN a.name WHEN t.embedding_model IS NOT NULL THEN m.embedding_model END
            AS embedding_model,
        CASE WHEN e.id IS NULL THEN CASE WHEN t.embedding_model IS NOT NULL THEN m.embedding END
            WHEN a.name IS NOT NULL THEN e.old_embedding END AS embedding
    FROM memory_history h
    CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_relationships, h.old) t
    LEFT JOIN before m ON m.id = h.row_id
    LEFT JOIN memory_history e
        ON e.agent_id = %(agent_id)s::text AND e.id = ANY (%(vectors)s::bigint[]) AND e.kind = 'fact'
            AND e.row_id = h.row_id
    LEFT JOIN embedding_models a
        ON a.active AND a.name = t.embedding_model AND a.dimensions = vector_dims(e.old_embedding)
    WHERE h.agent_id = %(agent_id)s::text AND h.id = ANY (%(entries)s::bigint[])
),
put AS (
    INSERT INTO kg_relationships (
        agent_id, id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        superseded_at, provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to,
        recorded_at, superseded_at, provenance_kind, provenance_id, language, embedding_model, embedding
    FROM target
    ON CONFLICT (agent_id, id) DO UPDATE SET
        source_id = excluded.source_id, target_id = excluded.target_id, type = excluded.type, fact = excluded.fact,
        weight = excluded.weight, properties = excluded.properties, valid_from = excluded.valid_from,
        valid_to = excluded.valid_to, recorded_at = excluded.recorded_at, superseded_at = excluded.superseded_at,
        provenance_kind = excluded.provenance_kind, provenance_id = excluded.provenance_id,
        language = excluded.language, embedding_model = excluded.embedding_model, embedding = excluded.embedding
    RETURNING id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', t.id,
    CASE WHEN t.existed THEN 'update' ELSE 'insert' END, %(undoes)s::uuid, to_jsonb(b) - 'embedding',
    CASE WHEN b.embedding IS DISTINCT FROM t.embedding THEN b.embedding END
FROM put p
JOIN target t ON t.id = p.id
LEFT JOIN before b ON b.id = p.id
RETURNING row_id

-- delete_fact --
WITH gone AS (
    DELETE FROM kg_relationships m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (%(ids)s::bigint[])
    RETURNING
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, undoes, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', g.id, 'delete', %(undoes)s::uuid,
    to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- block_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'block' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    %(agent_id)s::text AS agent_id, t.id, t.label, t.value, t.description, t."limit", t.read_only, t.shared_with,
    t.version, t.metadata, t.created_at, t.updated_at
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::core_memories, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    %(agent_id)s::text AS agent_id, m.id, m.label, m.value, m.description, m."limit", m.read_only, m.shared_with,
    m.version, m.metadata, m.created_at, m.updated_at
FROM core_memories m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- archival_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'archival' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.text, t.tags, t.importance, t.source, t.metadata, t.language, t.created_at, t.expires_at, t.superseded_at,
    t.superseded_by, t.accessed_at, t.access_count
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::archival_memories, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.text, m.tags, m.importance, m.source, m.metadata, m.language, m.created_at, m.expires_at, m.superseded_at,
    m.superseded_by, m.accessed_at, m.access_count
FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- message_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'message' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.session, t.role, t.name, t.content, t.intent, t.intent_confidence, t.tokens, t.tool_calls, t.tool_call_id,
    t.metadata, t.created_at
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::conversations, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.session, m.role, m.name, m.content, m.intent, m.intent_confidence, m.tokens, m.tool_calls, m.tool_call_id,
    m.metadata, m.created_at
FROM conversations m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- document_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'document' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.title, t.source, t.media_type, t.content_hash, t.tokens, t.metadata, t.created_at, t.updated_at
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::documents, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.title, m.source, m.media_type, m.content_hash, m.tokens, m.metadata, m.created_at, m.updated_at
FROM documents m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- chunk_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'chunk' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.document_id, t.chunk_index, t.chunk_text, t.heading_path, t.page, t.char_start, t.char_end, t.tokens,
    t.metadata, t.created_at
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::document_chunks, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.document_id, m.chunk_index, m.chunk_text, m.heading_path, m.page, m.char_start, m.char_end, m.tokens,
    m.metadata, m.created_at
FROM document_chunks m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- entity_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'entity' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.name, t.type, t.aliases, t.description, t.properties, t.created_at, t.updated_at
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_entities, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.name, m.type, m.aliases, m.description, m.properties, m.created_at, m.updated_at
FROM kg_entities m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id

-- fact_as_of --
WITH begun AS (
    SELECT change_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND changed_at <= %(time)s::timestamptz
    ORDER BY id DESC
    LIMIT 1
),
later AS (
    SELECT DISTINCT ON (row_id) row_id, old FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'fact' AND changed_at > %(time)s::timestamptz
        AND (%(id)s::bigint IS NULL OR row_id = %(id)s::bigint)
        AND change_id IS DISTINCT FROM (SELECT change_id FROM begun)
    ORDER BY row_id, id
)
SELECT
    t.id, t.source_id, t.target_id, t.type, t.fact, t.weight, t.properties, t.valid_from, t.valid_to, t.recorded_at,
    t.superseded_at, t.provenance_kind, t.provenance_id
FROM later l
CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_relationships, l.old) t
WHERE l.old IS NOT NULL
UNION ALL
SELECT
    m.id, m.source_id, m.target_id, m.type, m.fact, m.weight, m.properties, m.valid_from, m.valid_to, m.recorded_at,
    m.superseded_at, m.provenance_kind, m.provenance_id
FROM kg_relationships m
WHERE m.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR m.id = %(id)s::bigint)
    AND NOT EXISTS (SELECT FROM later l WHERE l.row_id = m.id)
ORDER BY id
