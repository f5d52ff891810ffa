-- create --
INSERT INTO agents (agent_id, description, metadata, time_zone)
VALUES (%(agent_id)s::text, %(description)s::text, %(metadata)s::jsonb, %(time_zone)s::text)
ON CONFLICT DO NOTHING

-- page --
-- The next agents after an id that are described or have rows: each time the least id after the one before, by one look into
-- the key of each table whose rows stand for themselves, however many rows and agents there are.
WITH RECURSIVE page (agent_id, number) AS (
    SELECT %(after)s::text, 0
    UNION ALL
    SELECT
        (SELECT min(next.agent_id) FROM (
            (SELECT t.agent_id FROM agents t WHERE t.agent_id > p.agent_id {begins} ORDER BY t.agent_id LIMIT 1)
            UNION ALL
            {next}
        ) AS next),
        p.number + 1
    FROM page p
    WHERE p.agent_id IS NOT NULL AND (%(limit)s::integer IS NULL OR p.number < %(limit)s::integer)
)
SELECT agent_id FROM page WHERE number > 0 AND agent_id IS NOT NULL ORDER BY number

-- next_agent --
(SELECT t.agent_id FROM {table} t WHERE t.agent_id > p.agent_id {begins} ORDER BY t.agent_id LIMIT 1)

-- next_described --
SELECT t.agent_id FROM agents t WHERE t.agent_id > %(after)s::text {begins} ORDER BY t.agent_id LIMIT %(limit)s::integer

-- any_beginning --

-- range_beginning --
-- Where ids are ordered by code points those that begin with a text are a range, which is looked up.
AND t.agent_id >= %(prefix)s::text AND t.agent_id <= %(prefix)s::text || %(last_character)s::text

-- other_beginning --
AND starts_with(t.agent_id, %(prefix)s::text)

-- describe --
-- These agents, with how many rows each has in each table: not counted beyond %(most)s; proposals that wait, to 100. The bytes are its share, by rows, of those
-- tables and their indexes. How many rows a table has is told from its pages, as the planner does: from rows a page when it was
-- vacuumed or analyzed last, else from ten.
WITH wide AS MATERIALIZED (
    SELECT
        o.agent_id,
        {counts}
    FROM (
        SELECT u.agent_id, lag(u.agent_id) OVER (ORDER BY u.place) AS before
        FROM unnest(%(agent_ids)s::text[]) WITH ORDINALITY AS u (agent_id, place)
    ) AS o
),
counted AS (
    SELECT
        w.agent_id, c.name, least(c.rows, coalesce(%(most)s::bigint, c.rows)) AS rows,
        coalesce(c.rows > %(most)s::bigint, false) AS more
    FROM wide w
    CROSS JOIN LATERAL (VALUES
        {counted}
    ) AS c (name, rows)
    WHERE c.rows <> 0
),
tables AS MATERIALIZED (
    SELECT
        t.relname::text AS name, pg_total_relation_size(t.oid) AS bytes,
        pg_relation_size(t.oid) / 8192 * CASE WHEN t.relpages > 0 THEN t.reltuples / t.relpages ELSE 10 END AS rows
    FROM pg_class t
    WHERE t.oid = ANY (ARRAY(SELECT DISTINCT c.name::regclass::oid FROM counted c))
),
sizes AS (
    SELECT
        c.agent_id, jsonb_object_agg(c.name, c.rows) AS rows,
        array_agg(c.name ORDER BY c.name) FILTER (WHERE c.more) AS more_rows,
        sum(t.bytes * least(1, c.rows / greatest(t.rows, 1)))::bigint AS bytes
    FROM counted c
    JOIN tables t USING (name)
    GROUP BY c.agent_id
)
SELECT
    o.agent_id, coalesce(a.description, '') AS description, coalesce(a.metadata, '{}') AS metadata,
    a.created_at, a.updated_at, a.time_zone,
    coalesce(
        (SELECT h.changed_at FROM memory_history h WHERE h.agent_id = o.agent_id ORDER BY h.id DESC LIMIT 1), a.updated_at
    ) AS last_active_at,
    coalesce(s.rows, '{}') AS rows, coalesce(s.more_rows, '{}') AS more_rows, coalesce(s.bytes, 0) AS bytes,
    (SELECT count(*) FROM (
        SELECT FROM proposals p WHERE p.agent_id = o.agent_id AND p.status = 'proposed' LIMIT 100) AS r) AS waiting
FROM unnest(%(agent_ids)s::text[]) WITH ORDINALITY AS o (agent_id, place)
LEFT JOIN agents a ON a.agent_id = o.agent_id
LEFT JOIN sizes s ON s.agent_id = o.agent_id
WHERE a.agent_id IS NOT NULL OR s.agent_id IS NOT NULL
ORDER BY o.place

-- count_some --
(SELECT count(*) FROM (SELECT FROM {table} t WHERE t.agent_id = o.agent_id LIMIT %(most)s::bigint + 1) AS r) AS {table}

-- count_after --
-- The same for agents that follow each other, from the one before on: -1 where somebody else has rows in between. Only in
-- tables that have rows of any of them.
CASE WHEN EXISTS (
    SELECT FROM {table} t
    WHERE t.agent_id > %(after)s::text AND t.agent_id >= %(prefix)s::text AND t.agent_id <= %(last)s::text)
THEN (
    SELECT CASE WHEN min(r.agent_id) < o.agent_id THEN -1 ELSE count(*) END
    FROM (
        SELECT t.agent_id FROM {table} t
        WHERE t.agent_id > coalesce(o.before, %(after)s::text) AND t.agent_id >= %(prefix)s::text
            AND t.agent_id <= o.agent_id
        ORDER BY t.agent_id
        LIMIT %(most)s::bigint + 1) AS r)
ELSE 0 END AS {table}

-- counted_rows --
({name}, w.{table})

-- occupied --
-- Whether an agent is described or has rows.
SELECT EXISTS (SELECT FROM agents WHERE agent_id = %(agent_id)s::text) OR {has_rows}

-- has_rows --
EXISTS (SELECT FROM {table} WHERE agent_id = %(agent_id)s::text)

-- copy --
-- Copies a whole memory to another agent: the keys are (agent_id, id), so ids and references carry over. One statement,
-- so that all tables are copied as they are at one moment.
WITH {copies}
INSERT INTO agents (agent_id, description, metadata, functional_types, time_zone, languages, languages_read, created_at)
SELECT %(target)s::text, description, metadata, functional_types, time_zone, languages, languages_read, created_at
FROM agents WHERE agent_id = %(source)s::text

-- copy_table --
{rows} AS (
    INSERT INTO {table} (agent_id, {stored})
    SELECT %(target)s::text, {stored}
    FROM {table} WHERE agent_id = %(source)s::text
)

-- reshare --
-- Blocks that were shared with an agent are shared with its new name.
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
        shared_with = array_replace(b.shared_with, %(agent_id)s::text, %(target)s::text),
        version = b.version + 1,
        updated_at = now()
    FROM before b
    WHERE m.agent_id = b.agent_id AND m.id = b.id
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
SELECT agent_id, %(change_id)s::uuid, %(actor)s::text, 'block', id, 'update', to_jsonb(b) - 'agent_id' FROM before b

-- page_of_key --
-- Described agents by id. For a request the policies leave those of its key; the key's ranges of ids say where they are, so
-- that nobody else's rows are looked at.
WITH reached AS (
    SELECT a.agent_id
    FROM unnest(%(firsts)s::text[], %(lasts)s::text[]) AS r (first, last)
    CROSS JOIN LATERAL (
        SELECT g.agent_id FROM agents g
        WHERE g.agent_id > %(after)s::text AND g.agent_id >= r.first AND g.agent_id <= r.last
        ORDER BY g.agent_id
        LIMIT %(limit)s::integer
    ) AS a
    UNION
    (SELECT g.agent_id FROM agents g
    WHERE %(anywhere)s::boolean AND g.agent_id > %(after)s::text
    ORDER BY g.agent_id
    LIMIT %(limit)s::integer)
)
SELECT a.agent_id, a.description, a.metadata, a.time_zone, a.created_at, a.updated_at
FROM agents a
WHERE a.agent_id = ANY (ARRAY(SELECT r.agent_id FROM reached r ORDER BY r.agent_id LIMIT %(limit)s::integer))
ORDER BY a.agent_id

-- row --
SELECT agent_id, description, metadata, time_zone, created_at, updated_at FROM agents WHERE agent_id = %(agent_id)s::text

-- put --
-- Describes an agent, which need not exist yet. What is null in the call stays, a time zone unless it is to be cleared.
INSERT INTO agents AS a (agent_id, description, metadata, time_zone)
VALUES (%(agent_id)s::text, coalesce(%(description)s::text, ''), coalesce(%(metadata)s::jsonb, '{}'), %(time_zone)s::text)
ON CONFLICT (agent_id) DO UPDATE SET
    description = coalesce(%(description)s::text, a.description),
    metadata = coalesce(%(metadata)s::jsonb, a.metadata),
    time_zone = CASE WHEN NOT %(clear_time_zone)s::boolean THEN coalesce(%(time_zone)s::text, a.time_zone) END,
    updated_at = now()
RETURNING agent_id, description, metadata, time_zone, created_at, updated_at
