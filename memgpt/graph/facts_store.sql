-- begin --
-- One writer at a time changes what an agent knows; the lock ends with the transaction. The time is read when the
-- lock is held, so that facts about one thing begin and end in the order they were written. Who is about to name
-- entities takes the lock for that (lock_names) on the way, first, as everybody does who takes both.
WITH named AS MATERIALIZED (
    SELECT CASE WHEN %(names)s::boolean THEN pg_advisory_xact_lock(
        hashtextextended('memgpt entity names ' || %(agent_id)s::text, 0)) END
),
held AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('memgpt facts ' || %(agent_id)s::text, 0)) FROM named
)
SELECT
    clock_timestamp() AS at,
    coalesce((
        SELECT %(type)s::text = ANY (functional_types) FROM agents WHERE agent_id = %(agent_id)s::text
    ), false) AS functional
FROM held

-- declare --
UPDATE agents SET
    functional_types = CASE
        WHEN %(functional)s::boolean THEN array_append(array_remove(functional_types, %(type)s::text), %(type)s::text)
        ELSE array_remove(functional_types, %(type)s::text)
    END,
    updated_at = now()
WHERE agent_id = %(agent_id)s::text
RETURNING functional_types

-- declared --
SELECT functional_types FROM agents WHERE agent_id = %(agent_id)s::text

-- clear --
-- Supersedes the facts a span contradicts. What lies before and after the span is recorded anew, with the
-- vector, so that nothing is lost and nothing overwritten.
WITH contradicted AS (
    SELECT
        id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at, superseded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding
    FROM kg_relationships
    WHERE agent_id = %(agent_id)s::text AND source_id = %(source_id)s::bigint AND type = %(type)s::text
        AND superseded_at IS NULL
        AND (%(only)s::bigint IS NULL OR target_id = %(only)s::bigint)
        AND (%(but)s::bigint IS NULL OR target_id <> %(but)s::bigint)
        AND (valid_to IS NULL OR %(valid_from)s::timestamptz IS NULL OR valid_to > %(valid_from)s::timestamptz)
        AND (valid_from IS NULL OR %(valid_to)s::timestamptz IS NULL OR valid_from < %(valid_to)s::timestamptz)
    FOR UPDATE
),
closed AS (
    UPDATE kg_relationships r SET superseded_at = greatest(%(at)s::timestamptz, c.recorded_at)
    FROM contradicted c
    WHERE r.agent_id = %(agent_id)s::text AND r.id = c.id
),
logged AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action, old)
    SELECT
        %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', c.id, 'update', to_jsonb(c) - 'embedding'
    FROM contradicted c
),
kept AS (
    INSERT INTO kg_relationships (
        agent_id, source_id, target_id, type, fact, weight, properties, valid_from, valid_to, recorded_at,
        provenance_kind, provenance_id, language, embedding_model, embedding)
    SELECT
        %(agent_id)s::text, c.source_id, c.target_id, c.type, c.fact, c.weight, c.properties, s.valid_from, s.valid_to,
        greatest(%(at)s::timestamptz, c.recorded_at), c.provenance_kind, c.provenance_id, c.language, c.embedding_model,
        c.embedding
    FROM contradicted c
    CROSS JOIN LATERAL (
        SELECT c.valid_from, %(valid_from)s::timestamptz
        WHERE c.valid_from < %(valid_from)s::timestamptz
            OR c.valid_from IS NULL AND %(valid_from)s::timestamptz IS NOT NULL
        UNION ALL
        SELECT %(valid_to)s::timestamptz, c.valid_to
        WHERE c.valid_to > %(valid_to)s::timestamptz OR c.valid_to IS NULL AND %(valid_to)s::timestamptz IS NOT NULL
    ) AS s (valid_from, valid_to)
    RETURNING id
),
logged_kept AS (
    INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
    SELECT %(agent_id)s::text, %(change_id)s::uuid, %(actor)s::text, 'fact', id, 'insert' FROM kept
)
SELECT count(*) FROM contradicted
