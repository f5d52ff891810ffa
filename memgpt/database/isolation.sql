-- enter --
-- Role and scope of one transaction.
SELECT
    set_config('memgpt.scope', %(scope)s::text, true),
    set_config('memgpt.agent_id', %(agent_id)s::text, true),
    set_config('role', %(role)s::text, true)
