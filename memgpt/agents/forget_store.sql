-- forget --
-- Removes rows of one kind, what is derived from them, and (unless it is kept) their history; answers how many rows of each
-- table, and where vectors are kept what the texts were that were embedded.
-- What is derived may be gone already and live in the history only, so both are searched: chunks of a document or file; the facts
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
file_chunk AS (
    SELECT id FROM file_chunks
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'file' AND file_id = ANY (%(ids)s::bigint[])
    UNION
    SELECT row_id FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND %(kind)s::text = 'file' AND kind = 'file_chunk'
        AND (old ->> 'file_id')::bigint = ANY (%(ids)s::bigint[])
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
    SELECT 'file_chunk', id FROM file_chunk
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
{removals},
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
    {texts}
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
    {counts},
    (SELECT count(*) FROM proposed) AS proposals,
    (SELECT count(*) FROM entries) AS memory_history,
    CASE WHEN EXISTS (SELECT FROM embedding_cache WHERE agent_id = %(agent_id)s::text)
        THEN (SELECT jsonb_agg(jsonb_build_array(t.kind, t.row)) FROM texts t) END AS texts

-- forget_doomed --
-- The rows of one kind.
{rows} AS (
    DELETE FROM {table}
    WHERE agent_id = %(agent_id)s::text AND id IN (SELECT id FROM doomed WHERE kind = {kind})
    RETURNING {returned}
)

-- embedded_texts --
SELECT {kind} AS kind, to_jsonb(r) AS row FROM {rows} r

-- count_removed --
(SELECT count(*) FROM {rows}) AS {table}

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
-- Everything of an agent, and how many rows of each table that was.
WITH {removals},
agent AS (DELETE FROM agents WHERE agent_id = %(agent_id)s::text RETURNING 1)
SELECT {counts}, (SELECT count(*) FROM agent) AS agents

-- forget_table --
{rows} AS (DELETE FROM {table} WHERE agent_id = %(agent_id)s::text RETURNING 1)
