-- forget --
-- Removes rows of one kind, what is derived from them, and (unless it is kept) their history; answers how many rows of each
-- table, and where vectors are kept what the texts were that were embedded.
-- What is derived may be gone already and live in the history only, so both are searched: a document's chunks; the facts
-- learned from the row or from its chunks; the facts about an entity; the summaries of conversations that a message is in
-- (an agent makes them anew), examples of an intent with its words, and the system prompts that quote blocks and summaries;
-- what was merged into an entity; what a model answered to the texts that forgotten facts were taken from (a text that was
-- read is not read again); proposals about any of them; what jobs were asked for and say, which is files, titles
-- and words of anything (those under way say nothing in the end).
WITH RECURSIVE chunk AS (
    SELECT id FROM document_chunks
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'document' AND document_id = ANY (%(ids)s::bigint[])
    UNION
    SELECT row_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'document' AND kind = 'chunk'
        AND (old ->> 'document_id')::bigint = ANY (%(ids)s::bigint[])
),
merged AS (
    SELECT e.id FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND %(kind)s::text = 'entity' AND e.merged_into = ANY (%(ids)s::bigint[])
    UNION
    SELECT e.id FROM merged m
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.merged_into = m.id
),
source AS (
    SELECT %(kind)s::text AS kind, unnest(%(ids)s::bigint[]) AS id
    UNION ALL
    SELECT 'chunk', id FROM chunk
    UNION ALL
    SELECT 'entity', id FROM merged
),
fact AS (
    SELECT r.id FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND %(kind)s::text <> 'fact' AND (
        (r.provenance_kind, r.provenance_id) IN (SELECT kind, id FROM source)
        OR %(kind)s::text = 'entity' AND (
            r.source_id IN (SELECT id FROM source) OR r.target_id IN (SELECT id FROM source)))
    UNION
    SELECT h.row_id FROM memory_history h
    WHERE h.agent_id = %(agent_id)s::text AND %(kind)s::text <> 'fact' AND h.kind = 'fact' AND (
        (h.old ->> 'provenance_kind', (h.old ->> 'provenance_id')::bigint) IN (SELECT kind, id FROM source)
        OR %(kind)s::text = 'entity' AND (
            (h.old ->> 'source_id')::bigint IN (SELECT id FROM source)
            OR (h.old ->> 'target_id')::bigint IN (SELECT id FROM source)))
),
doomed AS (
    SELECT kind, id FROM source
    UNION
    SELECT 'fact', id FROM fact
),
blocks AS (
    DELETE FROM core_memories
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'block')
    RETURNING id
),
memories AS (
    DELETE FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'archival')
    RETURNING id, text
),
messages AS (
    DELETE FROM conversations
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'message')
    RETURNING id, content, name
),
facts AS (
    DELETE FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'fact')
    RETURNING id, fact
),
entities AS (
    DELETE FROM kg_entities
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'entity')
    RETURNING id, name, description
),
chunks AS (
    DELETE FROM document_chunks
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'chunk')
    RETURNING id, chunk_text, metadata
),
gone_documents AS (
    DELETE FROM documents
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'document')
    RETURNING id
),
message AS (
    SELECT id, session, created_at, content FROM conversations
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'message' AND id = ANY (%(ids)s::bigint[])
    UNION ALL
    SELECT row_id, old ->> 'session', (old ->> 'created_at')::timestamptz, old ->> 'content' FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'message' AND kind = 'message' AND row_id = ANY (%(ids)s::bigint[])
        AND old IS NOT NULL
),
stale_summaries AS (
    SELECT s.id FROM agent_steps s
    JOIN message m ON m.session = s.session AND (m.created_at, m.id) <= (s.summary_until, s.summary_until_id)
    WHERE s.agent_id = %(agent_id)s::text AND s.kind = 'summary'
),
examples AS (
    DELETE FROM intent_examples
    WHERE agent_id = %(agent_id)s::text AND text IN (SELECT content FROM message)
),
work AS (
    UPDATE jobs SET
        arguments = CASE WHEN finished_at IS NULL THEN arguments ELSE '{}' END,
        message = '', result = NULL, error = NULL, forgotten = true
    WHERE agent_id = %(agent_id)s::text AND NOT forgotten
),
summaries AS (
    DELETE FROM agent_steps WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM stale_summaries)
),
prompts AS (
    UPDATE agent_steps SET system = NULL
    WHERE agent_id = %(agent_id)s::text AND NOT %(keep_history)s::boolean
        AND id NOT IN (SELECT id FROM stale_summaries) AND system IS NOT NULL
),
taken AS (
    SELECT provenance_kind AS kind, provenance_id AS id FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = 'fact')
    UNION ALL
    SELECT old ->> 'provenance_kind', (old ->> 'provenance_id')::bigint FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'fact' AND row_id IN (SELECT id FROM doomed WHERE kind = 'fact')
),
answered AS (
    UPDATE kg_extractions SET answer = '{}'
    WHERE agent_id = %(agent_id)s::text AND applied_at IS NOT NULL AND %(kind)s::text IN ('fact', 'entity')
        AND (kind, row_id) IN (SELECT kind, id FROM taken)
),
proposed AS (
    DELETE FROM proposals
    WHERE agent_id = %(agent_id)s::text AND about && ARRAY(SELECT kind || ':' || id FROM doomed)
    RETURNING id
),
texts AS (
    SELECT 'archival' AS kind, to_jsonb(m) AS row FROM memories m
    UNION ALL
    SELECT 'message', to_jsonb(m) FROM messages m
    UNION ALL
    SELECT 'fact', to_jsonb(f) FROM facts f
    UNION ALL
    SELECT 'entity', to_jsonb(e) FROM entities e
    UNION ALL
    SELECT 'chunk', to_jsonb(c) FROM chunks c
    UNION ALL
    SELECT h.kind, h.old FROM memory_history h
    WHERE h.agent_id = %(agent_id)s::text AND (h.kind, h.row_id) IN (SELECT kind, id FROM doomed) AND h.old IS NOT NULL
),
entries AS (
    DELETE FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND (kind, row_id) IN (SELECT kind, id FROM doomed)
        AND NOT %(keep_history)s::boolean
    RETURNING id
)
SELECT
    (SELECT count(*) FROM blocks) AS core_memories,
    (SELECT count(*) FROM memories) AS archival_memories,
    (SELECT count(*) FROM messages) AS conversations,
    (SELECT count(*) FROM facts) AS kg_relationships,
    (SELECT count(*) FROM entities) AS kg_entities,
    (SELECT count(*) FROM chunks) AS document_chunks,
    (SELECT count(*) FROM gone_documents) AS documents,
    (SELECT count(*) FROM proposed) AS proposals,
    (SELECT count(*) FROM entries) AS memory_history,
    CASE WHEN EXISTS (SELECT FROM embedding_cache WHERE agent_id = %(agent_id)s::text)
        THEN (SELECT jsonb_agg(jsonb_build_array(t.kind, t.row)) FROM texts t) END AS texts

-- session_messages --
-- The messages of a conversation, those too that live in the history only.
SELECT id FROM conversations WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
UNION
SELECT row_id FROM memory_history
WHERE agent_id = %(agent_id)s::text AND kind = 'message' AND old ->> 'session' = %(session)s::text

-- forget_turns --
-- What an agent noted of its turns in a conversation.
WITH steps AS (
    DELETE FROM agent_steps WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
    RETURNING id
),
turns AS (
    DELETE FROM agent_turns WHERE agent_id = %(agent_id)s::text AND session = %(session)s::text
    RETURNING id
)
SELECT (SELECT count(*) FROM turns) AS agent_turns, (SELECT count(*) FROM steps) AS agent_steps

-- dimensions --
-- Of all models the memory had: a cached vector is filed under its text and its dimensions.
SELECT DISTINCT dimensions FROM embedding_models

-- forget_vectors --
DELETE FROM embedding_cache WHERE agent_id = %(agent_id)s::text AND hash = ANY (%(hashes)s::bytea[])

-- readers --
-- Who sees, or saw, a block (all of the agent's without an id).
SELECT DISTINCT reader FROM (
    SELECT unnest(b.shared_with) AS reader FROM core_memories b
    WHERE b.agent_id = %(agent_id)s::text AND (%(id)s::bigint IS NULL OR b.id = %(id)s::bigint)
    UNION ALL
    SELECT jsonb_array_elements_text(h.old -> 'shared_with') FROM memory_history h
    WHERE h.agent_id = %(agent_id)s::text AND h.kind = 'block' AND (%(id)s::bigint IS NULL OR h.row_id = %(id)s::bigint)
) AS readers

-- empty_prompts --
-- Of agents that read a forgotten block.
UPDATE agent_steps SET system = NULL WHERE agent_id = ANY (%(agents)s::text[]) AND system IS NOT NULL

-- empty_answers --
-- Of agents: what was answered to requests with an Idempotency-Key. The rows stay until they are old: a request that is
-- sent again is told that it was forgotten, and does not write it again.
UPDATE idempotent_answers SET status = 410, headers = NULL, body = NULL
WHERE agent_id = ANY (%(agents)s::text[]) AND status IS NOT NULL

-- unshare_all --
-- Takes an agent out of the blocks others share with it, as a change of theirs.
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
        shared_with = array_remove(b.shared_with, %(agent_id)s::text),
        version = b.version + 1,
        updated_at = clock_timestamp()
    FROM before b
    WHERE m.agent_id = b.agent_id AND m.id = b.id
    RETURNING m.agent_id, m.id, m.updated_at
)
INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action, old)
SELECT b.agent_id, c.updated_at, %(change_id)s::uuid, %(actor)s::text, 'block', b.id, 'update', to_jsonb(b) - 'agent_id'
FROM before b
JOIN changed c ON c.agent_id = b.agent_id AND c.id = b.id
WHERE b.agent_id <> %(agent_id)s::text

-- forget_agent --
-- Every table that has an agent_id, and the answer's columns: a migration that adds such a table adds it here, or a test
-- fails.
WITH blocks AS (DELETE FROM core_memories WHERE agent_id = %(agent_id)s::text RETURNING 1),
mentions AS (DELETE FROM kg_mentions WHERE agent_id = %(agent_id)s::text RETURNING 1),
extractions AS (DELETE FROM kg_extractions WHERE agent_id = %(agent_id)s::text RETURNING 1),
memories AS (DELETE FROM archival_memories WHERE agent_id = %(agent_id)s::text RETURNING 1),
messages AS (DELETE FROM conversations WHERE agent_id = %(agent_id)s::text RETURNING 1),
facts AS (DELETE FROM kg_relationships WHERE agent_id = %(agent_id)s::text RETURNING 1),
entities AS (DELETE FROM kg_entities WHERE agent_id = %(agent_id)s::text RETURNING 1),
chunks AS (DELETE FROM document_chunks WHERE agent_id = %(agent_id)s::text RETURNING 1),
gone_documents AS (DELETE FROM documents WHERE agent_id = %(agent_id)s::text RETURNING 1),
steps AS (DELETE FROM agent_steps WHERE agent_id = %(agent_id)s::text RETURNING 1),
turns AS (DELETE FROM agent_turns WHERE agent_id = %(agent_id)s::text RETURNING 1),
examples AS (DELETE FROM intent_examples WHERE agent_id = %(agent_id)s::text RETURNING 1),
proposed AS (DELETE FROM proposals WHERE agent_id = %(agent_id)s::text RETURNING 1),
entries AS (DELETE FROM memory_history WHERE agent_id = %(agent_id)s::text RETURNING 1),
cached AS (DELETE FROM embedding_cache WHERE agent_id = %(agent_id)s::text RETURNING 1),
paid AS (DELETE FROM embedding_usage WHERE agent_id = %(agent_id)s::text RETURNING 1),
sent AS (DELETE FROM job_files WHERE agent_id = %(agent_id)s::text RETURNING 1),
work AS (DELETE FROM jobs WHERE agent_id = %(agent_id)s::text RETURNING 1),
agent AS (DELETE FROM agents WHERE agent_id = %(agent_id)s::text RETURNING 1)
SELECT
    (SELECT count(*) FROM blocks) AS core_memories,
    (SELECT count(*) FROM mentions) AS kg_mentions,
    (SELECT count(*) FROM extractions) AS kg_extractions,
    (SELECT count(*) FROM memories) AS archival_memories,
    (SELECT count(*) FROM messages) AS conversations,
    (SELECT count(*) FROM facts) AS kg_relationships,
    (SELECT count(*) FROM entities) AS kg_entities,
    (SELECT count(*) FROM chunks) AS document_chunks,
    (SELECT count(*) FROM gone_documents) AS documents,
    (SELECT count(*) FROM examples) AS intent_examples,
    (SELECT count(*) FROM turns) AS agent_turns,
    (SELECT count(*) FROM steps) AS agent_steps,
    (SELECT count(*) FROM proposed) AS proposals,
    (SELECT count(*) FROM entries) AS memory_history,
    (SELECT count(*) FROM cached) AS embedding_cache,
    (SELECT count(*) FROM paid) AS embedding_usage,
    (SELECT count(*) FROM sent) AS job_files,
    (SELECT count(*) FROM work) AS jobs,
    (SELECT count(*) FROM agent) AS agents
