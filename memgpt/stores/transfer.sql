-- agent --
SELECT jsonb_build_object('agent_id', agent_id, 'description', description, 'metadata', metadata,
    'functional_types', functional_types)
FROM agents WHERE agent_id = %(agent_id)s::text

-- counts --
SELECT jsonb_build_object(
    'core_memories', (SELECT count(*) FROM core_memories WHERE agent_id = %(agent_id)s::text),
    'archival_memories', (SELECT count(*) FROM archival_memories WHERE agent_id = %(agent_id)s::text),
    'documents', (SELECT count(*) FROM documents WHERE agent_id = %(agent_id)s::text),
    'document_chunks', (SELECT count(*) FROM document_chunks WHERE agent_id = %(agent_id)s::text),
    'kg_entities', (SELECT count(*) FROM kg_entities WHERE agent_id = %(agent_id)s::text),
    'kg_relationships', (SELECT count(*) FROM kg_relationships WHERE agent_id = %(agent_id)s::text),
    'conversations', (SELECT count(*) FROM conversations WHERE agent_id = %(agent_id)s::text),
    'intent_examples', (SELECT count(*) FROM intent_examples WHERE agent_id = %(agent_id)s::text),
    'agent_turns', (SELECT count(*) FROM agent_turns WHERE agent_id = %(agent_id)s::text),
    'agent_steps', (SELECT count(*) FROM agent_steps WHERE agent_id = %(agent_id)s::text),
    'memory_history', (SELECT count(*) FROM memory_history WHERE agent_id = %(agent_id)s::text))

-- model --
SELECT jsonb_build_object('name', name, 'dimensions', dimensions) FROM embedding_models WHERE active

-- describe --
-- An imported agent keeps its description, unless there is an agent of that name already.
INSERT INTO agents (agent_id, description, metadata, functional_types)
VALUES (%(agent_id)s::text, %(description)s::text, %(metadata)s::jsonb, %(functional_types)b::text[])
ON CONFLICT DO NOTHING

-- advance --
-- Moves the identity sequences past the imported ids; those that are past them already stay where they are.
SELECT setval(s.sequence, i.largest)
FROM unnest(%(tables)b::text[], %(largest)b::bigint[]) AS i (name, largest)
CROSS JOIN LATERAL (SELECT pg_get_serial_sequence(i.name, 'id')::regclass AS sequence) AS s
CROSS JOIN LATERAL (SELECT nextval(s.sequence) AS current) AS c
WHERE i.largest > c.current

-- export_core_memories --
SELECT to_jsonb(r)::text, NULL::vector
FROM core_memories t
CROSS JOIN LATERAL (SELECT
    t.id, t.label, t.value, t.description, t."limit", t.read_only, t.shared_with, t.version, t.metadata, t.created_at,
    t.updated_at
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_archival_memories --
SELECT to_jsonb(r)::text, t.embedding
FROM archival_memories t
CROSS JOIN LATERAL (SELECT
    t.id, t.text, t.tags, t.importance, t.source, t.metadata, t.language, t.created_at, t.expires_at, t.superseded_at,
    t.superseded_by, t.accessed_at, t.access_count, t.embedding_model
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_documents --
SELECT to_jsonb(r)::text, NULL::vector
FROM documents t
CROSS JOIN LATERAL (SELECT
    t.id, t.title, t.source, t.media_type, t.content_hash, t.tokens, t.metadata, t.created_at, t.updated_at
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_document_chunks --
SELECT to_jsonb(r)::text, t.embedding
FROM document_chunks t
CROSS JOIN LATERAL (SELECT
    t.id, t.document_id, t.chunk_index, t.chunk_text, t.heading_path, t.page, t.char_start, t.char_end, t.tokens,
    t.metadata, t.language, t.created_at, t.embedding_model
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_kg_entities --
SELECT to_jsonb(r)::text, t.embedding
FROM kg_entities t
CROSS JOIN LATERAL (SELECT
    t.id, t.name, t.type, t.aliases, t.description, t.properties, t.language, t.created_at, t.updated_at,
    t.embedding_model
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_kg_relationships --
SELECT to_jsonb(r)::text, t.embedding
FROM kg_relationships t
CROSS JOIN LATERAL (SELECT
    t.id, t.source_id, t.target_id, t.type, t.fact, t.weight, t.properties, t.valid_from, t.valid_to, t.recorded_at,
    t.superseded_at, t.provenance_kind, t.provenance_id, t.language, t.embedding_model
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_conversations --
SELECT to_jsonb(r)::text, t.embedding
FROM conversations t
CROSS JOIN LATERAL (SELECT
    t.id, t.session, t.role, t.name, t.content, t.intent, t.intent_confidence, t.tokens, t.tool_calls, t.tool_call_id,
    t.metadata, t.language, t.created_at, t.embedding_model
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_intent_examples --
SELECT to_jsonb(r)::text, NULL::vector
FROM intent_examples t
CROSS JOIN LATERAL (SELECT
    t.id, t.intent, t.text, t.created_at
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_agent_turns --
SELECT to_jsonb(r)::text, NULL::vector
FROM agent_turns t
CROSS JOIN LATERAL (SELECT
    t.id, t.session, t.message_id, t.status, t.reason, t.runner, t.started_at, t.ended_at
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_agent_steps --
SELECT to_jsonb(r)::text, NULL::vector
FROM agent_steps t
CROSS JOIN LATERAL (SELECT
    t.id, t.turn_id, t.number, t.session, t.kind, t.model, t.system, t.tools, t.message_ids, t.longest, t.sent_hash,
    t.tokens_by_part, t.answer_id, t.calls, t.calls_done, t.summary, t.summary_until, t.summary_until_id,
    t.input_tokens, t.output_tokens, t.cost, t.seconds, t.finish_reason, t.created_at
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- export_memory_history --
SELECT to_jsonb(r)::text, t.old_embedding
FROM memory_history t
CROSS JOIN LATERAL (SELECT
    t.id, t.changed_at, t.change_id, t.actor, t.kind, t.row_id, t.action, t.old, t.undoes
) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- import_core_memories --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::core_memories, i.line) AS r
),
inserted AS (
    INSERT INTO core_memories (
        agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
        updated_at)
    SELECT
        %(agent_id)s::text, n.id, n.label, n.value, n.description, n."limit", n.read_only, n.shared_with, n.version,
        n.metadata, n.created_at, n.updated_at
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'block', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN core_memories t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_archival_memories --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::archival_memories, i.line) AS r
),
inserted AS (
    INSERT INTO archival_memories (
        agent_id, id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at,
        superseded_by, accessed_at, access_count, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.id, n.text, n.tags, n.importance, n.source, n.metadata, n.language, n.created_at,
        n.expires_at, n.superseded_at, n.superseded_by, n.accessed_at, n.access_count,
        CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END, n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, embedding_model, embedding, embedding_bits,
            embedding_next, embedding_next_bits, embedding_next_model, embedding_next_hash,
            embedding_previous, embedding_previous_bits, embedding_previous_model, embedding_previous_hash, search,
            text_hash, accessed_at, access_count}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN archival_memories t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_documents --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::documents, i.line) AS r
),
inserted AS (
    INSERT INTO documents (
        agent_id, id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at)
    SELECT
        %(agent_id)s::text, n.id, n.title, n.source, n.media_type, n.content_hash, n.tokens, n.metadata, n.created_at,
        n.updated_at
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'document', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN documents t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_document_chunks --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::document_chunks, i.line) AS r
),
inserted AS (
    INSERT INTO document_chunks (
        agent_id, id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.id, n.document_id, n.chunk_index, n.chunk_text, n.heading_path, n.page, n.char_start,
        n.char_end, n.tokens, n.metadata, n.language, n.created_at,
        CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END, n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'chunk', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, embedding_model, embedding, embedding_bits,
            embedding_next, embedding_next_bits, embedding_next_model, embedding_next_hash,
            embedding_previous, embedding_previous_bits, embedding_previous_model, embedding_previous_hash, search}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN document_chunks t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_kg_entities --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_entities, i.line) AS r
),
inserted AS (
    INSERT INTO kg_entities (
        agent_id, id, name, type, aliases, description, properties, language, created_at, updated_at, embedding_model,
        embedding)
    SELECT
        %(agent_id)s::text, n.id, n.name, n.type, n.aliases, n.description, n.properties, n.language, n.created_at,
        n.updated_at,
        CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END, n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, embedding_model, embedding, embedding_bits,
            embedding_next, embedding_next_bits, embedding_next_model, embedding_next_hash,
            embedding_previous, embedding_previous_bits, embedding_previous_model, embedding_previous_hash, name_keys}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_kg_relationships --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::kg_relationships, i.line) AS r
),
inserted AS (
    INSERT INTO kg_relationships (
        agent_id, id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        superseded_at, provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.id, n.source_id, n.target_id, n.type, n.fact, n.weight, n.properties, n.valid_from,
        n.valid_to, n.recorded_at, n.superseded_at, n.provenance_kind, n.provenance_id, n.language,
        CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END, n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, embedding_model, embedding, embedding_bits,
            embedding_next, embedding_next_bits, embedding_next_model, embedding_next_hash,
            embedding_previous, embedding_previous_bits, embedding_previous_model, embedding_previous_hash, search}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN kg_relationships t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_conversations --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::conversations, i.line) AS r
),
inserted AS (
    INSERT INTO conversations (
        agent_id, id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.id, n.session, n.role, n.name, n.content, n.intent, n.intent_confidence, n.tokens,
        n.tool_calls, n.tool_call_id, n.metadata, n.language, n.created_at,
        CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END, n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'message', id, 'insert' FROM inserted
    WHERE %(logged)s::boolean
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, embedding_model, embedding, embedding_bits,
            embedding_next, embedding_next_bits, embedding_next_model, embedding_next_hash,
            embedding_previous, embedding_previous_bits, embedding_previous_model, embedding_previous_hash, search}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN conversations t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_intent_examples --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::intent_examples, i.line) AS r
),
inserted AS (
    INSERT INTO intent_examples (
        agent_id, id, intent, text, created_at)
    SELECT
        %(agent_id)s::text, n.id, n.intent, n.text, n.created_at
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN intent_examples t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_agent_turns --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::agent_turns, i.line) AS r
),
inserted AS (
    INSERT INTO agent_turns (
        agent_id, id, session, message_id, status, reason, runner, started_at, ended_at)
    SELECT
        %(agent_id)s::text, n.id, n.session, n.message_id, n.status, n.reason, n.runner, n.started_at, n.ended_at
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN agent_turns t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_agent_steps --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::agent_steps, i.line) AS r
),
inserted AS (
    INSERT INTO agent_steps (
        agent_id, id, turn_id, number, session, kind, model, system, tools, message_ids, longest, sent_hash,
        tokens_by_part, answer_id, calls, calls_done, summary, summary_until, summary_until_id, input_tokens,
        output_tokens, cost, seconds, finish_reason, created_at)
    SELECT
        %(agent_id)s::text, n.id, n.turn_id, n.number, n.session, n.kind, n.model, n.system, n.tools, n.message_ids,
        n.longest, n.sent_hash, n.tokens_by_part, n.answer_id, n.calls, n.calls_done, n.summary, n.summary_until,
        n.summary_until_id, n.input_tokens, n.output_tokens, n.cost, n.seconds, n.finish_reason, n.created_at
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN agent_steps t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- import_memory_history --
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::memory_history, i.line) AS r
),
inserted AS (
    INSERT INTO memory_history (
        agent_id, id, changed_at, change_id, actor, kind, row_id, action, old, undoes, old_embedding)
    SELECT
        %(agent_id)s::text, n.id, n.changed_at, n.change_id, n.actor, n.kind, n.row_id, n.action, n.old, n.undoes,
        n.vector
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        to_jsonb(t) - x.skipped
        <> to_jsonb(n) - x.skipped
        OR n.given AND t.old_embedding IS DISTINCT FROM n.vector) AS differs
FROM incoming n
CROSS JOIN (SELECT '{agent_id, ord, vector, given, old_embedding}'::text[] AS skipped) AS x
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN memory_history t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord
