-- create --
INSERT INTO agents (agent_id, description, metadata, time_zone)
VALUES (%(agent_id)s::text, %(description)s::text, %(metadata)s::jsonb, %(time_zone)s::text)
ON CONFLICT DO NOTHING

-- list --
-- Every agent described or with rows, a page of them, or one. The bytes are its share of each table and its indexes, by rows.
WITH counted AS (
    SELECT agent_id, 'core_memories' AS name, count(*) AS rows FROM core_memories GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'archival_memories' AS name, count(*) AS rows FROM archival_memories GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'documents' AS name, count(*) AS rows FROM documents GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'document_chunks' AS name, count(*) AS rows FROM document_chunks GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'kg_entities' AS name, count(*) AS rows FROM kg_entities GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'kg_relationships' AS name, count(*) AS rows FROM kg_relationships GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'kg_mentions' AS name, count(*) AS rows FROM kg_mentions GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'kg_extractions' AS name, count(*) AS rows FROM kg_extractions GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'conversations' AS name, count(*) AS rows FROM conversations GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'intent_examples' AS name, count(*) AS rows FROM intent_examples GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'agent_turns' AS name, count(*) AS rows FROM agent_turns GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'agent_steps' AS name, count(*) AS rows FROM agent_steps GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'proposals' AS name, count(*) AS rows FROM proposals GROUP BY agent_id
    UNION ALL
    SELECT agent_id, 'memory_history' AS name, count(*) AS rows FROM memory_history GROUP BY agent_id
),
shares AS (
    SELECT
        agent_id, name, rows,
        rows * pg_total_relation_size(name::regclass) / sum(rows) OVER (PARTITION BY name) AS bytes
    FROM counted
),
sizes AS (
    SELECT agent_id, jsonb_object_agg(name, rows) AS rows, sum(bytes)::bigint AS bytes FROM shares GROUP BY agent_id
)
SELECT
    agent_id, coalesce(a.description, '') AS description, coalesce(a.metadata, '{}') AS metadata, a.time_zone, a.created_at,
    a.updated_at, coalesce(s.rows, '{}') AS rows, coalesce(s.bytes, 0) AS bytes
FROM agents a
FULL JOIN sizes s USING (agent_id)
WHERE (%(agent_id)s::text IS NULL OR agent_id = %(agent_id)s::text)
    AND (%(after)s::text IS NULL OR agent_id > %(after)s::text)
ORDER BY agent_id
LIMIT %(limit)s::integer

-- occupied --
-- Whether an agent is described or has rows.
SELECT
    EXISTS (SELECT FROM agents WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM core_memories WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM archival_memories WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM documents WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM document_chunks WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM kg_entities WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM kg_relationships WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM conversations WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM intent_examples WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM agent_turns WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM agent_steps WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM proposals WHERE agent_id = %(agent_id)s::text)
    OR EXISTS (SELECT FROM memory_history WHERE agent_id = %(agent_id)s::text)

-- copy --
-- Copies a whole memory to another agent: the keys are (agent_id, id), so ids and references carry over. One statement,
-- so that all tables are copied as they are at one moment.
WITH copied_agents AS (
    INSERT INTO agents (agent_id, description, metadata, functional_types, time_zone, created_at)
    SELECT %(target)s::text, description, metadata, functional_types, time_zone, created_at
    FROM agents WHERE agent_id = %(source)s::text
),
copied_core_memories AS (
    INSERT INTO core_memories (
        agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
        updated_at)
    SELECT
        %(target)s::text, id, label, value, description, "limit", read_only, shared_with, version, metadata,
        created_at, updated_at
    FROM core_memories WHERE agent_id = %(source)s::text
),
copied_archival_memories AS (
    INSERT INTO archival_memories (
        agent_id, id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at,
        superseded_by, accessed_at, access_count, embedding_model, embedding)
    SELECT
        %(target)s::text, id, text, tags, importance, source, metadata, language, created_at, expires_at,
        superseded_at, superseded_by, accessed_at, access_count, embedding_model, embedding
    FROM archival_memories WHERE agent_id = %(source)s::text
),
copied_documents AS (
    INSERT INTO documents (
        agent_id, id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at)
    SELECT
        %(target)s::text, id, title, source, media_type, content_hash, tokens, metadata, created_at, updated_at
    FROM documents WHERE agent_id = %(source)s::text
),
copied_document_chunks AS (
    INSERT INTO document_chunks (
        agent_id, id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(target)s::text, id, document_id, chunk_index, chunk_text, heading_path, page, char_start, char_end, tokens,
        metadata, language, created_at, embedding_model, embedding
    FROM document_chunks WHERE agent_id = %(source)s::text
),
copied_kg_entities AS (
    INSERT INTO kg_entities (
        agent_id, id, name, type, aliases, description, properties, language, created_at, updated_at, merged_into,
        merged_at, embedding_model, embedding)
    SELECT
        %(target)s::text, id, name, type, aliases, description, properties, language, created_at, updated_at,
        merged_into, merged_at, embedding_model, embedding
    FROM kg_entities WHERE agent_id = %(source)s::text
),
copied_kg_relationships AS (
    INSERT INTO kg_relationships (
        agent_id, id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        superseded_at, provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(target)s::text, id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        superseded_at, provenance_kind, provenance_id, language, embedding_model, embedding
    FROM kg_relationships WHERE agent_id = %(source)s::text
),
copied_mentions AS (
    INSERT INTO kg_mentions (agent_id, name, kind, row_id, text_hash)
    SELECT %(target)s::text, name, kind, row_id, text_hash FROM kg_mentions WHERE agent_id = %(source)s::text
),
copied_conversations AS (
    INSERT INTO conversations (
        agent_id, id, session, role, name, content, intent, intent_confidence, tokens, tool_calls, tool_call_id,
        metadata, language, created_at, embedding_model, embedding)
    SELECT
        %(target)s::text, id, session, role, name, content, intent, intent_confidence, tokens, tool_calls,
        tool_call_id, metadata, language, created_at, embedding_model, embedding
    FROM conversations WHERE agent_id = %(source)s::text
),
copied_extractions AS (
    INSERT INTO kg_extractions (
        agent_id, recipe, kind, row_id, model, text_hash, answer, reason, attempts, input_tokens, output_tokens, cost,
        extracted_at, applied_at)
    SELECT
        %(target)s::text, recipe, kind, row_id, model, text_hash, answer, reason, attempts, input_tokens, output_tokens,
        cost, extracted_at, applied_at
    FROM kg_extractions WHERE agent_id = %(source)s::text
),
copied_intent_examples AS (
    INSERT INTO intent_examples (
        agent_id, id, intent, text, created_at)
    SELECT
        %(target)s::text, id, intent, text, created_at
    FROM intent_examples WHERE agent_id = %(source)s::text
),
copied_agent_turns AS (
    INSERT INTO agent_turns (
        agent_id, id, session, message_id, status, reason, runner, started_at, ended_at)
    SELECT
        %(target)s::text, id, session, message_id, status, reason, runner, started_at, ended_at
    FROM agent_turns WHERE agent_id = %(source)s::text
),
copied_agent_steps AS (
    INSERT INTO agent_steps (
        agent_id, id, turn_id, number, session, kind, model, system, tools, message_ids, longest, sent_hash,
        tokens_by_part, answer_id, calls, calls_done, summary, summary_until, summary_until_id, input_tokens,
        output_tokens, cost, seconds, finish_reason, created_at)
    SELECT
        %(target)s::text, id, turn_id, number, session, kind, model, system, tools, message_ids, longest, sent_hash,
        tokens_by_part, answer_id, calls, calls_done, summary, summary_until, summary_until_id, input_tokens,
        output_tokens, cost, seconds, finish_reason, created_at
    FROM agent_steps WHERE agent_id = %(source)s::text
),
copied_proposals AS (
    INSERT INTO proposals (
        agent_id, id, kind, status, reason, score, about, evidence, change, fingerprint, change_id, actor, created_at,
        decided_at)
    SELECT
        %(target)s::text, id, kind, status, reason, score, about, evidence, change, fingerprint, change_id, actor,
        created_at, decided_at
    FROM proposals WHERE agent_id = %(source)s::text
)
INSERT INTO memory_history (
    agent_id, id, changed_at, change_id, actor, kind, row_id, action, old, undoes, old_embedding)
SELECT
    %(target)s::text, id, changed_at, change_id, actor, kind, row_id, action, old, undoes, old_embedding
FROM memory_history WHERE agent_id = %(source)s::text

-- reshare --
-- Blocks that were shared with an agent are shared with its new name.
WITH before AS (
    SELECT
        agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
        updated_at
    FROM core_memories
    WHERE shared_with @> ARRAY[%(agent_id)s::text]
    FOR UPDATE
),
changed AS (
    UPDATE core_memories m SET
        shared_with = array_replace(b.shared_with, %(agent_id)s::text, %(target)s::text),
        version = b.version + 1,
        updated_at = now()
    FROM before b
    WHERE m.agent_id = b.agent_id AND m.id = b.id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
SELECT agent_id, %(change_id)s::uuid, %(actor)s::text, 'block', id, 'update', to_jsonb(b) - 'agent_id' FROM before b
