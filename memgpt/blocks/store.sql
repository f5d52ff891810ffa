-- get --
-- The block an agent sees under a label: its own before one that is shared with it.
SELECT
    agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
FROM core_memories
WHERE label = %(label)s::text
    AND (agent_id = %(agent_id)s::text OR shared_with @> ARRAY[%(agent_id)s::text])
ORDER BY agent_id <> %(agent_id)s::text, agent_id
LIMIT 1

-- get_locked --
-- The same, and nobody else changes it until the end of the transaction.
SELECT
    agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
FROM core_memories
WHERE label = %(label)s::text
    AND (agent_id = %(agent_id)s::text OR shared_with @> ARRAY[%(agent_id)s::text])
ORDER BY agent_id <> %(agent_id)s::text, agent_id
LIMIT 1
FOR UPDATE

-- list --
-- Every block an agent sees, one a label, oldest first: a context built from them changes as little as possible.
SELECT
    agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
FROM (
    SELECT DISTINCT ON (label) *
    FROM core_memories
    WHERE agent_id = %(agent_id)s::text OR shared_with @> ARRAY[%(agent_id)s::text]
    ORDER BY label, agent_id <> %(agent_id)s::text, agent_id
) AS seen
ORDER BY created_at, id, label

-- changes --
-- What was done to a block, newest first: of the latest changes those whose earlier values are not too much to read together.
SELECT h.change_id, h.changed_at, h.actor, h.undoes, h.value, h.version
FROM (
    SELECT h.*, sum(octet_length(h.value)) OVER (ORDER BY h.id DESC ROWS UNBOUNDED PRECEDING) AS so_far
    FROM (
        SELECT
            h.id, h.change_id, h.changed_at, h.actor, h.undoes, h.old ->> 'value' AS value,
            (h.old ->> 'version')::integer AS version
        FROM memory_history h
        WHERE h.agent_id = %(agent_id)s::text AND h.kind = 'block' AND h.row_id = %(id)s::bigint
        ORDER BY h.id DESC
        LIMIT %(most)s::integer
    ) AS h
) AS h
WHERE coalesce(h.so_far, 0) <= %(replaced)s::bigint
ORDER BY h.id DESC

-- seen_by --
-- Which of some agents see a block of that label already; one shared by this very owner does not count.
SELECT a.agent_id
FROM unnest(%(agents)s::text[]) AS a (agent_id)
WHERE EXISTS (
    SELECT FROM core_memories b
    WHERE b.label = %(label)s::text
        AND (b.agent_id = a.agent_id OR b.shared_with @> ARRAY[a.agent_id] AND b.agent_id <> %(agent_id)s::text))
ORDER BY a.agent_id

-- insert --
-- Answers nothing where the agent has a block of that label. The history has the time of the row, here and below: the block
-- as of its updated_at is this one.
WITH {agent}
made AS (
    INSERT INTO core_memories (agent_id, label, value, description, "limit", read_only, created_at, updated_at)
    SELECT
        %(agent_id)s::text, %(label)s::text, %(value)s::text, %(description)s::text, %(limit)s::integer,
        %(read_only)s::boolean, t.at, t.at
    FROM (SELECT clock_timestamp() AS at) t
    ON CONFLICT (agent_id, label) DO NOTHING
    RETURNING
        agent_id, id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at,
        updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action)
    SELECT agent_id, updated_at, %(change_id)s::uuid, %(actor)s::text, 'block', id, 'insert' FROM made
)
SELECT * FROM made

-- update --
-- Only the version that was read is changed. Every field that is null in the call keeps its value. The history is the owner's.
WITH {agent}
before AS (
    SELECT
        id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
    FROM core_memories
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND version = %(version)s::integer
    FOR UPDATE
),
changed AS (
    UPDATE core_memories m SET
        value = coalesce(%(value)s::text, b.value),
        description = coalesce(%(description)s::text, b.description),
        "limit" = coalesce(%(limit)s::integer, b."limit"),
        read_only = coalesce(%(read_only)s::boolean, b.read_only),
        shared_with = coalesce(%(shared_with)s::text[], b.shared_with),
        version = b.version + 1,
        updated_at = clock_timestamp()
    FROM before b
    WHERE m.agent_id = %(agent_id)s::text AND m.id = b.id AND m.version = %(version)s::integer
    RETURNING
        m.agent_id, m.id, m.label, m.value, m.description, m."limit", m.read_only, m.shared_with, m.version,
        m.metadata, m.created_at, m.updated_at
),
logged AS (
    INSERT INTO memory_history (agent_id, changed_at, change_id, actor, kind, row_id, action, old)
    SELECT c.agent_id, c.updated_at, %(change_id)s::uuid, %(actor)s::text, 'block', c.id, 'update', to_jsonb(b)
    FROM changed c
    JOIN before b ON b.id = c.id
)
SELECT * FROM changed

-- delete --
WITH gone AS (
    DELETE FROM core_memories
    WHERE agent_id = %(agent_id)s::text AND id = %(id)s::bigint AND version = %(version)s::integer
    RETURNING
        id, label, value, description, "limit", read_only, shared_with, version, metadata, created_at, updated_at
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'block', g.id, 'delete', to_jsonb(g)
FROM gone g
RETURNING row_id
