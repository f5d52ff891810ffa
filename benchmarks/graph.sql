-- neighbours --
-- What a program asks of one thing: its newest neighbours on both sides, as many as a walk takes of each.
(SELECT target_id FROM kg_relationships
 WHERE agent_id = %(agent_id)s::text AND source_id = %(id)s::bigint AND superseded_at IS NULL LIMIT %(most)s::int)
UNION ALL
(SELECT source_id FROM kg_relationships
 WHERE agent_id = %(agent_id)s::text AND target_id = %(id)s::bigint AND superseded_at IS NULL LIMIT %(most)s::int)

-- entities --
SELECT id, name, type FROM kg_entities WHERE agent_id = %(agent_id)s::text AND id = ANY (%(ids)s::bigint[])

-- copy_entities --
COPY kg_entities (agent_id, id, name) FROM STDIN

-- copy_facts --
COPY kg_relationships (agent_id, source_id, target_id, type) FROM STDIN

-- nothing --
SELECT 1
