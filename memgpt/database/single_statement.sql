-- guard --
-- The first parts of a statement that is a transaction of its own. The active model comes before everything else: whoever
-- switches it has its table, and those with vectors after it, to themselves until that is done. Where the statement names
-- another model, current is empty, and whatever it writes comes from current. The agent's own row is made on the way.
model AS MATERIALIZED (SELECT name, dimensions FROM embedding_models WHERE active),
current AS MATERIALIZED (
    SELECT 1 AS one FROM model
    WHERE name = %(embedding_model)s::text AND dimensions = %(embedding_dimensions)s::integer
),
{own_row}

-- own_row --
agent AS (INSERT INTO agents (agent_id) SELECT %(agent_id)s::text FROM current ON CONFLICT DO NOTHING)

-- own_row_noting --
-- With the languages in which searches have to be made, where texts are in others than the default one.
agent AS (
    INSERT INTO agents (agent_id, languages) SELECT %(agent_id)s::text, %(noted)s::text[] FROM current ON CONFLICT DO NOTHING
),
noted AS (
    {note}
    AND EXISTS (SELECT FROM current)
)

-- guarded_before --
-- The same inside a transaction that has held the model, and made the agent's row, before.
model AS MATERIALIZED (
    SELECT %(embedding_model)s::text AS name, %(embedding_dimensions)s::integer AS dimensions
),
current AS MATERIALIZED (SELECT 1 AS one FROM model)

-- agent --
-- The agent's own row, for a statement that has to do with no model.
agent AS (INSERT INTO agents (agent_id) VALUES (%(own_agent_id)s::text) ON CONFLICT DO NOTHING),
