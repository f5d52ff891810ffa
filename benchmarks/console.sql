-- fill --
-- One agent with many memories, as old as they are many.
WITH made AS (
    INSERT INTO agents (agent_id) VALUES ('large') RETURNING agent_id
),
block AS (
    INSERT INTO core_memories (agent_id, label, value) SELECT agent_id, 'human', 'likes tea' FROM made
)
INSERT INTO archival_memories (agent_id, text, created_at)
SELECT m.agent_id, 'Memory ' || n || ': the train to Linz leaves at ' || n %% 24 || ' o''clock',
    now() - n * interval '1 minute'
FROM made m CROSS JOIN generate_series(1, %(memories)s::integer) AS n
