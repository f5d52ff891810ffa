-- put --
-- One step; put again, it takes the place of itself.
INSERT INTO thread_checkpoints (
    agent_id, thread_id, namespace, checkpoint_id, parent_id, run_id, channel_versions, labels, checkpoint_type, checkpoint,
    metadata_type, metadata)
VALUES (
    %(agent_id)s::text, %(thread_id)s::text, %(namespace)s::text, %(checkpoint_id)s::text, %(parent_id)s::text,
    %(run_id)s::text, %(channel_versions)s::jsonb, %(labels)s::jsonb, %(checkpoint_type)s::text, %(checkpoint)s::bytea,
    %(metadata_type)s::text, %(metadata)s::bytea)
ON CONFLICT (agent_id, thread_id, namespace, checkpoint_id) DO UPDATE SET
    parent_id = excluded.parent_id,
    run_id = excluded.run_id,
    channel_versions = excluded.channel_versions,
    labels = excluded.labels,
    checkpoint_type = excluded.checkpoint_type,
    checkpoint = excluded.checkpoint,
    metadata_type = excluded.metadata_type,
    metadata = excluded.metadata

-- put_values --
INSERT INTO thread_values (agent_id, thread_id, namespace, channel, version, type, value)
SELECT %(agent_id)s::text, %(thread_id)s::text, %(namespace)s::text, v.channel, v.version, v.type, v.value
FROM unnest(%(channel)b::text[], %(version)b::text[], %(type)b::text[], %(value)b::bytea[])
    AS v (channel, version, type, value)
ON CONFLICT (agent_id, thread_id, namespace, channel, version) DO UPDATE SET type = excluded.type, value = excluded.value

-- put_writes --
-- A write of a task is written once; errors, interrupts and the like (below zero) replace the one before.
INSERT INTO thread_writes (
    agent_id, thread_id, namespace, checkpoint_id, task_id, number, task_path, channel, type, value)
SELECT
    %(agent_id)s::text, %(thread_id)s::text, %(namespace)s::text, %(checkpoint_id)s::text, %(task_id)s::text, w.number,
    %(task_path)s::text, w.channel, w.type, w.value
FROM unnest(%(number)b::integer[], %(channel)b::text[], %(type)b::text[], %(value)b::bytea[])
    AS w (number, channel, type, value)
ON CONFLICT (agent_id, thread_id, namespace, checkpoint_id, task_id, number) DO UPDATE SET
    task_path = excluded.task_path,
    channel = excluded.channel,
    type = excluded.type,
    value = excluded.value
WHERE excluded.number < 0

-- list --
-- Steps, the latest first: of a thread or of all, of a namespace or of all, that one, those before one, those with labels.
SELECT
    thread_id, namespace, checkpoint_id, parent_id, checkpoint_type, checkpoint, metadata_type, metadata
FROM thread_checkpoints
WHERE agent_id = %(agent_id)s::text
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s::text)
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s::text)
    AND (%(checkpoint_id)s::text IS NULL OR checkpoint_id = %(checkpoint_id)s::text)
    AND (%(before)s::text IS NULL OR checkpoint_id < %(before)s::text)
    AND (%(labels)s::jsonb IS NULL OR labels @> %(labels)s::jsonb)
    AND (%(after_id)s::text IS NULL
        OR (checkpoint_id, thread_id, namespace) < (%(after_id)s::text, %(after_thread)s::text, %(after_namespace)s::text))
ORDER BY checkpoint_id DESC, thread_id DESC, namespace DESC
LIMIT %(limit)s::integer

-- values --
-- What the channels of some steps held.
SELECT p.place::integer - 1 AS place, v.channel, v.type, v.value
FROM unnest(%(threads)b::text[], %(namespaces)b::text[], %(checkpoints)b::text[]) WITH ORDINALITY
    AS p (thread_id, namespace, checkpoint_id, place)
JOIN thread_checkpoints c
    ON c.agent_id = %(agent_id)s::text AND c.thread_id = p.thread_id AND c.namespace = p.namespace
        AND c.checkpoint_id = p.checkpoint_id
CROSS JOIN LATERAL jsonb_each_text(c.channel_versions) AS e (channel, version)
JOIN thread_values v
    ON v.agent_id = %(agent_id)s::text AND v.thread_id = c.thread_id AND v.namespace = c.namespace
        AND v.channel = e.channel AND v.version = e.version

-- writes --
-- What tasks wrote after some steps, in the order in which a run applies it.
SELECT p.place::integer - 1 AS place, w.task_id, w.channel, w.type, w.value
FROM unnest(%(threads)b::text[], %(namespaces)b::text[], %(checkpoints)b::text[]) WITH ORDINALITY
    AS p (thread_id, namespace, checkpoint_id, place)
JOIN thread_writes w
    ON w.agent_id = %(agent_id)s::text AND w.thread_id = p.thread_id AND w.namespace = p.namespace
        AND w.checkpoint_id = p.checkpoint_id
WHERE %(channels)s::text[] IS NULL OR w.channel = ANY (%(channels)s::text[])
ORDER BY p.place, w.task_path, w.task_id, w.number

-- ancestors --
-- The steps before one, the nearest first.
WITH RECURSIVE chain AS (
    SELECT c.parent_id AS id, 1 AS depth, ARRAY[c.checkpoint_id] AS path
    FROM thread_checkpoints c
    WHERE c.agent_id = %(agent_id)s::text AND c.thread_id = %(thread_id)s::text AND c.namespace = %(namespace)s::text
        AND c.checkpoint_id = %(checkpoint_id)s::text
    UNION ALL
    SELECT c.parent_id, n.depth + 1, n.path || c.checkpoint_id
    FROM chain n
    JOIN thread_checkpoints c
        ON c.agent_id = %(agent_id)s::text AND c.thread_id = %(thread_id)s::text
            AND c.namespace = %(namespace)s::text AND c.checkpoint_id = n.id
    WHERE n.id <> ALL (n.path)
)
SELECT c.checkpoint_id
FROM chain n
JOIN thread_checkpoints c
    ON c.agent_id = %(agent_id)s::text AND c.thread_id = %(thread_id)s::text AND c.namespace = %(namespace)s::text
        AND c.checkpoint_id = n.id
WHERE n.id <> ALL (n.path)
ORDER BY n.depth

-- nearest_values --
-- Of each channel the value at the first of some steps that has one, with the place of that step.
SELECT DISTINCT ON (v.channel) v.channel, p.place::integer - 1 AS place, v.type, v.value
FROM unnest(%(checkpoints)b::text[]) WITH ORDINALITY AS p (checkpoint_id, place)
JOIN thread_checkpoints c
    ON c.agent_id = %(agent_id)s::text AND c.thread_id = %(thread_id)s::text AND c.namespace = %(namespace)s::text
        AND c.checkpoint_id = p.checkpoint_id
CROSS JOIN unnest(%(channels)b::text[]) AS e (channel)
JOIN thread_values v
    ON v.agent_id = %(agent_id)s::text AND v.thread_id = %(thread_id)s::text AND v.namespace = %(namespace)s::text
        AND v.channel = e.channel AND v.version = c.channel_versions ->> e.channel
ORDER BY v.channel, p.place

-- latest --
-- The last step of each namespace of a thread.
SELECT DISTINCT ON (namespace) namespace, checkpoint_id FROM thread_checkpoints
WHERE agent_id = %(agent_id)s::text AND thread_id = %(thread_id)s::text
ORDER BY namespace, checkpoint_id DESC

-- copy --
-- Every step, value and write of a thread under another name.
WITH checkpoints AS (
    INSERT INTO thread_checkpoints (
        agent_id, thread_id, namespace, checkpoint_id, parent_id, run_id, channel_versions, labels, checkpoint_type,
        checkpoint, metadata_type, metadata, created_at)
    SELECT
        agent_id, %(target)s::text, namespace, checkpoint_id, parent_id, run_id, channel_versions, labels, checkpoint_type,
        checkpoint, metadata_type, metadata, created_at
    FROM thread_checkpoints WHERE agent_id = %(agent_id)s::text AND thread_id = %(source)s::text
    ON CONFLICT DO NOTHING
),
"values" AS (
    INSERT INTO thread_values (agent_id, thread_id, namespace, channel, version, type, value)
    SELECT agent_id, %(target)s::text, namespace, channel, version, type, value
    FROM thread_values WHERE agent_id = %(agent_id)s::text AND thread_id = %(source)s::text
    ON CONFLICT DO NOTHING
)
INSERT INTO thread_writes (
    agent_id, thread_id, namespace, checkpoint_id, task_id, number, task_path, channel, type, value)
SELECT agent_id, %(target)s::text, namespace, checkpoint_id, task_id, number, task_path, channel, type, value
FROM thread_writes WHERE agent_id = %(agent_id)s::text AND thread_id = %(source)s::text
ON CONFLICT DO NOTHING

-- delete_threads --
WITH checkpoints AS (
    DELETE FROM thread_checkpoints WHERE agent_id = %(agent_id)s::text AND thread_id = ANY (%(threads)s::text[])
),
"values" AS (
    DELETE FROM thread_values WHERE agent_id = %(agent_id)s::text AND thread_id = ANY (%(threads)s::text[])
)
DELETE FROM thread_writes WHERE agent_id = %(agent_id)s::text AND thread_id = ANY (%(threads)s::text[])

-- delete_runs --
-- The steps of some runs, with what was written after them; answers their threads.
WITH gone AS (
    DELETE FROM thread_checkpoints WHERE agent_id = %(agent_id)s::text AND run_id = ANY (%(runs)s::text[])
    RETURNING thread_id, namespace, checkpoint_id
),
writes AS (
    DELETE FROM thread_writes w USING gone g
    WHERE w.agent_id = %(agent_id)s::text AND w.thread_id = g.thread_id AND w.namespace = g.namespace
        AND w.checkpoint_id = g.checkpoint_id
)
SELECT DISTINCT thread_id FROM gone

-- delete_others --
-- The steps of a thread but some, with what was written after them.
WITH gone AS (
    DELETE FROM thread_checkpoints c
    WHERE c.agent_id = %(agent_id)s::text AND c.thread_id = %(thread_id)s::text AND NOT EXISTS (
        SELECT FROM unnest(%(namespaces)s::text[], %(checkpoints)s::text[]) AS k (namespace, checkpoint_id)
        WHERE k.namespace = c.namespace AND k.checkpoint_id = c.checkpoint_id)
    RETURNING namespace, checkpoint_id
)
DELETE FROM thread_writes w USING gone g
WHERE w.agent_id = %(agent_id)s::text AND w.thread_id = %(thread_id)s::text AND w.namespace = g.namespace
    AND w.checkpoint_id = g.checkpoint_id

-- delete_unused_values --
-- Values that no step of some threads has any more.
DELETE FROM thread_values v
WHERE v.agent_id = %(agent_id)s::text AND v.thread_id = ANY (%(threads)s::text[]) AND NOT EXISTS (
    SELECT FROM thread_checkpoints c
    WHERE c.agent_id = %(agent_id)s::text AND c.thread_id = v.thread_id AND c.namespace = v.namespace
        AND c.channel_versions ->> v.channel = v.version)
