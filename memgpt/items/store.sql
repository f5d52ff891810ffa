-- change --
-- Gives items that are there new values; answers with the place and the id of each. Vectors of the value before go. A value
-- that is the same again is no change of the history.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
incoming AS MATERIALIZED ({incoming}),
before AS (
    SELECT
        i.ord, m.id, m.namespace, m.key, m.value, m.text, m.language, m.ttl_minutes, m.expires_at, m.created_at,
        m.updated_at, m.embedding_model, m.embedding
    FROM incoming i
    JOIN store_items m ON m.agent_id = %(agent_id)s::text AND m.namespace = i.namespace AND m.key = i.key
    ORDER BY m.id
    FOR UPDATE OF m
),
changed AS (
    UPDATE store_items m SET
        value = i.value,
        text = i.text,
        language = %(language)s::text,
        ttl_minutes = i.ttl_minutes,
        expires_at = moment.now + make_interval(secs => i.ttl_minutes * 60),
        updated_at = moment.now,
        embedding = i.embedding,
        embedding_model = CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END
    FROM before b
    JOIN incoming i ON i.ord = b.ord
    CROSS JOIN moment
    WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id
    RETURNING m.id, (m.value, m.text) IS DISTINCT FROM (b.value, b.text) AS differs, m.text <> b.text AS reads_differently
),
stale AS (
    DELETE FROM store_vectors WHERE agent_id = %(agent_id)s::text AND item_id IN (SELECT b.id FROM before b)
),
logged AS (
    INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, moment.now, %(change_id)s::uuid, %(actor)s::text, 'item', b.id, 'update',
        to_jsonb(b) - '{ord,embedding}'::text[], CASE WHEN c.reads_differently THEN b.embedding END
    FROM before b
    JOIN changed c ON c.id = b.id AND c.differs
    CROSS JOIN moment
)
SELECT b.ord::integer - 1 AS place, b.id FROM before b

-- insert --
-- Inserts items where there are none; answers with the place and the id of those that are new.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
incoming AS MATERIALIZED ({incoming}),
inserted AS (
    INSERT INTO store_items (
        agent_id, namespace, key, value, text, language, ttl_minutes, expires_at, created_at, updated_at, embedding_model,
        embedding)
    SELECT
        %(agent_id)s::text, i.namespace, i.key, i.value, i.text, %(language)s::text, i.ttl_minutes,
        moment.now + make_interval(secs => i.ttl_minutes * 60), moment.now, moment.now,
        CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END, i.embedding
    FROM incoming i
    CROSS JOIN moment
    ORDER BY i.namespace, i.key
    ON CONFLICT (agent_id, namespace, key) DO NOTHING
    RETURNING id, namespace, key
),
logged AS (
    INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, moment.now, %(change_id)s::uuid, %(actor)s::text, 'item', n.id, 'insert'
    FROM inserted n
    CROSS JOIN moment
)
SELECT i.ord::integer - 1 AS place, n.id
FROM incoming i
JOIN inserted n ON n.namespace = i.namespace AND n.key = i.key

-- incoming --
-- The items of a call, in its order. Namespaces differ in length, so each is JSON.
SELECT
    i.ord, ARRAY(SELECT jsonb_array_elements_text(i.namespace)) AS namespace, i.key, i.value, i.text, i.ttl_minutes,
    i.embedding
FROM unnest(
    %(namespace)b::jsonb[], %(key)b::text[], %(value)b::jsonb[], %(text)b::text[], %(ttl_minutes)b::double precision[],
    %(embedding)b::vector[]
) WITH ORDINALITY AS i (namespace, key, value, text, ttl_minutes, embedding, ord)

-- add_vectors --
-- Vectors of an application's own model, for the items as they are now.
INSERT INTO store_vectors (agent_id, item_id, collection, field, item_embedding, created_at)
SELECT %(agent_id)s::text, m.id, %(collection)s::text, v.field, v.embedding, m.updated_at
FROM unnest(%(id)b::bigint[], %(field)b::text[], %(embedding)b::vector[]) AS v (id, field, embedding)
JOIN store_items m ON m.agent_id = %(agent_id)s::text AND m.id = v.id

-- delete --
-- Removes items, keeping them in the history; answers how many there were.
WITH gone AS (
    DELETE FROM store_items m
    USING unnest(%(namespace)b::jsonb[], %(key)b::text[]) AS p (namespace, key)
    WHERE m.agent_id = %(agent_id)s::text AND m.namespace = ARRAY(SELECT jsonb_array_elements_text(p.namespace))
        AND m.key = p.key
    RETURNING
        m.id, m.namespace, m.key, m.value, m.text, m.language, m.ttl_minutes, m.expires_at, m.created_at, m.updated_at,
        m.embedding_model, m.embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'item', g.id, 'delete', to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id

-- sweep --
-- What has expired is forgotten: no history keeps it either.
WITH gone AS (
    DELETE FROM store_items WHERE agent_id = %(agent_id)s::text AND expires_at <= now()
    RETURNING id
),
entries AS (
    DELETE FROM memory_history
    WHERE agent_id = %(agent_id)s::text AND kind = 'item' AND row_id IN (SELECT g.id FROM gone g)
)
SELECT count(*) FROM gone

-- refresh --
-- Items that were read live on. Neither a change of the history nor of what they say.
UPDATE store_items SET expires_at = now() + make_interval(secs => ttl_minutes * 60)
WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[]) AND ttl_minutes IS NOT NULL

-- get --
-- The items at some places, with the place of each in the call.
SELECT p.ord::integer - 1 AS place, {columns}
FROM unnest(%(namespace)b::jsonb[], %(key)b::text[]) WITH ORDINALITY AS p (namespace, key, ord)
JOIN store_items m
    ON m.agent_id = %(agent_id)s::text AND m.namespace = ARRAY(SELECT jsonb_array_elements_text(p.namespace))
        AND m.key = p.key
WHERE {live}
ORDER BY p.ord

-- list --
-- Items of one namespace by their keys, those that begin with a text, from the one after a key on.
SELECT {columns}
FROM store_items m
WHERE m.agent_id = %(agent_id)s::text AND m.namespace = %(namespace)s::text[] AND m.key > %(after)s::text
    AND starts_with(m.key, %(begins)s::text) AND {live}
ORDER BY m.key
LIMIT %(limit)s::integer

-- newest --
-- Items below a namespace, the one last written first.
SELECT {columns}, NULL::double precision AS score
FROM store_items m
WHERE m.agent_id = %(agent_id)s::text AND {live} {within} {matching}
ORDER BY m.updated_at DESC, m.id DESC
LIMIT %(limit)s::integer OFFSET %(offset)s::integer

-- similar --
-- Items below a namespace by the vectors of the memory's model, nearest first; all of them are compared.
SELECT {columns}, 1 - (m.embedding <=> %(embedding)s::vector) AS score
FROM store_items m
WHERE m.agent_id = %(agent_id)s::text AND m.embedding IS NOT NULL AND m.text <> '' AND {live} {within} {matching}
ORDER BY m.embedding <=> %(embedding)s::vector, m.updated_at DESC, m.id DESC
LIMIT %(limit)s::integer OFFSET %(offset)s::integer

-- similar_own --
-- The same by an application's own vectors; of an item that has several the nearest counts.
WITH scored AS MATERIALIZED (
    SELECT m.id, max({score}) AS score
    FROM store_items m
    JOIN store_vectors v
        ON v.agent_id = %(agent_id)s::text AND v.item_id = m.id AND v.collection = %(collection)s::text
            AND v.created_at = m.updated_at
    WHERE m.agent_id = %(agent_id)s::text AND {live} {within} {matching}
    GROUP BY m.id
    ORDER BY score DESC, m.id DESC
    LIMIT %(limit)s::integer OFFSET %(offset)s::integer
)
SELECT {columns}, s.score
FROM scored s
JOIN store_items m ON m.agent_id = %(agent_id)s::text AND m.id = s.id
ORDER BY s.score DESC, m.id DESC

-- score_cosine --
1 - (v.item_embedding <=> %(embedding)s::vector)

-- score_inner_product --
-(v.item_embedding <#> %(embedding)s::vector)

-- score_l2 --
-(v.item_embedding <-> %(embedding)s::vector)

-- columns --
m.id, m.namespace, m.key, m.value, m.text, m.ttl_minutes, m.expires_at, m.created_at, m.updated_at

-- live --
(%(expired)s::boolean OR m.expires_at IS NULL OR m.expires_at > now())

-- within --
-- Below a namespace, which is a range of the key.
AND m.namespace >= %(prefix)s::text[] AND m.namespace < %(beyond)s::text[]

-- everywhere --

-- wanted --
-- One of these keys, and a value that fulfils a predicate.
(%(keys)s::text[] IS NULL OR m.key = ANY (%(keys)s::text[]))
    AND (%(predicate)s::jsonpath IS NULL
        OR jsonb_path_match(m.value, %(predicate)s::jsonpath, %(predicate_values)s::jsonb, true))

-- matching --
-- Every condition holds: a value compares with one of its own type, so numbers compare as numbers.
AND {wanted}
AND NOT EXISTS (
    SELECT FROM unnest(%(fields)s::text[], %(operators)s::text[], %(operands)s::jsonb[]) AS c (field, operator, operand)
    WHERE NOT coalesce(
        CASE c.operator
            WHEN '$eq' THEN m.value -> c.field = c.operand
            WHEN '$ne' THEN m.value -> c.field IS DISTINCT FROM c.operand
            ELSE jsonb_typeof(m.value -> c.field) = jsonb_typeof(c.operand) AND
                CASE c.operator
                    WHEN '$gt' THEN m.value -> c.field > c.operand
                    WHEN '$gte' THEN m.value -> c.field >= c.operand
                    WHEN '$lt' THEN m.value -> c.field < c.operand
                    WHEN '$lte' THEN m.value -> c.field <= c.operand
                END
        END, false))

-- any_value --

-- namespaces --
-- Namespaces that have items, cut to a depth, in order. A label * of a path stands for any one label.
SELECT DISTINCT n.namespace[1:least(cardinality(n.namespace), %(max_depth)s::integer)] AS namespace
FROM (SELECT DISTINCT m.namespace FROM store_items m WHERE m.agent_id = %(agent_id)s::text AND {live}) AS n
WHERE cardinality(n.namespace) >= greatest(cardinality(%(prefix)s::text[]), cardinality(%(suffix)s::text[]))
    AND NOT EXISTS (
        SELECT FROM unnest(%(prefix)s::text[]) WITH ORDINALITY AS p (label, place)
        WHERE p.label <> '*' AND n.namespace[p.place] <> p.label)
    AND NOT EXISTS (
        SELECT FROM unnest(%(suffix)s::text[]) WITH ORDINALITY AS s (label, place)
        WHERE s.label <> '*'
            AND n.namespace[cardinality(n.namespace) - cardinality(%(suffix)s::text[]) + s.place] <> s.label)
ORDER BY 1
LIMIT %(limit)s::integer OFFSET %(offset)s::integer
