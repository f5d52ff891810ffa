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
                    {strongest}
                    LIMIT %(fan_out)s::integer + 1) AS o)
                UNION ALL
                (SELECT i.other, row_number() OVER () AS n FROM (
                    SELECT r.source_id AS other FROM kg_relationships r
                    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = f.id AND %(in)s::boolean AND {fact}
                    {strongest}
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
    AND (%(ended)s::boolean OR r.valid_to IS NULL OR r.valid_to > %(valid_at)s::timestamptz))

-- strongest --
-- Of a thing with more facts than are followed, those that weigh most; all of them are read for that.
ORDER BY r.weight DESC, r.id

-- counted --
-- How many facts a thing has.
(SELECT count(*) FROM (
    SELECT FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {fact}
    LIMIT %(counted)s::bigint) AS o)
+ (SELECT count(*) FROM (
    SELECT FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = n.id AND {fact}
    LIMIT %(counted)s::bigint) AS i)

-- not_counted --
0::bigint

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
-- The things within some hops and the facts between them; first the things, then the facts. Written so that no plan compares each
-- fact with each thing, as one without statistics did: the facts are looked up by thing, their other ends in a hash table.
WITH {walk}
SELECT
    n.id, e.name, e.type, n.depth, n.capped, {counted} AS facts, NULL::bigint AS target_id, NULL::real AS weight,
    NULL::timestamptz AS valid_from, NULL::timestamptz AS valid_to
FROM nodes n
JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = n.id
UNION ALL
(SELECT r.id, r.source_id::text, r.type, NULL, NULL, NULL, r.target_id, r.weight, r.valid_from, r.valid_to
FROM nodes n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.type, r.target_id, r.weight, r.valid_from, r.valid_to FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {fact}
        AND (r.target_id IN (SELECT m.id FROM nodes m)) IS TRUE
    OFFSET 0
) AS r
LIMIT %(facts)s::bigint)

-- between --
-- Every fact of the things within some hops of two ends: each path of twice as many facts, and two more, is among them.
WITH {walk}
SELECT DISTINCT r.id, r.source_id, r.target_id, r.type, r.weight, r.valid_from, r.valid_to
FROM (SELECT n.id FROM nodes n) AS n
CROSS JOIN LATERAL (
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight, r.valid_from, r.valid_to FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.source_id = n.id AND {fact}
    UNION ALL
    SELECT r.id, r.source_id, r.target_id, r.type, r.weight, r.valid_from, r.valid_to FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text AND r.target_id = n.id AND {fact}
) AS r
LIMIT %(facts)s::bigint

-- overview --
-- How much there is of what is known and true at some moment, of which types, which things have most facts, and over which
-- times the facts reach, whatever became of them. No more than so many things and facts are looked at.
WITH things AS MATERIALIZED (
    SELECT e.type FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text
        AND (e.merged_at IS NULL OR e.merged_at > %(known_at)s::timestamptz)
        AND (%(known_at)s::timestamptz IS NULL OR e.created_at <= %(known_at)s::timestamptz)
    LIMIT %(most)s::bigint + 1
),
looked AS MATERIALIZED (
    SELECT
        r.source_id, r.target_id, r.type, r.valid_from, r.valid_to, r.recorded_at, r.superseded_at,
        ({fact}) AS holds
    FROM kg_relationships r
    WHERE r.agent_id = %(agent_id)s::text
    LIMIT %(most)s::bigint + 1
),
connected AS (
    SELECT d.id, count(*) AS facts
    FROM (
        SELECT l.source_id AS id FROM looked l WHERE l.holds
        UNION ALL
        SELECT l.target_id FROM looked l WHERE l.holds AND l.target_id <> l.source_id
    ) AS d
    GROUP BY d.id
    ORDER BY facts DESC, d.id
    LIMIT %(limit)s::bigint
)
SELECT
    (SELECT count(*) FROM things) AS entities,
    (SELECT count(*) FROM looked l WHERE l.holds) AS facts,
    (SELECT count(*) FROM looked) AS looked_at,
    ARRAY(
        SELECT jsonb_build_object('type', t.type, 'count', count(*)) FROM things t
        GROUP BY t.type ORDER BY count(*) DESC, t.type LIMIT 100) AS entity_types,
    ARRAY(
        SELECT jsonb_build_object('type', l.type, 'count', count(*)) FROM looked l WHERE l.holds
        GROUP BY l.type ORDER BY count(*) DESC, l.type LIMIT 100) AS fact_types,
    ARRAY(
        SELECT jsonb_build_object('id', e.id, 'name', e.name, 'type', e.type, 'facts', c.facts)
        FROM connected c JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = c.id
        ORDER BY c.facts DESC, c.id) AS most_connected,
    (SELECT least(min(l.valid_from), min(l.valid_to)) FROM looked l) AS true_from,
    (SELECT greatest(max(l.valid_from), max(l.valid_to)) FROM looked l) AS true_to,
    (SELECT min(l.recorded_at) FROM looked l) AS known_from,
    (SELECT greatest(max(l.recorded_at), max(l.superseded_at)) FROM looked l) AS known_to
