-- time_zone --
SELECT time_zone FROM agents WHERE agent_id = %(agent_id)s::text

-- set_time_zone --
INSERT INTO agents (agent_id, time_zone) VALUES (%(agent_id)s::text, %(time_zone)s::text)
ON CONFLICT (agent_id) DO UPDATE SET time_zone = excluded.time_zone, updated_at = excluded.updated_at

-- ensure_agent --
INSERT INTO agents (agent_id) VALUES (%(agent_id)s::text) ON CONFLICT DO NOTHING

-- begin_change --
-- Begins a transaction: the active model, which stays until it ends (first, since whoever switches it locks its table
-- before the others), and the agent's row.
WITH model AS MATERIALIZED (SELECT name, dimensions FROM embedding_models WHERE active),
agent AS (INSERT INTO agents (agent_id) VALUES (%(agent_id)s::text) ON CONFLICT DO NOTHING)
SELECT name, dimensions FROM model

-- note_languages --
WITH agent AS (
    INSERT INTO agents (agent_id, languages) VALUES (%(agent_id)s::text, %(noted)s::text[]) ON CONFLICT DO NOTHING
)
{note}
