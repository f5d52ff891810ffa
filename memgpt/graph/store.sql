-- lock_names --
-- One writer at a time gives new names to an agent's entities; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('memgpt entity names ' || %(agent_id)s::text, 0))

-- insert_entity --
WITH inserted AS (
    INSERT INTO kg_entities (
        agent_id, name, type, aliases, description, properties, language, embedding_model, embedding)
    VALUES (
        %(agent_id)s::text, %(name)s::text, %(type)s::text, %(aliases)b::text[], %(description)s::text,
        %(properties)s::jsonb, %(language)s::text, %(embedding_model)s::text, %(embedding)s::vector)
    RETURNING id, name, type, aliases, description, properties, created_at, updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', id, 'insert' FROM inserted
)
SELECT * FROM inserted

-- insert_named --
-- Inserts entities of which nothing is known but the names, each of them once; answers in their order, without an id where
-- an entity goes by the name. The lock of lock_names is held.
WITH incoming AS (
    SELECT i.name, i.embedding, i.ord
    FROM unnest(%(names)b::text[], %(embeddings)b::vector[]) WITH ORDINALITY AS i (name, embedding, ord)
),
inserted AS (
    INSERT INTO kg_entities (agent_id, name, type, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, i.name, %(type)s::text, %(language)s::text,
        CASE WHEN i.embedding IS NOT NULL THEN %(embedding_model)s::text END, i.embedding
    FROM incoming i
    WHERE NOT EXISTS (SELECT FROM incoming o WHERE o.ord < i.ord AND lower(o.name) = lower(i.name))
        AND NOT EXISTS (
            SELECT FROM kg_entities n
            WHERE n.agent_id = %(agent_id)s::text AND {named}
                AND memory_names(n.name, n.aliases) @> ARRAY[lower(i.name)])
    ORDER BY i.ord
    RETURNING id, name
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', id, 'insert' FROM inserted
)
SELECT n.id
FROM incoming i
LEFT JOIN inserted n ON lower(n.name) = lower(i.name)
ORDER BY i.ord

-- aliases --
-- An entity's own aliases, and the names of what was merged into it.
CASE WHEN NOT EXISTS (
    SELECT FROM kg_entities m WHERE m.agent_id = %(agent_id)s::text AND m.merged_into = e.id
) THEN e.aliases ELSE e.aliases || ARRAY(
    WITH RECURSIVE merged AS (
        SELECT m.id, m.name, m.aliases FROM kg_entities m
        WHERE m.agent_id = %(agent_id)s::text AND m.merged_into = e.id
        UNION
        SELECT m.id, m.name, m.aliases FROM merged o
        JOIN kg_entities m ON m.agent_id = %(agent_id)s::text AND m.merged_into = o.id
    )
    SELECT min(n.name) FROM merged m CROSS JOIN LATERAL unnest(m.name || m.aliases) AS n (name)
    WHERE lower(n.name) <> ALL (memory_names(e.name, e.aliases))
    GROUP BY lower(n.name)
    ORDER BY 1
) END AS aliases

-- get_entity --
SELECT e.id, e.name, e.type, {aliases}, e.description, e.properties, e.created_at, e.updated_at, e.merged_into, e.merged_at
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.id = %(id)s::bigint

-- names --
SELECT id, name FROM kg_entities WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])

-- survivor --
-- What an entity was, or had turned out to be, at a time; null is now.
WITH RECURSIVE way AS (
    SELECT e.id, e.merged_into, e.merged_at FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND e.id = %(id)s::bigint
    UNION
    SELECT e.id, e.merged_into, e.merged_at FROM way w
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.id = w.merged_into
    WHERE %(known_at)s::timestamptz IS NULL OR w.merged_at <= %(known_at)s::timestamptz
)
SELECT w.id FROM way w
WHERE w.merged_at IS NULL OR w.merged_at > %(known_at)s::timestamptz

-- find_entities --
-- Entities that go by a name, upper or lower case: those whose own name it is first, then the oldest.
-- What was merged into another goes by the other, from then on (at a time before, it stands for itself).
WITH RECURSIVE named AS (
    SELECT n.id, n.merged_into, n.merged_at FROM kg_entities n
    WHERE n.agent_id = %(agent_id)s::text AND {named}
        AND memory_names(n.name, n.aliases) @> ARRAY[lower(%(name)s::text)]
    UNION
    SELECT n.id, n.merged_into, n.merged_at FROM named o
    JOIN kg_entities n ON n.agent_id = %(agent_id)s::text AND n.id = o.merged_into
    WHERE %(known_at)s::timestamptz IS NULL OR o.merged_at <= %(known_at)s::timestamptz
)
SELECT e.id, e.name, e.type, {aliases}, e.description, e.properties, e.created_at, e.updated_at, e.merged_into, e.merged_at
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.id = ANY (ARRAY(
    SELECT n.id FROM named n WHERE n.merged_at IS NULL OR n.merged_at > %(known_at)s::timestamptz))
ORDER BY lower(e.name) = lower(%(name)s::text) DESC, e.created_at, e.id

-- named --
n.name_keys @@ memory_name_query(ARRAY[lower(%(name)s::text)])

-- named_looked_up --
-- For a request where a policy keeps @@ from the index: the owner's function looks up.
n.id = ANY ((SELECT memory_matching_entity(memory_name_query(ARRAY[lower(%(name)s::text)])))::bigint[])

-- list_entities --
-- In the order of their names; a page goes on after the last row of the one before.
SELECT e.id, e.name, e.type, {aliases}, e.description, e.properties, e.created_at, e.updated_at, e.merged_into, e.merged_at
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.merged_at IS NULL
    AND (%(type)s::text IS NULL OR e.type = %(type)s::text)
    AND (%(after)s::text IS NULL OR (e.name, e.id) > (%(after)s::text, %(after_id)s::bigint))
ORDER BY e.name, e.id
LIMIT %(limit)s::integer

-- update_entity --
-- Every field that is null in the call keeps its value; more_aliases and more_properties add to what is there.
WITH before AS (
    SELECT
        id, name, type, aliases, description, properties, language, created_at, updated_at, merged_into, merged_at,
        embedding_model, embedding
    FROM kg_entities
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    FOR UPDATE
),
changed AS (
    UPDATE kg_entities e SET
        name = coalesce(%(name)s::text, b.name),
        type = coalesce(%(type)s::text, b.type),
        aliases = coalesce(%(aliases)b::text[], b.aliases) || ARRAY(
            SELECT a FROM unnest(%(more_aliases)b::text[]) AS a
            WHERE lower(a) <> ALL (memory_names(b.name, b.aliases))),
        description = coalesce(%(description)s::text, b.description),
        properties = coalesce(%(properties)s::jsonb, b.properties) || %(more_properties)s::jsonb,
        updated_at = now(),
        embedding = CASE WHEN %(described)s::boolean THEN %(embedding)s::vector ELSE e.embedding END,
        embedding_model = CASE WHEN %(described)s::boolean THEN %(embedding_model)s::text ELSE e.embedding_model END
    FROM before b
    WHERE e.agent_id = %(agent_id)s::text AND e.id = b.id
    RETURNING e.id, e.name, e.type, e.aliases, e.description, e.properties, e.created_at, e.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', b.id, 'update', to_jsonb(b) - 'embedding',
        CASE WHEN %(described)s::boolean THEN b.embedding END
    FROM before b
)
SELECT e.id, e.name, e.type, {aliases}, e.description, e.properties, e.created_at, e.updated_at FROM changed e

-- delete_entity --
-- Removes an entity, what was merged into it, and every fact about them. Those are deleted here, not by
-- the foreign keys, which write no history.
WITH RECURSIVE doomed AS (
    SELECT e.id FROM kg_entities e WHERE e.agent_id = %(agent_id)s::text AND e.id = %(id)s::bigint
    UNION
    SELECT e.id FROM doomed d
    JOIN kg_entities e ON e.agent_id = %(agent_id)s::text AND e.merged_into = d.id
),
gone_facts AS (
    DELETE FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text
        AND (source_id = ANY (ARRAY(SELECT d.id FROM doomed d)) OR target_id = ANY (ARRAY(SELECT d.id FROM doomed d)))
    RETURNING
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
),
gone AS (
    DELETE FROM kg_entities
    WHERE agent_id = %(agent_id)s::text AND id = ANY (ARRAY(SELECT d.id FROM doomed d))
    RETURNING
        id, name, type, aliases, description, properties, language, created_at, updated_at, merged_into, merged_at,
        embedding_model, embedding
),
logged_facts AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', id, 'delete', to_jsonb(g) - 'embedding',
        g.embedding
    FROM gone_facts g
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'entity', id, 'delete', to_jsonb(g) - 'embedding',
        g.embedding
    FROM gone g
)
SELECT id FROM gone

-- insert_fact --
-- Adds a fact. The same one, if it is known already, learns what is new: properties are merged (of a key that
-- both have the new value counts, unless only what it lacks is wanted), a weight that is named counts, provenance and a
-- vector come to one that had none; nothing is written where nothing is new. An end that was merged into another entity
-- since the caller looked is the other.
WITH ends AS MATERIALIZED (
    SELECT
        coalesce((
            SELECT e.merged_into FROM kg_entities e
            WHERE e.agent_id = %(agent_id)s::text AND e.id = %(source_id)s::bigint), %(source_id)s::bigint) AS source_id,
        coalesce((
            SELECT e.merged_into FROM kg_entities e
            WHERE e.agent_id = %(agent_id)s::text AND e.id = %(target_id)s::bigint), %(target_id)s::bigint) AS target_id
),
there AS (
    SELECT
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model
    FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND source_id = (SELECT n.source_id FROM ends n)
        AND target_id = (SELECT n.target_id FROM ends n)
        AND type = %(type)s::text AND fact = %(fact)s::text AND superseded_at IS NULL
        AND valid_from IS NOT DISTINCT FROM %(valid_from)s::timestamptz
        AND valid_to IS NOT DISTINCT FROM %(valid_to)s::timestamptz
    ORDER BY id
    LIMIT 1
    FOR UPDATE
),
merged AS (
    SELECT
        t.id,
        CASE WHEN %(only_lacking)s::boolean THEN t.weight ELSE coalesce(%(weight)s::real, t.weight) END AS weight,
        CASE
            WHEN %(only_lacking)s::boolean THEN %(properties)s::jsonb || t.properties
            ELSE t.properties || %(properties)s::jsonb
        END AS properties,
        coalesce(t.provenance_kind, %(provenance_kind)s::text) AS provenance_kind,
        CASE WHEN t.provenance_kind IS NULL THEN %(provenance_id)s::bigint ELSE t.provenance_id END AS provenance_id,
        t.embedding_model IS NULL AND %(embedding)s::vector IS NOT NULL AS embedded
    FROM there t
),
changed AS (
    UPDATE kg_relationships r SET
        weight = n.weight,
        properties = n.properties,
        provenance_kind = n.provenance_kind,
        provenance_id = n.provenance_id,
        embedding = CASE WHEN n.embedded THEN %(embedding)s::vector ELSE r.embedding END,
        embedding_model = CASE WHEN n.embedded THEN %(embedding_model)s::text ELSE t.embedding_model END
    FROM there t
    JOIN merged n ON n.id = t.id
    WHERE r.agent_id = %(agent_id)s::text AND r.id = t.id AND (n.embedded
        OR (n.weight, n.properties, n.provenance_kind, n.provenance_id)
            IS DISTINCT FROM (t.weight, t.properties, t.provenance_kind, t.provenance_id))
    RETURNING
        r.id, r.source_id, r.target_id, r.type, r.fact, r.weight, r.properties, r.valid_from, r.valid_to, r.recorded_at,
        r.superseded_at, r.provenance_kind, r.provenance_id
),
inserted AS (
    INSERT INTO kg_relationships (
        agent_id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, n.source_id, n.target_id, %(type)s::text, %(fact)s::text,
        coalesce(%(weight)s::real, 1), %(properties)s::jsonb, %(valid_from)s::timestamptz, %(valid_to)s::timestamptz,
        coalesce(%(recorded_at)s::timestamptz, now()), %(provenance_kind)s::text, %(provenance_id)s::bigint,
        %(language)s::text, %(embedding_model)s::text, %(embedding)s::vector
    FROM ends n
    WHERE NOT EXISTS (SELECT FROM there)
    RETURNING
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', i.id, 'insert', NULL::jsonb FROM inserted i
    UNION ALL
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', t.id, 'update', to_jsonb(t)
    FROM there t
    JOIN changed c ON c.id = t.id
)
SELECT * FROM inserted
UNION ALL
SELECT * FROM changed
UNION ALL
SELECT
    id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
    provenance_kind, provenance_id
FROM there
WHERE NOT EXISTS (SELECT FROM changed)

-- get_fact --
SELECT
    id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
    provenance_kind, provenance_id
FROM kg_relationships
WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint

-- list_facts --
-- Newest first; a page goes on after the last row of the one before.
SELECT
    id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
    provenance_kind, provenance_id
FROM kg_relationships
WHERE agent_id = %(agent_id)s::text
    AND (%(source_id)s::bigint IS NULL AND %(target_id)s::bigint IS NULL
        OR source_id = %(source_id)s::bigint OR target_id = %(target_id)s::bigint)
    AND (%(type)s::text IS NULL OR type = %(type)s::text)
    AND (%(superseded)s::boolean OR superseded_at IS NULL
        OR superseded_at > %(known_at)s::timestamptz)
    AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s::timestamptz)
    AND (%(valid_at)s::timestamptz IS NULL
        OR (valid_from IS NULL OR valid_from <= %(valid_at)s::timestamptz)
        AND (valid_to IS NULL OR valid_to > %(valid_at)s::timestamptz))
    AND (%(before)s::timestamptz IS NULL
        OR (recorded_at, id) < (%(before)s::timestamptz, %(before_id)s::bigint))
ORDER BY recorded_at DESC, id DESC
LIMIT %(limit)s::integer

-- retract_fact --
-- The fact is not known any more; when that began is kept, and a second retraction changes nothing.
WITH before AS (
    SELECT
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model
    FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    FOR UPDATE
),
changed AS (
    UPDATE kg_relationships r SET superseded_at = greatest(%(at)s::timestamptz, b.recorded_at)
    FROM before b
    WHERE r.agent_id = %(agent_id)s::text AND r.id = b.id AND b.superseded_at IS NULL
    RETURNING
        r.id, r.source_id, r.target_id, r.type, r.fact, r.weight, r.properties, r.valid_from, r.valid_to, r.recorded_at,
        r.superseded_at, r.provenance_kind, r.provenance_id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', b.id, 'update', to_jsonb(b)
    FROM before b
    WHERE b.superseded_at IS NULL
)
SELECT * FROM changed
UNION ALL
SELECT
    id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
    provenance_kind, provenance_id
FROM before
WHERE superseded_at IS NOT NULL

-- delete_fact --
WITH gone AS (
    DELETE FROM kg_relationships WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint
    RETURNING
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old, old_embedding)
SELECT
    %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', id, 'delete', to_jsonb(g) - 'embedding', g.embedding
FROM gone g
RETURNING row_id
