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

-- ensure_role --
-- The role of requests, where it may be made: a dump that grants rights to it cannot be restored without it.
DO $$
BEGIN
    IF to_regrole('memgpt_agent') IS NULL THEN
        CREATE ROLE memgpt_agent NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'memgpt_agent', 'SET') THEN
        EXECUTE format('GRANT memgpt_agent TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END
$$
