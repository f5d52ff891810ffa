-- in_utc --
-- Times in JSON are in the zone of the session: in UTC until the end of the transaction.
SELECT set_config('timezone', 'UTC', true)

-- agent --
SELECT jsonb_build_object('agent_id', agent_id, 'description', description, 'metadata', metadata,
    'functional_types', functional_types, 'time_zone', time_zone)
FROM agents WHERE agent_id = %(agent_id)s::text

-- counts --
SELECT jsonb_build_object({counts})

-- count_rows --
{name}, (SELECT count(*) FROM {table} WHERE agent_id = %(agent_id)s::text)

-- model --
SELECT jsonb_build_object('name', name, 'dimensions', dimensions) FROM embedding_models WHERE active

-- describe --
-- An imported agent keeps its description, unless there is an agent of that name already.
INSERT INTO agents (agent_id, description, metadata, functional_types, time_zone)
VALUES (
    %(agent_id)s::text, %(description)s::text, %(metadata)s::jsonb, %(functional_types)b::text[], %(time_zone)s::text)
ON CONFLICT DO NOTHING

-- last_ids --
-- The last id that each table has handed out, to whichever agent.
SELECT i.name, coalesce(pg_sequence_last_value(pg_get_serial_sequence(i.name, 'id')::regclass), 0)
FROM unnest(%(tables)b::text[]) AS i (name)

-- reserve --
-- The next ids of tables, so many of each.
SELECT i.name, nextval(s.sequence)
FROM unnest(%(tables)b::text[], %(counts)b::bigint[]) AS i (name, count)
CROSS JOIN LATERAL (SELECT pg_get_serial_sequence(i.name, 'id')::regclass AS sequence) AS s
CROSS JOIN LATERAL generate_series(1, i.count)

-- there --
-- Which incoming rows have an id that one of the agent's has, and whether it is the same row: made at the same moment.
SELECT i.ord::integer - 1, t.{created} IS NOT DISTINCT FROM n.{created}
FROM unnest(%(rows)b::jsonb[]) WITH ORDINALITY AS i (line, ord)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, i.line) AS n
JOIN {table} t ON t.agent_id = %(agent_id)s::text AND t.id = n.id

-- same --
-- Rows of the agent that say what incoming ones say, whatever their ids and those they refer to: of several, one each.
WITH incoming AS (
    SELECT i.ord, md5(ROW({n_content})::text) AS content
    FROM unnest(%(rows)b::jsonb[]) WITH ORDINALITY AS i (line, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, i.line) AS n
)
SELECT n.ord::integer - 1, (SELECT to_jsonb(r) FROM (SELECT {o_columns}) AS r)
FROM (SELECT i.*, row_number() OVER (PARTITION BY i.content ORDER BY i.ord) AS n FROM incoming i) AS n
JOIN (
    SELECT t.id, md5(ROW({t_content})::text) AS content,
        row_number() OVER (PARTITION BY md5(ROW({t_content})::text) ORDER BY t.id) AS n
    FROM {table} t
    WHERE t.agent_id = %(agent_id)s::text
) AS t ON t.content = n.content AND t.n = n.n
JOIN {table} o ON o.agent_id = %(agent_id)s::text AND o.id = t.id

-- export --
SELECT to_jsonb(r)::text, {t_vector}
FROM {table} t
CROSS JOIN LATERAL (SELECT {exported}) AS r
WHERE t.agent_id = %(agent_id)s::text
ORDER BY t.id

-- take_in --
-- Rows that are there already stay as they are, and are compared; the others are inserted.
WITH incoming AS (
    SELECT i.ord, i.embedding AS vector, i.given, r.*
    FROM unnest(%(rows)b::jsonb[], %(embeddings)b::vector[], %(given)b::boolean[])
        WITH ORDINALITY AS i (line, embedding, given, ord)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, i.line) AS r
),
inserted AS (
    INSERT INTO {table} (agent_id, {stored})
    SELECT %(agent_id)s::text, {incoming}
    FROM incoming n
    ORDER BY n.ord
    ON CONFLICT (agent_id, id) DO NOTHING
    RETURNING id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, {kind}, id, 'insert' FROM inserted
    WHERE %(logged)s::boolean AND {kind} IS NOT NULL
)
SELECT
    n.ord::integer - 1 AS position, i.id IS NOT NULL AS inserted,
    t.id IS NOT NULL AND (
        ROW({t_compared}) IS DISTINCT FROM ROW({n_compared})
        OR n.given AND {t_vector} IS DISTINCT FROM n.vector) AS differs
FROM incoming n
LEFT JOIN inserted i ON i.id = n.id
LEFT JOIN {table} t ON t.agent_id = %(agent_id)s::text AND t.id = n.id
ORDER BY n.ord

-- incoming_embedding_model --
CASE WHEN n.vector IS NOT NULL THEN %(embedding_model)s::text END

-- incoming_embedding --
n.vector

-- incoming_old_embedding --
n.vector
