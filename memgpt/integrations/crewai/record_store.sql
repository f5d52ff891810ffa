-- records --
-- Records that fulfil a condition, the newest first, with the vectors they were saved with if those are asked for.
SELECT m.value, v.item_embedding AS embedding
FROM store_items m
LEFT JOIN store_vectors v
    ON %(vectors)s::boolean AND v.agent_id = %(agent_id)s::text AND v.item_id = m.id AND v.created_at = m.updated_at
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND {wanted}
ORDER BY (m.value ->> 'created')::double precision DESC, m.id DESC
LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint

-- ids --
-- The items of the records that fulfil a condition.
SELECT m.id
FROM store_items m
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND {wanted}

-- scopes --
-- How many records each scope has, and of which time.
SELECT
    m.value ->> 'scope' AS scope, count(*) AS records, min((m.value ->> 'created')::double precision) AS oldest,
    max((m.value ->> 'created')::double precision) AS newest
FROM store_items m
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND {wanted}
GROUP BY 1
ORDER BY 1

-- categories --
-- How many records each category has.
SELECT c.category, count(*) AS records
FROM store_items m
CROSS JOIN LATERAL jsonb_array_elements_text(m.value -> 'categories') AS c (category)
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND {wanted}
GROUP BY 1
ORDER BY 1

-- dimensions --
-- The length of the vectors that records have.
SELECT vector_dims(v.item_embedding)
FROM store_items m
JOIN store_vectors v ON v.agent_id = %(agent_id)s::text AND v.item_id = m.id AND v.created_at = m.updated_at
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[]
LIMIT 1

-- touch --
-- Records that were recalled. Neither a change of the history nor of what they say.
UPDATE store_items m SET value = jsonb_set(m.value, '{last_accessed}', to_jsonb(%(now)s::text))
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND m.key = ANY (%(keys)s::text[])
