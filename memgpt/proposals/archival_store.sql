-- same_texts --
-- Living memories whose texts are the same but for case, white space, ways to write a character and the final stop:
-- each group in the order in which one is kept, the most important and of those the oldest first.
SELECT array_agg(m.id ORDER BY m.importance DESC, m.created_at, m.id) AS ids
FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text AND m.superseded_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
GROUP BY md5(rtrim(regexp_replace(lower(normalize(btrim(m.text), NFKC)), E'\\s+', ' ', 'g'), ' .!'))
HAVING count(*) > 1
ORDER BY 1
LIMIT %(limit)s::integer

-- similar --
-- Pairs of living memories that are alike by embedding: each of those written last with its nearest by code, decided
-- by the exact distance.
WITH latest AS MATERIALIZED (
    SELECT m.id FROM archival_memories m
    WHERE m.agent_id = %(agent_id)s::text AND m.superseded_at IS NULL
        AND (m.expires_at IS NULL OR m.expires_at > now())
    ORDER BY m.created_at DESC, m.id DESC
    OFFSET %(skip)s::integer LIMIT %(among)s::integer
)
SELECT DISTINCT least(m.id, n.id) AS one, greatest(m.id, n.id) AS other, 1 - (n.embedding <=> m.embedding) AS similarity
FROM latest l
JOIN archival_memories m ON m.agent_id = %(agent_id)s::text AND m.id = l.id
CROSS JOIN LATERAL (
    SELECT o.id, o.embedding FROM archival_memories o
    WHERE o.agent_id = %(agent_id)s::text AND o.id = ANY (ARRAY(
        SELECT x.id FROM archival_memories x
        WHERE x.agent_id = %(agent_id)s::text AND x.embedding_code IS NOT NULL AND x.superseded_at IS NULL
            AND (x.expires_at IS NULL OR x.expires_at > now())
        ORDER BY x.embedding_code {distance} m.embedding_code
        LIMIT %(nearest)s::integer))
) AS n
WHERE m.embedding IS NOT NULL AND n.id <> m.id AND 1 - (n.embedding <=> m.embedding) >= %(similarity)s::real
ORDER BY 3 DESC, 1, 2

-- memories --
-- Living memories of some ids, as far as they are there.
SELECT
    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
    accessed_at, access_count
FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[]) AND superseded_at IS NULL
ORDER BY importance DESC, created_at, id

-- memories_locked --
-- The same, and nobody else changes them until the end of the transaction.
SELECT
    id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
    accessed_at, access_count
FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[]) AND superseded_at IS NULL
ORDER BY id
FOR UPDATE

-- unused --
-- Living memories nobody used for a while, whose importance was not lowered (or proposed to be) for as long.
WITH proposed AS MATERIALIZED (
    SELECT split_part(a.row, ':', 2)::bigint AS id
    FROM proposals p
    CROSS JOIN LATERAL unnest(p.about) AS a (row)
    WHERE p.agent_id = %(agent_id)s::text AND p.kind = 'decay'
        AND p.created_at > now() - make_interval(days => %(days)s::integer)
)
SELECT m.id, m.importance
FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text AND m.superseded_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > now())
    AND m.accessed_at < now() - make_interval(days => %(days)s::integer) AND m.importance > %(least)s::real
    AND NOT EXISTS (SELECT FROM proposed p WHERE p.id = m.id)
ORDER BY m.id
LIMIT %(limit)s::integer

-- expired --
-- Living memories whose time is over and that nobody has proposed to set aside.
WITH proposed AS MATERIALIZED (
    SELECT split_part(a.row, ':', 2)::bigint AS id
    FROM proposals p
    CROSS JOIN LATERAL unnest(p.about) AS a (row)
    WHERE p.agent_id = %(agent_id)s::text AND p.kind = 'expiry'
)
SELECT m.id FROM archival_memories m
WHERE m.agent_id = %(agent_id)s::text AND m.superseded_at IS NULL AND m.expires_at <= now()
    AND NOT EXISTS (SELECT FROM proposed p WHERE p.id = m.id)
ORDER BY m.id
LIMIT %(limit)s::integer

-- retire --
-- Of some memories, those that are still expired leave the living.
WITH before AS (
    SELECT
        id, text, tags, importance, source, metadata, language, created_at, expires_at, superseded_at, superseded_by,
        accessed_at, access_count, embedding_model
    FROM archival_memories
    WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[]) AND superseded_at IS NULL
        AND expires_at <= now()
    ORDER BY id
    FOR UPDATE
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', b.id, 'update', to_jsonb(b) FROM before b
)
UPDATE archival_memories m SET superseded_at = now()
FROM before b
WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id

-- weaken --
-- Lowers the importance of memories that still have the one they are given with and were not used meanwhile.
WITH given AS (
    SELECT g.id, g.old, g.new
    FROM unnest(%(ids)s::bigint[], %(old)s::real[], %(new)s::real[]) AS g (id, old, new)
),
before AS (
    SELECT
        m.id, m.text, m.tags, m.importance, m.source, m.metadata, m.language, m.created_at, m.expires_at,
        m.superseded_at, m.superseded_by, m.accessed_at, m.access_count, m.embedding_model
    FROM archival_memories m
    JOIN given g ON g.id = m.id AND g.old = m.importance
    WHERE m.agent_id = %(agent_id)s::text AND m.superseded_at IS NULL AND m.accessed_at < %(since)s::timestamptz
    ORDER BY m.id
    FOR UPDATE OF m
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'archival', b.id, 'update', to_jsonb(b) FROM before b
)
UPDATE archival_memories m SET importance = g.new
FROM before b
JOIN given g ON g.id = b.id
WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id
