-- unread --
-- Agents whose texts nobody has looked at for their language, after one.
SELECT agent_id FROM agents WHERE NOT languages_read AND agent_id > %(after)s::text ORDER BY agent_id LIMIT 1

-- texts_unread --
-- Their texts that are in the language everything was in.
SELECT count(*)
FROM {table} m
JOIN agents a ON a.agent_id = m.agent_id
WHERE NOT a.languages_read AND m.language = %(language)s::text

-- texts --
SELECT id, {text} AS text, md5({text})::uuid AS hash
FROM {table}
WHERE agent_id = %(agent_id)s::text AND language = %(language)s::text AND id > %(after)s::bigint AND btrim({text}) <> ''
ORDER BY id
LIMIT %(limit)s::integer

-- set_languages --
-- A text that was changed meanwhile got its language then.
UPDATE {table} m SET language = n.own
FROM unnest(%(ids)b::bigint[], %(owns)b::text[], %(hashes)b::uuid[]) AS n (row_id, own, hash)
WHERE m.agent_id = %(agent_id)s::text AND m.id = n.row_id AND m.language = %(language)s::text AND md5({text})::uuid = n.hash

-- read --
UPDATE agents SET languages_read = true WHERE agent_id = %(agent_id)s::text
