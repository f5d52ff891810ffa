-- lock --
-- One batch of an agent at a time. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('memgpt mentions ' || %(agent_id)s::text, 0))

-- totals --
SELECT
    (SELECT count(*) FROM archival_memories WHERE agent_id = %(agent_id)s::text) AS archival,
    (SELECT count(*) FROM document_chunks WHERE agent_id = %(agent_id)s::text) AS chunk

-- link_archival --
-- The next texts in the order of their ids. Those without a row of their present hash are looked at: the names they
-- mention are added, those they mentioned before and do not now are removed. They are locked against being deleted.
WITH batch AS MATERIALIZED (
    SELECT t.id FROM archival_memories t
    WHERE t.agent_id = %(agent_id)s::text AND t.id > %(after)s::bigint
    ORDER BY t.id
    LIMIT %(batch)s::integer
),
unlinked AS MATERIALIZED (
    SELECT t.id, t.text AS body, t.text_hash AS hash
    FROM archival_memories t
    WHERE t.agent_id = %(agent_id)s::text AND t.id = ANY (ARRAY(SELECT b.id FROM batch b))
        AND NOT EXISTS (
            SELECT FROM kg_mentions x
            WHERE x.agent_id = %(agent_id)s::text AND x.name = '' AND x.kind = 'archival' AND x.row_id = t.id
                AND x.text_hash = t.text_hash)
    FOR KEY SHARE OF t
),
{noted}

-- link_chunk --
-- The same for chunks; the title of the document stands above the text.
WITH batch AS MATERIALIZED (
    SELECT t.id, concat_ws(E'\n', nullif(d.title, ''), t.chunk_text) AS body
    FROM document_chunks t
    LEFT JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = t.document_id
    WHERE t.agent_id = %(agent_id)s::text AND t.id > %(after)s::bigint
    ORDER BY t.id
    LIMIT %(batch)s::integer
),
unlinked AS MATERIALIZED (
    SELECT t.id, b.body, md5(b.body)::uuid AS hash
    FROM document_chunks t
    JOIN batch b ON b.id = t.id
    WHERE t.agent_id = %(agent_id)s::text
        AND NOT EXISTS (
            SELECT FROM kg_mentions x
            WHERE x.agent_id = %(agent_id)s::text AND x.name = '' AND x.kind = 'chunk' AND x.row_id = t.id
                AND x.text_hash = md5(b.body)::uuid)
    FOR KEY SHARE OF t
),
{noted}

-- noted --
-- The end of both: what was found to be unlinked is.
named AS MATERIALIZED (
    SELECT u.id, n.name FROM unlinked u CROSS JOIN LATERAL memory_mentions(u.body) AS n (name)
),
removed AS (
    DELETE FROM kg_mentions x
    USING unlinked u
    WHERE x.agent_id = %(agent_id)s::text AND x.{kind}_id = u.id AND x.name <> ''
        AND NOT EXISTS (SELECT FROM named n WHERE n.id = u.id AND n.name = x.name)
),
added AS (
    INSERT INTO kg_mentions (agent_id, name, kind, row_id)
    SELECT %(agent_id)s::text, n.name, '{kind}', n.id FROM named n
    ON CONFLICT DO NOTHING
),
marked AS (
    INSERT INTO kg_mentions (agent_id, name, kind, row_id, text_hash)
    SELECT %(agent_id)s::text, '', '{kind}', u.id, u.hash FROM unlinked u
    ON CONFLICT (agent_id, name, kind, row_id) DO UPDATE SET text_hash = excluded.text_hash
)
SELECT
    (SELECT max(b.id) FROM batch b) AS last,
    (SELECT count(*) FROM batch) AS seen,
    (SELECT count(*) FROM unlinked) AS linked,
    (SELECT count(*) FROM named) AS mentions

-- together --
-- Names in the texts that mention one; of a name that thousands of texts mention, the first thousand are looked at.
SELECT m.name, count(*) AS texts
FROM (
    SELECT k.kind, k.row_id FROM kg_mentions k
    WHERE k.agent_id = %(agent_id)s::text AND k.name = %(name)s::text
    LIMIT 1000
) AS t
CROSS JOIN LATERAL (
    SELECT a.name FROM kg_mentions a
    WHERE a.agent_id = %(agent_id)s::text AND t.kind = 'archival' AND a.archival_id = t.row_id
    UNION ALL
    SELECT c.name FROM kg_mentions c
    WHERE c.agent_id = %(agent_id)s::text AND t.kind = 'chunk' AND c.chunk_id = t.row_id
) AS m
WHERE m.name NOT IN ('', %(name)s::text)
GROUP BY m.name
ORDER BY texts DESC, m.name
LIMIT %(limit)s::integer

-- of_rows --
-- The rows that are named.
SELECT w.kind, w.id FROM unnest(%(kinds)s::text[], %(ids)s::bigint[]) AS w (kind, id)

-- of_names --
-- The latest rows that mention one of the names.
SELECT DISTINCT m.kind, m.id
FROM unnest(%(names)s::text[]) AS n (name)
CROSS JOIN (VALUES ('archival'), ('chunk')) AS k (kind)
CROSS JOIN LATERAL (
    SELECT x.kind, x.row_id AS id FROM kg_mentions x
    WHERE x.agent_id = %(agent_id)s::text AND x.name = n.name AND x.kind = k.kind
    ORDER BY x.row_id DESC
    LIMIT %(limit)s::integer
) AS m

-- texts --
-- The beginnings of what rows of any kind say, and where they stand; the latest first.
WITH wanted AS MATERIALIZED (
    {wanted}
)
SELECT t.kind, t.id, left(t.text, 300) AS text, t.place, t.document_id
FROM (
    SELECT w.kind, w.id, a.text, NULL::text AS place, NULL::bigint AS document_id
    FROM wanted w
    JOIN archival_memories a ON a.agent_id = %(agent_id)s::text AND a.id = w.id
    WHERE w.kind = 'archival'
    UNION ALL
    SELECT w.kind, w.id, c.content, c.session, NULL
    FROM wanted w
    JOIN conversations c ON c.agent_id = %(agent_id)s::text AND c.id = w.id
    WHERE w.kind = 'message'
    UNION ALL
    SELECT w.kind, w.id, c.chunk_text, d.title, c.document_id
    FROM wanted w
    JOIN document_chunks c ON c.agent_id = %(agent_id)s::text AND c.id = w.id
    LEFT JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = c.document_id
    WHERE w.kind = 'chunk'
    UNION ALL
    SELECT w.kind, w.id, coalesce(nullif(d.title, ''), d.source, ''), d.title, d.id
    FROM wanted w
    JOIN documents d ON d.agent_id = %(agent_id)s::text AND d.id = w.id
    WHERE w.kind = 'document'
    UNION ALL
    SELECT w.kind, w.id, b.value, b.label, NULL
    FROM wanted w
    JOIN core_memories b ON b.agent_id = %(agent_id)s::text AND b.id = w.id
    WHERE w.kind = 'block'
    UNION ALL
    SELECT w.kind, w.id, r.fact, NULL, NULL
    FROM wanted w
    JOIN kg_relationships r ON r.agent_id = %(agent_id)s::text AND r.id = w.id
    WHERE w.kind = 'fact'
) AS t
ORDER BY t.id DESC, t.kind
LIMIT %(limit)s::integer
