-- list_agents --
-- Agents by id. The policies leave those of the caller's key.
SELECT agent_id, description, metadata, time_zone, created_at, updated_at
FROM agents
WHERE %(after)s::text IS NULL OR agent_id > %(after)s::text
ORDER BY agent_id
LIMIT %(limit)s::integer

-- get_agent --
SELECT agent_id, description, metadata, time_zone, created_at, updated_at FROM agents WHERE agent_id = %(agent_id)s::text

-- describe_agent --
-- Describes an agent, which need not exist yet. What is null in the call stays, a time zone unless it is to be cleared.
INSERT INTO agents AS a (agent_id, description, metadata, time_zone)
VALUES (%(agent_id)s::text, coalesce(%(description)s::text, ''), coalesce(%(metadata)s::jsonb, '{}'), %(time_zone)s::text)
ON CONFLICT (agent_id) DO UPDATE SET
    description = coalesce(%(description)s::text, a.description),
    metadata = coalesce(%(metadata)s::jsonb, a.metadata),
    time_zone = CASE WHEN NOT %(clear_time_zone)s::boolean THEN coalesce(%(time_zone)s::text, a.time_zone) END,
    updated_at = now()
RETURNING agent_id, description, metadata, time_zone, created_at, updated_at

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
