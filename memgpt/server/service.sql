-- blocks_seen --
-- The blocks that some agents see, their own before one that is shared with them: which, and in which version.
SELECT a.agent_id, b.label, b.owner, b.id, b.version, b.updated_at
FROM unnest(%(agents)s::text[]) AS a (agent_id)
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (m.label) m.label, m.agent_id AS owner, m.id, m.version, m.updated_at
    FROM core_memories m
    WHERE m.agent_id = a.agent_id OR m.shared_with @> ARRAY[a.agent_id]
    ORDER BY m.label, m.agent_id <> a.agent_id, m.agent_id
) AS b

-- visited --
-- An agent as it was described, and how many of its proposals wait, to a hundred: every page of it asks.
SELECT
    a.agent_id, a.description, a.metadata, a.time_zone, a.created_at, a.updated_at,
    (SELECT count(*) FROM (
        SELECT FROM proposals p WHERE p.agent_id = a.agent_id AND p.status = 'proposed' LIMIT 100) AS c) AS waiting
FROM agents a
WHERE a.agent_id = %(agent_id)s::text

-- named --
-- Agents of the key, and core memory blocks and entities of one agent, whose names begin so: the first of each in the order of
-- names. Where names are ordered by code points each spelling is a range of their index; else the index is read in its order.
-- The policies leave what the key may see.
WITH spelled AS MATERIALIZED (SELECT r.first, r.last FROM unnest(%(firsts)s::text[], %(lasts)s::text[]) AS r (first, last)),
reached AS MATERIALIZED (
    SELECT a.agent_id
    FROM unnest(%(first_agents)s::text[], %(last_agents)s::text[]) AS r (first, last)
    CROSS JOIN LATERAL (
        SELECT g.agent_id FROM agents g
        WHERE g.agent_id >= r.first AND g.agent_id <= r.last
            AND starts_with(lower(g.agent_id), lower(%(prefix)s::text))
        ORDER BY g.agent_id
        LIMIT %(limit)s::integer
    ) AS a
    UNION
    (SELECT g.agent_id FROM agents g
    WHERE %(anywhere)s::boolean AND starts_with(lower(g.agent_id), lower(%(prefix)s::text))
    ORDER BY g.agent_id
    LIMIT %(limit)s::integer)
),
things AS MATERIALIZED (
    SELECT a.id, a.name
    FROM spelled r
    CROSS JOIN LATERAL (
        SELECT e.id, e.name FROM kg_entities e
        WHERE e.agent_id = %(agent_id)s::text AND e.name >= r.first AND e.name <= r.last AND e.merged_at IS NULL
            AND starts_with(lower(e.name), lower(%(prefix)s::text))
        ORDER BY e.name, e.id
        LIMIT %(limit)s::integer
    ) AS a
    UNION
    (SELECT e.id, e.name FROM kg_entities e
    WHERE %(anywhere)s::boolean AND e.agent_id = %(agent_id)s::text AND e.merged_at IS NULL
        AND starts_with(lower(e.name), lower(%(prefix)s::text))
    ORDER BY e.name, e.id
    LIMIT %(limit)s::integer)
)
(SELECT 'block' AS kind, NULL::bigint AS id, b.label AS name
FROM core_memories b
WHERE (b.agent_id = %(agent_id)s::text OR b.shared_with @> ARRAY[%(agent_id)s::text])
    AND starts_with(lower(b.label), lower(%(prefix)s::text))
GROUP BY b.label
ORDER BY b.label
LIMIT %(limit)s::integer)
UNION ALL
(SELECT 'entity', t.id, t.name FROM things t ORDER BY t.name, t.id LIMIT %(limit)s::integer)
UNION ALL
(SELECT 'agent', NULL, r.agent_id FROM reached r ORDER BY r.agent_id LIMIT %(limit)s::integer)

-- changes_beside --
-- When the last change that had begun by a moment began, and when the one after it did: a change counts as a whole.
WITH last AS MATERIALIZED (
    SELECT h.change_id FROM memory_history h
    WHERE h.agent_id = %(agent_id)s::text AND h.changed_at <= %(at)s::timestamptz
    ORDER BY h.id DESC
    LIMIT 1
)
SELECT
    (SELECT min(c.changed_at) FROM memory_history c
     WHERE c.agent_id = %(agent_id)s::text AND c.change_id = (SELECT l.change_id FROM last l)) AS earlier,
    (SELECT h.changed_at FROM memory_history h
     WHERE h.agent_id = %(agent_id)s::text AND h.changed_at > %(at)s::timestamptz
         AND h.change_id IS DISTINCT FROM (SELECT l.change_id FROM last l)
     ORDER BY h.id
     LIMIT 1) AS later

-- growth --
-- Days of UTC, oldest first; those on which nothing came are there.
SELECT d.day::date AS day, coalesce(a.rows, 0) AS rows
FROM generate_series(date_trunc('day', now(), 'UTC') - interval '29 days', now(), interval '1 day') AS d (day)
LEFT JOIN (
    SELECT date_trunc('day', t.created_at, 'UTC') AS day, count(*) AS rows
    FROM (
        SELECT m.created_at FROM archival_memories m
        WHERE m.agent_id = %(agent_id)s::text AND m.created_at > now() - interval '30 days'
        UNION ALL
        SELECT c.created_at FROM conversations c
        WHERE c.agent_id = %(agent_id)s::text AND c.created_at > now() - interval '30 days'
    ) AS t
    GROUP BY date_trunc('day', t.created_at, 'UTC')
) AS a ON a.day = d.day
ORDER BY d.day

-- ready --
-- The database answers, is migrated, and requests can take their role.
SELECT
    (SELECT count(*) FROM schema_migrations) AS migrations,
    coalesce(pg_has_role(current_user, to_regrole(quote_ident(%(role)s::text)), 'SET'), false) AS role,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = to_regclass('agents') AND p.polname = 'memgpt_agent'
        AND to_regrole(quote_ident(%(role)s::text)) = ANY (p.polroles)) AS named

-- unfinished_jobs --
-- Of all agents, for the one who watches the service.
SELECT s.status, count(j.status)
FROM unnest(ARRAY['queued', 'running']) AS s (status)
LEFT JOIN (SELECT k.status FROM jobs k WHERE k.status IN ('queued', 'running')) AS j ON j.status = s.status
GROUP BY s.status
