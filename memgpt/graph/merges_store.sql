-- pairs --
-- Entities that may be one: of the same type (or one of a type nobody said), with a name in common once case,
-- punctuation and ways to write a character are put aside, or alike by embedding. The second half compares the entities
-- changed last with all: each looks at its nearest by their codes, and the exact distance decides.
WITH living AS MATERIALIZED (
    SELECT e.id, e.name, e.type, e.aliases, e.updated_at
    FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND e.merged_at IS NULL
),
keyed AS MATERIALIZED (
    SELECT DISTINCT l.id, memory_plain_name(n.name) AS key, n.ord = 1 AS own
    FROM living l
    CROSS JOIN LATERAL unnest(l.name || l.aliases) WITH ORDINALITY AS n (name, ord)
    WHERE memory_plain_name(n.name) <> ''
),
named AS (
    SELECT a.id AS one, b.id AS other, bool_or(a.own AND b.own) AS same_name
    FROM keyed a
    JOIN keyed b ON b.key = a.key AND b.id > a.id
    GROUP BY a.id, b.id
),
latest AS MATERIALIZED (
    SELECT l.id FROM living l ORDER BY l.updated_at DESC, l.id DESC LIMIT %(among)s::integer
),
alike AS (
    SELECT least(e.id, n.id) AS one, greatest(e.id, n.id) AS other
    FROM latest l
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = l.id
    CROSS JOIN LATERAL (
        SELECT o.id, o.embedding FROM kg_entities o
        WHERE o.agent_id = %(agent_id)s::text AND o.id = ANY (ARRAY(
            SELECT x.id FROM kg_entities x
            WHERE x.agent_id = %(agent_id)s::text AND x.embedding_code IS NOT NULL
            ORDER BY x.embedding_code {distance} e.embedding_code
            LIMIT %(nearest)s::integer))
    ) AS n
    WHERE e.embedding IS NOT NULL AND n.id <> e.id
        AND 1 - (n.embedding <=> e.embedding) >= %(similarity)s::real
),
found AS (
    SELECT one, other, bool_or(same_name) AS same_name, bool_or(shared) AS shared_name
    FROM (
        SELECT one, other, same_name, true AS shared FROM named
        UNION ALL
        SELECT one, other, false, false FROM alike
    ) AS f
    GROUP BY one, other
)
SELECT
    f.one, f.other, a.name AS one_name, b.name AS other_name, a.type AS one_type, b.type AS other_type,
    a.aliases AS one_aliases, b.aliases AS other_aliases, a.description AS one_description,
    b.description AS other_description, f.same_name, f.shared_name,
    1 - (a.embedding <=> b.embedding) AS similarity, a.created_at AS one_created_at, b.created_at AS other_created_at,
    (SELECT count(*) FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.superseded_at IS NULL AND a.id IN (r.source_id, r.target_id)) AS one_facts,
    (SELECT count(*) FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.superseded_at IS NULL AND b.id IN (r.source_id, r.target_id)) AS other_facts,
    ARRAY(
        SELECT r.fact || ' / ' || s.fact
        FROM kg_relationships r
        JOIN kg_relationships s ON s.agent_id = %(agent_id)s::text AND s.source_id = b.id AND s.type = r.type
            AND s.superseded_at IS NULL AND s.target_id <> r.target_id
            AND (s.valid_to IS NULL OR r.valid_from IS NULL OR s.valid_to > r.valid_from)
            AND (s.valid_from IS NULL OR r.valid_to IS NULL OR s.valid_from < r.valid_to)
        WHERE r.agent_id = %(agent_id)s::text AND r.source_id = a.id AND r.superseded_at IS NULL
            AND r.type = ANY (ARRAY(SELECT unnest(g.functional_types) FROM agents g WHERE g.agent_id = %(agent_id)s::text))
        ORDER BY 1
        LIMIT 5) AS contradictions
FROM found f
JOIN kg_entities a ON a.agent_id = %(agent_id)s::text AND a.id = f.one
JOIN kg_entities b ON b.agent_id = %(agent_id)s::text AND b.id = f.other
WHERE a.merged_at IS NULL AND b.merged_at IS NULL
    AND (lower(a.type) = lower(b.type) OR %(untyped)s::text IN (a.type, b.type))
ORDER BY f.one, f.other

-- lock --
-- Two entities as they are, and nobody else changes them until the end of the transaction.
SELECT id, name, type, aliases, description, properties, created_at, updated_at, merged_into, merged_at
FROM kg_entities
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])
ORDER BY id
FOR UPDATE

-- merge --
-- One entity becomes another. What is known of it ends, and begins anew of the survivor with the same words, times of
-- truth, provenance and vector, except where the survivor has the very same or it would be about itself.
WITH merged_before AS (
    SELECT
        id, name, type, aliases, description, properties, language, created_at, updated_at, merged_into, merged_at,
        embedding_model
    FROM kg_entities
    WHERE agent_id = %(agent_id)s::text AND id = %(merged)s::bigint
    FOR UPDATE
),
merged AS (
    UPDATE kg_entities e SET merged_into = %(survivor)s::bigint, merged_at = %(at)s::timestamptz, updated_at = now()
    FROM merged_before b
    WHERE e.agent_id = %(agent_id)s::text AND e.id = b.id
),
merged_logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', b.id, 'update', to_jsonb(b)
    FROM merged_before b
),
moved AS (
    SELECT
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
    FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND superseded_at IS NULL
        AND (source_id = %(merged)s::bigint OR target_id = %(merged)s::bigint)
    FOR UPDATE
),
ended AS (
    UPDATE kg_relationships r SET superseded_at = greatest(%(at)s::timestamptz, m.recorded_at)
    FROM moved m
    WHERE r.agent_id = %(agent_id)s::text AND r.id = m.id
),
ended_logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', m.id, 'update', to_jsonb(m) - 'embedding'
    FROM moved m
),
begun AS (
    INSERT INTO kg_relationships (
        agent_id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.source_id, n.target_id, m.type, m.fact, m.weight, m.properties, m.valid_from, m.valid_to,
        greatest(%(at)s::timestamptz, m.recorded_at), m.provenance_kind, m.provenance_id, m.language, m.embedding_model,
        m.embedding
    FROM moved m
    CROSS JOIN LATERAL (SELECT
        CASE m.source_id WHEN %(merged)s::bigint THEN %(survivor)s::bigint ELSE m.source_id END AS source_id,
        CASE m.target_id WHEN %(merged)s::bigint THEN %(survivor)s::bigint ELSE m.target_id END AS target_id
    ) AS n
    WHERE (n.source_id <> n.target_id OR m.source_id = m.target_id)
        AND NOT EXISTS (
            SELECT FROM kg_relationships s
            WHERE s.agent_id = %(agent_id)s::text AND s.source_id = n.source_id AND s.target_id = n.target_id
                AND s.type = m.type AND s.fact = m.fact AND s.superseded_at IS NULL
                AND s.valid_from IS NOT DISTINCT FROM m.valid_from AND s.valid_to IS NOT DISTINCT FROM m.valid_to)
    ORDER BY m.recorded_at, m.id
    RETURNING id
),
begun_logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', id, 'insert' FROM begun
)
SELECT count(*) FROM moved

-- contradicting --
-- Of two entities that are to be one: facts of functional types that cannot both stand, the older first.
SELECT r.id, r.source_id, r.target_id, r.type, r.fact, r.weight, r.properties, r.valid_from, r.valid_to, r.recorded_at,
    r.superseded_at, r.provenance_kind, r.provenance_id
FROM kg_relationships r
WHERE r.agent_id = %(agent_id)s::text AND r.superseded_at IS NULL AND r.source_id = ANY (%(ids)s::bigint[])
    AND r.type = ANY (ARRAY(SELECT unnest(g.functional_types) FROM agents g WHERE g.agent_id = %(agent_id)s::text))
    AND EXISTS (
        SELECT FROM kg_relationships s
        WHERE s.agent_id = %(agent_id)s::text AND s.superseded_at IS NULL AND s.source_id = ANY (%(ids)s::bigint[])
            AND s.source_id <> r.source_id AND s.type = r.type AND s.target_id <> r.target_id
            AND (s.valid_to IS NULL OR r.valid_from IS NULL OR s.valid_to > r.valid_from)
            AND (s.valid_from IS NULL OR r.valid_to IS NULL OR s.valid_from < r.valid_to))
ORDER BY r.recorded_at, r.id
