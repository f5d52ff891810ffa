-- sizes --
-- Embedded rows of one agent by kind, read from the covering indexes: how many candidates a search must look at.
SELECT
    (SELECT count(*) FROM archival_memories
     WHERE agent_id = %(agent_id)s::text AND embedding_bits IS NOT NULL AND superseded_at IS NULL) AS archival,
    (SELECT count(*) FROM conversations
     WHERE agent_id = %(agent_id)s::text AND embedding_bits IS NOT NULL) AS message,
    (SELECT count(*) FROM document_chunks
     WHERE agent_id = %(agent_id)s::text AND embedding_bits IS NOT NULL) AS chunk,
    (SELECT count(*) FROM kg_relationships
     WHERE agent_id = %(agent_id)s::text AND embedding_bits IS NOT NULL AND superseded_at IS NULL) AS fact

-- archival_near --
-- Candidates by their bits: an index-only scan of the agent's rows. What the filters need would make it read the table,
-- so each kind has a form without and a form with filters.
SELECT x.id FROM archival_memories x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND x.superseded_at IS NULL
    AND (x.expires_at IS NULL OR x.expires_at > now())
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(archival_candidates)s::integer

-- archival_near_filtered --
SELECT x.id FROM archival_memories x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND x.superseded_at IS NULL
    AND (x.expires_at IS NULL OR x.expires_at > now())
    AND (%(tags)s::text[] IS NULL OR x.tags @> %(tags)s::text[])
    AND (%(since)s::timestamptz IS NULL OR x.created_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR x.created_at < %(until)s::timestamptz)
    AND (%(metadata)s::jsonb IS NULL OR x.metadata @> %(metadata)s::jsonb)
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(archival_candidates)s::integer

-- archival_nearest --
SELECT
    'archival' AS kind, m.id, m.text, m.metadata, m.created_at,
    jsonb_build_object('tags', m.tags, 'source', m.source, 'importance', m.importance) AS source,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
ORDER BY m.embedding <=> %(embedding)s::vector, m.id
LIMIT %(limit)s::integer

-- message_near --
SELECT x.id FROM conversations x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(message_candidates)s::integer

-- message_near_filtered --
SELECT x.id FROM conversations x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND %(tags)s::text[] IS NULL
    AND (%(since)s::timestamptz IS NULL OR x.created_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR x.created_at < %(until)s::timestamptz)
    AND (%(metadata)s::jsonb IS NULL OR x.metadata @> %(metadata)s::jsonb)
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(message_candidates)s::integer

-- message_nearest --
SELECT
    'message' AS kind, m.id, m.content AS text, m.metadata, m.created_at,
    jsonb_build_object('session', m.session, 'role', m.role, 'name', m.name, 'intent', m.intent) AS source,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM conversations m
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
ORDER BY m.embedding <=> %(embedding)s::vector, m.id
LIMIT %(limit)s::integer

-- chunk_near --
SELECT x.id FROM document_chunks x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(chunk_candidates)s::integer

-- chunk_near_filtered --
SELECT x.id FROM document_chunks x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND %(tags)s::text[] IS NULL
    AND (%(since)s::timestamptz IS NULL OR x.created_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR x.created_at < %(until)s::timestamptz)
    AND (%(metadata)s::jsonb IS NULL OR x.metadata @> %(metadata)s::jsonb)
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(chunk_candidates)s::integer

-- chunk_nearest --
SELECT
    'chunk' AS kind, m.id, m.chunk_text AS text, m.metadata, m.created_at,
    jsonb_build_object(
        'document_id', m.document_id, 'title', d.title, 'source', d.source, 'chunk_index', m.chunk_index,
        'page', m.page, 'heading_path', m.heading_path, 'char_start', m.char_start, 'char_end', m.char_end) AS source,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM document_chunks m
LEFT JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = m.document_id
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
ORDER BY m.embedding <=> %(embedding)s::vector, m.id
LIMIT %(limit)s::integer

-- fact_near --
SELECT x.id FROM kg_relationships x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND x.superseded_at IS NULL
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(fact_candidates)s::integer

-- fact_near_filtered --
SELECT x.id FROM kg_relationships x
WHERE x.agent_id = %(agent_id)s::text AND x.embedding_bits IS NOT NULL AND x.superseded_at IS NULL
    AND %(tags)s::text[] IS NULL
    AND (%(since)s::timestamptz IS NULL OR coalesce(x.valid_from, x.recorded_at) >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR coalesce(x.valid_from, x.recorded_at) < %(until)s::timestamptz)
    AND (%(metadata)s::jsonb IS NULL OR x.properties @> %(metadata)s::jsonb)
ORDER BY x.embedding_bits <~> (SELECT binary_quantize(%(embedding)s::vector))
LIMIT %(fact_candidates)s::integer

-- fact_nearest --
SELECT
    'fact' AS kind, m.id, m.fact AS text, m.properties AS metadata, m.recorded_at AS created_at,
    jsonb_build_object(
        'source', s.name, 'type', m.type, 'target', t.name, 'valid_from', m.valid_from, 'valid_to', m.valid_to,
        'provenance_kind', m.provenance_kind, 'provenance_id', m.provenance_id) AS source,
    1 - (m.embedding <=> %(embedding)s::vector) AS similarity
FROM kg_relationships m
JOIN kg_entities s ON s.agent_id = %(agent_id)s::text AND s.id = m.source_id
JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.id = m.target_id
WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY({near}))
ORDER BY m.embedding <=> %(embedding)s::vector, m.id
LIMIT %(limit)s::integer
