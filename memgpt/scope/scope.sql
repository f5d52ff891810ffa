-- time_zone --
SELECT time_zone FROM agents WHERE agent_id = %(agent_id)s::text

-- set_time_zone --
INSERT INTO agents (agent_id, time_zone) VALUES (%(agent_id)s::text, %(time_zone)s::text)
ON CONFLICT (agent_id) DO UPDATE SET time_zone = excluded.time_zone, updated_at = excluded.updated_at

-- ensure_agent --
INSERT INTO agents (agent_id) VALUES (%(agent_id)s::text) ON CONFLICT DO NOTHING
