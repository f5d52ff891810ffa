-- missing --
-- Rows without a current new vector, in key order after the last one seen; read from their partial index.
SELECT agent_id, id, {text} AS text, md5({text})::uuid AS hash
FROM {table}
WHERE embedding IS NOT NULL AND embedding_next_hash IS DISTINCT FROM md5({text})::uuid AND btrim({text}) <> ''
    AND (agent_id, id) > (%(agent_id)s::text, %(id)s::bigint)
ORDER BY agent_id, id
LIMIT %(limit)s::integer

-- in_context --
-- Messages with the turns before them in their session, the nearest last.
SELECT r.agent_id, r.id, r.text, r.hash, ARRAY(
    SELECT b.text
    FROM (
        SELECT {text} AS text, p.created_at, p.id
        FROM {table} p
        WHERE p.agent_id = r.agent_id AND p.session = t.session AND (p.created_at, p.id) < (t.created_at, t.id)
        ORDER BY p.created_at DESC, p.id DESC
        LIMIT %(turns)s::integer
    ) AS b
    ORDER BY b.created_at, b.id) AS before
FROM ({rows}) AS r
JOIN {table} t ON t.agent_id = r.agent_id AND t.id = r.id
ORDER BY r.agent_id, r.id

-- store --
WITH {held}
UPDATE {table} m SET
    embedding_next = n.embedding, {code} embedding_next_model = %(model)s::text, embedding_next_hash = n.hash
FROM held n
WHERE m.ctid = n.ctid

-- set_code --
embedding_next_code = {of},

-- count --
SELECT count(*), count(*) FILTER (
    WHERE embedding_next_hash IS DISTINCT FROM md5({text})::uuid AND btrim({text}) <> '')
FROM {table} WHERE embedding IS NOT NULL

-- unmended --
-- Rows that have no vector, one of another model than the active one, or one without its code.
SELECT agent_id, id, {text} AS text, md5({text})::uuid AS hash
FROM {table}
WHERE (embedding_code IS NULL OR embedding_model IS DISTINCT FROM %(model)s::text) AND btrim({text}) <> ''
    AND (agent_id, id) > (%(agent_id)s::text, %(id)s::bigint)
ORDER BY agent_id, id
LIMIT %(limit)s::integer

-- mend --
WITH {held}
UPDATE {table} m SET embedding = n.embedding, embedding_model = %(model)s::text
FROM held n
WHERE m.ctid = n.ctid

-- held --
-- A vector is kept only if its row still says what was embedded. A row somebody is changing is left for later: whoever
-- never waits for a row is never part of a deadlock. Rows are found one by one by their key (LATERAL) and then by their
-- place: a join would sooner or later be planned as a scan of the whole table for each batch.
made AS (
    SELECT * FROM unnest(
        %(agent_ids)b::text[], %(ids)b::bigint[], %(hashes)b::uuid[], %(embeddings)b::vector[]
    ) AS n (agent_id, id, hash, embedding)
),
held AS (
    SELECT h.ctid, n.hash, n.embedding FROM made n
    CROSS JOIN LATERAL (
        SELECT m.ctid FROM {table} m
        WHERE m.agent_id = n.agent_id AND m.id = n.id AND md5({text})::uuid = n.hash
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS h
)
