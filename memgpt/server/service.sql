-- agent_sizes --
-- How much some agents hold, for a list: no count goes on for longer than its cap.
SELECT
    a.agent_id,
    (SELECT count(*) FROM (SELECT FROM core_memories t WHERE t.agent_id = a.agent_id LIMIT %(most)s::integer) AS c)
    AS blocks,
    (SELECT count(*) FROM (SELECT FROM archival_memories t WHERE t.agent_id = a.agent_id LIMIT %(most)s::integer) AS c)
    AS memories,
    (SELECT count(*) FROM (SELECT FROM conversations t WHERE t.agent_id = a.agent_id LIMIT %(most)s::integer) AS c)
    AS messages,
    (SELECT count(*) FROM (SELECT FROM documents t WHERE t.agent_id = a.agent_id LIMIT %(most)s::integer) AS c)
    AS documents,
    (SELECT count(*) FROM (SELECT FROM kg_relationships t WHERE t.agent_id = a.agent_id LIMIT %(most)s::integer) AS c)
    AS facts,
    (SELECT count(*) FROM (
        SELECT FROM proposals t WHERE t.agent_id = a.agent_id AND t.status = 'proposed' LIMIT %(most)s::integer) AS c)
    AS proposals,
    (SELECT h.changed_at FROM memory_history h WHERE h.agent_id = a.agent_id ORDER BY h.id DESC LIMIT 1) AS last_change
FROM unnest(%(agents)s::text[]) AS a (agent_id)

-- visited --
-- An agent as it was described, and how many of its proposals wait, to a hundred: every page of it asks.
SELECT
    a.agent_id, a.description, a.metadata, a.time_zone, a.created_at, a.updated_at,
    (SELECT count(*) FROM (
        SELECT FROM proposals p WHERE p.agent_id = a.agent_id AND p.status = 'proposed' LIMIT 100) AS c) AS waiting
FROM agents a
WHERE a.agent_id = %(agent_id)s::text

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
