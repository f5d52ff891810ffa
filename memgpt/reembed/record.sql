-- current --
-- The switch that is under way, or whose old vectors are still kept.
SELECT
    id, from_model, from_dimensions, to_model, to_dimensions, state, backward, rows_total, rows_done, tokens,
    cost::double precision AS cost, phase, verification, started_at, updated_at, switched_at, ended_at
FROM embedding_switches
WHERE state IN ('running', 'switched')

-- last --
SELECT
    id, from_model, from_dimensions, to_model, to_dimensions, state, backward, rows_total, rows_done, tokens,
    cost::double precision AS cost, phase, verification, started_at, updated_at, switched_at, ended_at
FROM embedding_switches
ORDER BY id DESC
LIMIT 1

-- active --
SELECT name, dimensions FROM embedding_models WHERE active

-- begin --
INSERT INTO embedding_switches (from_model, from_dimensions, to_model, to_dimensions)
SELECT name, dimensions, %(to_model)s::text, %(to_dimensions)s::integer FROM embedding_models WHERE active

-- turn --
-- A switch in the other direction.
UPDATE embedding_switches SET
    from_model = to_model, from_dimensions = to_dimensions, to_model = from_model, to_dimensions = from_dimensions,
    state = 'running', backward = NOT backward, rows_done = 0, rows_total = 0, verification = NULL, updated_at = now()
WHERE state = 'switched'

-- total --
UPDATE embedding_switches SET rows_total = %(rows)s::bigint, updated_at = now() WHERE state = 'running'

-- phase --
UPDATE embedding_switches SET phase = %(phase)s::text, updated_at = now() WHERE state = 'running'

-- advance --
UPDATE embedding_switches SET
    rows_done = rows_done + %(rows)s::bigint, tokens = tokens + %(tokens)s::bigint,
    cost = cost + %(cost)s::numeric, updated_at = now()
WHERE state = 'running'

-- verified --
UPDATE embedding_switches SET verification = %(verification)s::jsonb, updated_at = now() WHERE state = 'running'

-- deactivate --
UPDATE embedding_models SET active = false WHERE active

-- activate --
INSERT INTO embedding_models (name, dimensions, active) VALUES (%(name)s::text, %(dimensions)s::integer, true)
ON CONFLICT (name, dimensions) DO UPDATE SET active = true

-- switched --
UPDATE embedding_switches SET state = 'switched', phase = '', switched_at = now(), updated_at = now()
WHERE state = 'running'

-- ended --
UPDATE embedding_switches SET state = %(state)s::text, phase = '', ended_at = now(), updated_at = now()
WHERE state IN ('running', 'switched')

-- forget_cached --
-- Nobody asks for vectors of a model that is no longer used.
DELETE FROM embedding_cache WHERE model = %(model)s::text

-- try_guard --
SELECT pg_try_advisory_xact_lock(hashtextextended('memgpt reembed ' || %(schema)s::text, 0))

-- keep_guard --
SELECT 1
