-- sample --
-- Rows spread over the table, each with some company of its agent.
SELECT agent_id, id FROM {table}
WHERE embedding IS NOT NULL AND embedding_next IS NOT NULL
ORDER BY md5(agent_id || ' ' || id::text)
LIMIT %(limit)s::integer

-- neighbours --
-- The ids nearest to a row by one side's vectors: candidates by their codes, exact distances decide.
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text AND m.id <> %(id)s::bigint
    AND m.id = ANY (ARRAY(
        SELECT x.id FROM {table} x
        WHERE x.agent_id = %(agent_id)s::text AND x.{codes} IS NOT NULL
        ORDER BY x.{codes} {distance} (SELECT s.{codes} FROM {table} s WHERE s.agent_id = %(agent_id)s::text AND s.id = %(id)s::bigint)
        LIMIT 500))
ORDER BY (m.{embedding} <=> (SELECT s.{embedding} FROM {table} s WHERE s.agent_id = %(agent_id)s::text AND s.id = %(id)s::bigint)) + 0, m.id
LIMIT %(limit)s::integer

-- nearest --
-- The ids nearest to a query by one side's vectors.
SELECT m.id FROM {table} m
WHERE m.agent_id = %(agent_id)s::text
    AND m.id = ANY (ARRAY(
        SELECT x.id FROM {table} x
        WHERE x.agent_id = %(agent_id)s::text AND x.{codes} IS NOT NULL
        ORDER BY x.{codes} {distance} (SELECT {code})
        LIMIT 500))
ORDER BY (m.{embedding} <=> %(embedding)s::vector) + 0, m.id
LIMIT %(limit)s::integer
