-- walk --
-- The things within some hops of where a walk starts, nearest first: the start of every statement below. One row of the
-- recursion is one level: what is new on it (frontier), what has been seen, and the things of the level before it that
-- have more than fan_out facts to one side (capped). Each side of each thing is read from one covering index, at most
-- fan_out facts and one more, which says that there are more. No level is walked once there is enough.
-- A walk that is to start from what was merged into another thing starts from the other, or at a time before from what it
-- was.
RECURSIVE given AS (
    (SELECT e.id, e.merged_into, e.merged_at FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND e.id = ANY (%(start)s::bigint[])
    UNION
    SELECT e.id, e.merged_into, e.merged_at FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND cardinality(%(names)s::text[]) > 0
        AND {named}
        AND memory_names(e.name, e.aliases) && %(names)s::text[])
    UNION
    SELECT e.id, e.merged_into, e.merged_at FROM given g
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = g.merged_into
    WHERE %(known_at)s::timestamptz IS NULL OR g.merged_at <= %(known_at)s::timestamptz
),
start AS MATERIALIZED (
    SELECT g.id FROM given g WHERE g.merged_at IS NULL OR g.merged_at > %(known_at)s::timestamptz
),
walk (depth, frontier, seen, capped) AS (
    SELECT 0, a.ids, a.ids, '{}'::bigint[] FROM (SELECT ARRAY(SELECT s.id FROM start s)) AS a (ids)
    UNION ALL
    SELECT w.depth + 1, l.frontier, w.seen || l.frontier, l.capped
    FROM walk w
    CROSS JOIN LATERAL (
        WITH near AS MATERIALIZED (
            SELECT f.id, e.other, e.n > %(fan_out)s::integer AS over
            FROM unnest(w.frontier) AS f (id)
            CROSS JOIN LATERAL (
                (SELECT o.other, row_number() OVER () AS n FROM (
                    SELECT r.target_id AS other FROM kg_relationships r
                    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = f.id AND %(out)s::boolean AND {fact}
                    LIMIT %(fan_out)s::integer + 1) AS o)
                UNION ALL
                (SELECT i.other, row_number() OVER () AS n FROM (
                    SELECT r.source_id AS other FROM kg_relationships r
                    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = f.id AND %(in)s::boolean AND {fact}
                    LIMIT %(fan_out)s::integer + 1) AS i)
            ) AS e
        )
        SELECT
            ARRAY(SELECT n.other FROM near n WHERE n.over IS NOT TRUE EXCEPT SELECT unnest(w.seen)) AS frontier,
            ARRAY(SELECT n.id FROM near n WHERE n.over) AS capped
    ) AS l
    WHERE w.depth < %(hops)s::integer AND cardinality(w.frontier) > 0
        AND cardinality(w.seen) <= %(limit)s::bigint + (SELECT count(*) FROM start)
),
nodes AS MATERIALIZED (
    SELECT n.id, n.depth, n.id IN (SELECT unnest(w.capped) FROM walk w) AS capped
    FROM (
        SELECT f.id, w.depth FROM walk w CROSS JOIN LATERAL unnest(w.frontier) AS f (id)
        ORDER BY w.depth, f.id
        LIMIT %(limit)s::bigint + (SELECT count(*) FROM start) + 1
    ) AS n
)

-- named --
e.name_keys @@ memory_name_query(%(names)s::text[])

-- named_looked_up --
-- For a request where a policy keeps @@ from the index: the owner's function looks up.
e.id = ANY ((SELECT memory_matching_entity(memory_name_query(%(names)s::text[])))::bigint[])

-- fact --
-- Which facts count: by type, weight and both axes of time.
{types}
(%(min_weight)s::real IS NULL OR r.weight >= %(min_weight)s::real)
AND (r.superseded_at IS NULL OR r.superseded_at > %(known_at)s::timestamptz)
AND (%(known_at)s::timestamptz IS NULL OR r.recorded_at <= %(known_at)s::timestamptz)
AND (%(valid_at)s::timestamptz IS NULL OR (r.valid_from IS NULL OR r.valid_from <= %(valid_at)s::timestamptz)
    AND (r.valid_to IS NULL OR r.valid_to > %(valid_at)s::timestamptz))

-- of_types --
-- Only there when asked for, so that it is a condition of the index in a plan without values, too.
r.type = ANY (%(types)s::text[]) AND

-- within --
WITH {walk}
SELECT n.id, e.name, e.type, n.depth, n.capped
FROM nodes n
JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = n.id
ORDER BY n.depth, n.id

-- around --
-- The things within some hops and the facts between them; first the things, then the facts.
WITH {walk}
SELECT
    n.id, e.name, e.type, n.depth, n.capped, NULL::bigint AS target_id, NULL::real AS weight
FROM nodes n
JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = n.id
UNION ALL
(SELECT r.id, r.source_id::text, r.type, NULL, NULL, r.target_id, r.weight
FROM nodes n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.type, r.target_id, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {fact}
        AND r.target_id = ANY (ARRAY(SELECT m.id FROM nodes m))
) AS r
LIMIT %(facts)s::bigint)

-- between --
-- Every fact of the things within some hops of two ends: each path of twice as many facts, and two more, is among them.
WITH {walk}
SELECT DISTINCT r.id, r.source_id, r.target_id, r.type, r.weight
FROM (SELECT n.id FROM nodes n) AS n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {fact}
    UNION ALL
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = n.id AND {fact}
) AS r
LIMIT %(facts)s::bigint
