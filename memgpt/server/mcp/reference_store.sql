-- nodes --
-- Every entity, oldest first, as a node.
SELECT e.id, e.name, e.type, e.description, e.properties -> 'observations' AS observations
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.merged_at IS NULL
ORDER BY e.id

-- nodes_named --
-- Those of these names, upper and lower case being different, oldest first.
SELECT e.id, e.name, e.type, e.description, e.properties -> 'observations' AS observations
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.name = ANY (%(names)s::text[]) AND e.merged_at IS NULL
ORDER BY e.id

-- nodes_with --
-- Those whose name, type or an observation contains a text, upper or lower case. A description is an observation where there are none.
SELECT e.id, e.name, e.type, e.description, e.properties -> 'observations' AS observations
FROM kg_entities e
WHERE e.agent_id = %(agent_id)s::text AND e.merged_at IS NULL AND (
    strpos(lower(e.name), lower(%(text)s::text)) > 0
    OR strpos(lower(e.type), lower(%(text)s::text)) > 0
    OR CASE jsonb_typeof(e.properties -> 'observations')
        WHEN 'array' THEN EXISTS (
            SELECT FROM jsonb_array_elements_text(e.properties -> 'observations') AS o (text)
            WHERE strpos(lower(o.text), lower(%(text)s::text)) > 0)
        ELSE e.description <> '' AND strpos(lower(e.description), lower(%(text)s::text)) > 0
    END)
ORDER BY e.id

-- relations --
-- Every fact that is not superseded, oldest first, by the names of its ends.
SELECT r.id, coalesce(s.name, '') AS source, coalesce(t.name, '') AS target, r.type
FROM kg_relationships r
LEFT JOIN kg_entities s ON s.agent_id = %(agent_id)s::text AND s.id = r.source_id AND s.merged_at IS NULL
LEFT JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.id = r.target_id AND t.merged_at IS NULL
WHERE r.agent_id = %(agent_id)s::text AND r.superseded_at IS NULL
ORDER BY r.id

-- relations_of --
-- Those from or to nodes of these names. Joined, for without statistics of agents an array looks dearer than all rows.
WITH ends AS MATERIALIZED (
    SELECT e.id FROM kg_entities e
    WHERE e.agent_id = %(agent_id)s::text AND e.name = ANY (%(names)s::text[]) AND e.merged_at IS NULL
)
SELECT r.id, coalesce(s.name, '') AS source, coalesce(t.name, '') AS target, r.type
FROM (
    SELECT f.id, f.source_id, f.target_id, f.type
    FROM ends n
    JOIN kg_relationships f ON f.agent_id = %(agent_id)s::text AND f.source_id = n.id AND f.superseded_at IS NULL
    UNION
    SELECT f.id, f.source_id, f.target_id, f.type
    FROM ends n
    JOIN kg_relationships f ON f.agent_id = %(agent_id)s::text AND f.target_id = n.id AND f.superseded_at IS NULL
) AS r
LEFT JOIN kg_entities s ON s.agent_id = %(agent_id)s::text AND s.id = r.source_id AND s.merged_at IS NULL
LEFT JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.id = r.target_id AND t.merged_at IS NULL
ORDER BY r.id

-- relations_there --
-- Those of exactly these ends and types. The ends first, the type last: without statistics of agents the planner may as
-- well begin with all facts of an agent, or with those of a type.
WITH ends AS MATERIALIZED (
    SELECT w.source, w.target, w.type, s.id AS source_id, t.id AS target_id
    FROM (
        SELECT DISTINCT g.source, g.target, g.type
        FROM unnest(%(sources)s::text[], %(targets)s::text[], %(types)s::text[]) AS g (source, target, type)
    ) AS w
    JOIN kg_entities s ON s.agent_id = %(agent_id)s::text AND s.name = w.source AND s.merged_at IS NULL
    JOIN kg_entities t ON t.agent_id = %(agent_id)s::text AND t.name = w.target AND t.merged_at IS NULL
)
SELECT r.id, e.source, e.target, e.type
FROM ends e
CROSS JOIN LATERAL (
    SELECT f.id, f.type FROM kg_relationships f
    WHERE f.agent_id = %(agent_id)s::text AND f.source_id = e.source_id AND f.target_id = e.target_id
        AND f.superseded_at IS NULL
    OFFSET 0
) AS r
WHERE r.type = e.type
ORDER BY r.id
