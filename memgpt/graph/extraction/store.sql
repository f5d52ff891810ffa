-- pending_archival --
-- The next texts that were not extracted by this recipe as they are now, below a line that says where they are from
-- (and is one line, whatever a name or a title holds), with an answer where one was paid for already. Texts after "after" in the
-- order of their ids; those that failed only where they are to be tried again.
WITH next AS MATERIALIZED (
    SELECT t.id, b.body, md5(b.body)::uuid AS hash
    FROM archival_memories t
    CROSS JOIN LATERAL (
        SELECT concat('[written on ', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), ']', E'\n', t.text) AS body
    ) AS b
    WHERE t.agent_id = %(agent_id)s::text AND t.id > %(after)s::bigint
        AND t.superseded_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
        AND {open}
    ORDER BY t.id
    LIMIT %(batch)s::integer
)
SELECT n.id, n.body, n.hash, {paid} AS answer FROM next n ORDER BY n.id

-- pending_message --
-- Messages of people and of the agent; what tools and the system say is not looked at.
WITH next AS MATERIALIZED (
    SELECT t.id, b.body, md5(b.body)::uuid AS hash
    FROM conversations t
    CROSS JOIN LATERAL (
        SELECT concat(
            '[said by ', translate(coalesce(t.name, t.role), E'[]\n\r\t\f\u000b\u0085\u2028\u2029', '()        '), ' on ', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), ']',
            E'\n', t.content) AS body
    ) AS b
    WHERE t.agent_id = %(agent_id)s::text AND t.id > %(after)s::bigint
        AND t.role IN ('user', 'assistant') AND t.content <> ''
        AND {open}
    ORDER BY t.id
    LIMIT %(batch)s::integer
)
SELECT n.id, n.body, n.hash, {paid} AS answer FROM next n ORDER BY n.id

-- pending_chunk --
-- Chunks below the title, the headings and the table header they stand under.
WITH next AS MATERIALIZED (
    SELECT t.id, b.body, md5(b.body)::uuid AS hash
    FROM document_chunks t
    LEFT JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = t.document_id
    CROSS JOIN LATERAL (
        SELECT concat(
            '[from ',
            translate(coalesce(nullif(t.metadata->>'context', ''), nullif(d.title, ''), 'a document'), E'[]\n\r\t\f\u000b\u0085\u2028\u2029', '()        '),
            E']\n', t.chunk_text) AS body
    ) AS b
    WHERE t.agent_id = %(agent_id)s::text AND t.id > %(after)s::bigint
        AND {open}
    ORDER BY t.id
    LIMIT %(batch)s::integer
)
SELECT n.id, n.body, n.hash, {paid} AS answer FROM next n ORDER BY n.id

-- open --
NOT EXISTS (
    SELECT FROM kg_extractions x
    WHERE x.agent_id = %(agent_id)s::text AND x.recipe = %(recipe)s::uuid AND x.kind = %(kind)s::text AND x.row_id = t.id
        AND x.text_hash = md5(b.body)::uuid
        AND (x.applied_at IS NOT NULL OR x.reason IS NOT NULL AND NOT %(failed)s::boolean))

-- paid --
(SELECT x.answer FROM kg_extractions x
 WHERE x.agent_id = %(agent_id)s::text AND x.recipe = %(recipe)s::uuid AND x.text_hash = n.hash AND x.answer IS NOT NULL
 LIMIT 1)

-- keep --
-- An answer, or the reason why there is none, the moment it comes. A text that is gone meanwhile is left alone.
INSERT INTO kg_extractions AS k (
    agent_id, recipe, kind, row_id, model, text_hash, answer, reason, input_tokens, output_tokens, cost)
SELECT
    %(agent_id)s::text, %(recipe)s::uuid, %(kind)s::text, %(id)s::bigint, %(model)s::text, %(hash)s::uuid,
    %(answer)s::jsonb, %(reason)s::text, %(input_tokens)s::bigint, %(output_tokens)s::bigint, %(cost)s::numeric
WHERE CASE %(kind)s::text
    WHEN 'archival' THEN EXISTS (
        SELECT FROM archival_memories t WHERE t.agent_id = %(agent_id)s::text AND t.id = %(id)s::bigint FOR KEY SHARE)
    WHEN 'message' THEN EXISTS (
        SELECT FROM conversations t WHERE t.agent_id = %(agent_id)s::text AND t.id = %(id)s::bigint FOR KEY SHARE)
    ELSE EXISTS (
        SELECT FROM document_chunks t WHERE t.agent_id = %(agent_id)s::text AND t.id = %(id)s::bigint FOR KEY SHARE)
END
ON CONFLICT (agent_id, recipe, kind, row_id) DO UPDATE SET
    text_hash = excluded.text_hash,
    answer = CASE WHEN k.text_hash = excluded.text_hash THEN coalesce(excluded.answer, k.answer) ELSE excluded.answer END,
    reason = excluded.reason,
    attempts = k.attempts + 1,
    input_tokens = k.input_tokens + excluded.input_tokens,
    output_tokens = k.output_tokens + excluded.output_tokens,
    cost = k.cost + excluded.cost,
    extracted_at = clock_timestamp(),
    applied_at = NULL

-- apply --
-- Marks an answer as taken over, once: false where somebody else did, or where the text changed or is gone.
UPDATE kg_extractions SET applied_at = clock_timestamp(), reason = NULL
WHERE agent_id = %(agent_id)s::text AND recipe = %(recipe)s::uuid AND kind = %(kind)s::text AND row_id = %(id)s::bigint
    AND text_hash = %(hash)s::uuid AND answer IS NOT NULL AND applied_at IS NULL
RETURNING true

-- refuse --
-- The answer cannot be taken over as it is; it stays, with the reason.
UPDATE kg_extractions SET reason = %(reason)s::text
WHERE agent_id = %(agent_id)s::text AND recipe = %(recipe)s::uuid AND kind = %(kind)s::text AND row_id = %(id)s::bigint
    AND applied_at IS NULL
RETURNING true

-- spent --
-- What each model was paid for, and what became of it.
SELECT
    x.model, count(*) AS texts, count(*) FILTER (WHERE x.applied_at IS NOT NULL) AS applied,
    count(*) FILTER (WHERE x.reason IS NOT NULL) AS failed,
    coalesce(sum(x.input_tokens), 0)::bigint AS input_tokens, coalesce(sum(x.output_tokens), 0)::bigint AS output_tokens,
    CASE WHEN bool_and(x.cost IS NOT NULL) THEN sum(x.cost)::double precision END AS cost
FROM kg_extractions x
WHERE x.agent_id = %(agent_id)s::text AND (%(recipe)s::uuid IS NULL OR x.recipe = %(recipe)s::uuid)
GROUP BY x.model
ORDER BY x.model

-- failed --
SELECT x.model, x.kind, x.row_id AS id, x.reason, x.attempts
FROM kg_extractions x
WHERE x.agent_id = %(agent_id)s::text AND x.reason IS NOT NULL
ORDER BY x.extracted_at DESC
LIMIT %(limit)s::integer
