-- fill --
-- Agents of two memories and one block each.
WITH made AS (
    INSERT INTO agents (agent_id)
    SELECT 'agent-' || lpad(n::text, 6, '0') FROM generate_series(1, %(agents)s::integer) AS n
    RETURNING agent_id
),
blocks AS (
    INSERT INTO core_memories (agent_id, label, value) SELECT agent_id, 'human', 'likes tea' FROM made
),
memories AS (
    INSERT INTO archival_memories (agent_id, text)
    SELECT m.agent_id, 'tea ' || n FROM made m CROSS JOIN generate_series(1, 2) AS n
)
INSERT INTO memory_history (agent_id, change_id, actor, kind, row_id, action)
SELECT m.agent_id, gen_random_uuid(), 'bench', 'archival', n, 'insert' FROM made m CROSS JOIN generate_series(1, 2) AS n
