-- walk --
-- The things within some hops of where a walk starts, nearest first: the start of every statement below. Each side of
-- each thing is read from one covering index, at most fan_out edges (and one more, which says that there are more). A
-- recursive query hands out its rows level by level as they are asked for, so that LIMIT ends the walk itself.
RECURSIVE start AS MATERIALIZED (
    SELECT s.id FROM unnest(%(start)s::bigint[]) AS s (id)
    UNION
    SELECT e.id FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND cardinality(%(names)s::text[]) > 0
        AND memory_names(e.name, e.aliases) && %(names)s::text[]
),
walk (id, depth, capped) AS (
    SELECT s.id, 0, false FROM start s
    UNION
    SELECT
        CASE WHEN e.n > %(fan_out)s::integer THEN w.id ELSE e.other END, w.depth + 1,
        coalesce(e.n > %(fan_out)s::integer, false)
    FROM walk w
    CROSS JOIN LATERAL (
        (SELECT o.other, row_number() OVER () AS n FROM (
            SELECT r.target_id AS other FROM kg_relationships r
            WHERE r.agent_id = %(agent_id)s::text AND r.source_id = w.id AND %(out)s::boolean AND {edge}
            LIMIT %(fan_out)s::integer + 1) AS o)
        UNION ALL
        (SELECT i.other, row_number() OVER () AS n FROM (
            SELECT r.source_id AS other FROM kg_relationships r
            WHERE r.agent_id = %(agent_id)s::text AND r.target_id = w.id AND %(in)s::boolean AND {edge}
            LIMIT %(fan_out)s::integer + 1) AS i)
    ) AS e
    WHERE w.depth < %(hops)s::integer AND NOT w.capped
),
seen AS MATERIALIZED (SELECT id, depth, capped FROM walk LIMIT %(rows)s::bigint),
nodes AS MATERIALIZED (
    SELECT s.id, min(s.depth) FILTER (WHERE NOT s.capped) AS depth, bool_or(s.capped) AS capped
    FROM seen s
    GROUP BY s.id
    ORDER BY 2, s.id
    LIMIT %(limit)s::bigint + (SELECT count(*) FROM start) + 1
)

-- edge --
-- Which edges count: by type, weight and both axes of time.
(%(types)s::text[] IS NULL OR r.type = ANY (%(types)s::text[]))
AND (%(min_weight)s::real IS NULL OR r.weight >= %(min_weight)s::real)
AND (r.superseded_at IS NULL OR r.superseded_at > %(known_at)s::timestamptz)
AND (%(known_at)s::timestamptz IS NULL OR r.recorded_at <= %(known_at)s::timestamptz)
AND (%(valid_at)s::timestamptz IS NULL OR (r.valid_from IS NULL OR r.valid_from <= %(valid_at)s::timestamptz)
    AND (r.valid_to IS NULL OR r.valid_to > %(valid_at)s::timestamptz))

-- within --
WITH {walk}
SELECT n.id, e.name, e.type, n.depth, n.capped, (SELECT count(*) FROM seen) AS rows
FROM nodes n
JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = n.id
ORDER BY n.depth, n.id

-- around --
-- The things within some hops and the edges between them; first the things, then the edges.
WITH {walk}
SELECT
    n.id, e.name, e.type, n.depth, n.capped, (SELECT count(*) FROM seen) AS rows, NULL::bigint AS target_id,
    NULL::real AS weight
FROM nodes n
JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = n.id
UNION ALL
(SELECT r.id, r.source_id::text, r.type, NULL, NULL, NULL, r.target_id, r.weight
FROM nodes n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.type, r.target_id, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {edge}
        AND r.target_id = ANY (ARRAY(SELECT m.id FROM nodes m))
) AS r
LIMIT %(edges)s::bigint)

-- between --
-- Every edge of the things within some hops of two ends: each path of twice as many edges, and two more, is among them.
WITH {walk}
SELECT DISTINCT r.id, r.source_id, r.target_id, r.type, r.weight
FROM (SELECT n.id FROM nodes n) AS n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {edge}
    UNION ALL
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = n.id AND {edge}
) AS r
LIMIT %(edges)s::bigint
