-- ensure_agent --
INSERT INTO agents (agent_id) VALUES (%(agent_id)s::text) ON CONFLICT DO NOTHING
