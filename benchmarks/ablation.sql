-- fused --
-- The floor: plain hybrid search as one would write it with the same indexes. Bits and exact distances, full text by
-- ts_rank_cd over any of the words, reciprocal rank fusion (k = 60).
WITH near AS (
    SELECT m.id, row_number() OVER (ORDER BY m.embedding <=> %(embedding)s::vector, m.id) AS place
    FROM conversations m
    WHERE m.agent_id = %(agent_id)s::text AND m.id = ANY (ARRAY(
        SELECT x.id FROM conversations x
        WHERE x.agent_id = %(agent_id)s::text AND x.embedding_code IS NOT NULL
        ORDER BY x.embedding_code <#> (SELECT l2_normalize(%(embedding)s::vector)::halfvec)
        LIMIT %(candidates)s::integer))
    ORDER BY place
    LIMIT 40
),
asked AS MATERIALIZED (
    SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS query
    FROM unnest(to_tsvector(%(language)s::regconfig, %(words)s::text))
),
worded AS (
    SELECT m.id, row_number() OVER (ORDER BY ts_rank_cd(m.search, a.query) DESC, m.id) AS place
    FROM conversations m, asked a
    WHERE m.agent_id = %(agent_id)s::text AND m.search @@ (SELECT query FROM asked)
    ORDER BY place
    LIMIT 40
)
SELECT m.id, m.content, m.metadata, m.created_at, m.session, m.role, m.name,
    coalesce(1.0 / (60 + n.place), 0) + coalesce(1.0 / (60 + w.place), 0) AS score
FROM near n
FULL JOIN worded w ON w.id = n.id
JOIN conversations m ON m.agent_id = %(agent_id)s::text AND m.id = coalesce(n.id, w.id)
ORDER BY score DESC, m.id
LIMIT %(limit)s::integer
