-- note --
-- Languages that an agent has texts in: searches are in all of them, beside the configured one. Only a new one is a write.
UPDATE agents SET languages = ARRAY(SELECT DISTINCT l.name FROM unnest(languages || %(noted)s::text[]) AS l (name) ORDER BY l.name)
WHERE agent_id = %(agent_id)s::text AND NOT languages @> %(noted)s::text[]
