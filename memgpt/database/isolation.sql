-- enter --
-- Role and scope of one transaction, and whether the agent is inside, which the policies then need not ask.
SELECT
    set_config('memgpt.scope', %(scope)s::text, true),
    set_config('memgpt.agent_id', %(agent_id)s::text, true),
    set_config(
        'memgpt.entered', CASE WHEN memory_in_scope(%(agent_id)s::text) THEN %(agent_id)s::text ELSE '' END, true),
    set_config('role', %(role)s::text, true)

-- leave --
-- Back to the owner, for the rest of the transaction or until it enters again.
SELECT set_config('role', 'none', true)

-- name_role --
-- The name that migrations give the role of requests, for one transaction.
SELECT set_config('memgpt.role', %(role)s::text, true)

-- ensure_role --
-- The role of requests, where it may be made: a dump that grants rights to it cannot be restored without it.
DO $$
DECLARE
    role name := current_setting('memgpt.role');
BEGIN
    IF to_regrole(quote_ident(role)) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    END IF;
    IF NOT pg_has_role(current_user, role, 'SET') THEN
        EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', role, current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END
$$

-- role --
-- Whether the role is there, whether we may take it, and whether the policies are for it.
SELECT
    r.role IS NOT NULL AS there,
    coalesce(pg_has_role(current_user, r.role, 'SET'), false) AS usable,
    EXISTS (SELECT FROM pg_policy p
        WHERE p.polrelid = to_regclass('agents') AND p.polname = 'memgpt_agent' AND r.role = ANY (p.polroles)) AS named
FROM (SELECT to_regrole(quote_ident(%(role)s::text)) AS role) AS r

-- use_role --
SELECT memory_use_role(%(role)s::name)
