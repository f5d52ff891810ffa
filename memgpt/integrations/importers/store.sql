-- known --
-- What was imported from one system: the kind of each row, and what that system calls it.
SELECT 'memory' AS kind, metadata ->> 'imported_id' AS id FROM archival_memories
WHERE agent_id = %(agent_id)s::text AND metadata ->> 'imported_from' = %(system)s::text
UNION
SELECT 'document', metadata ->> 'imported_id' FROM documents
WHERE agent_id = %(agent_id)s::text AND metadata ->> 'imported_from' = %(system)s::text
UNION
SELECT 'entity', properties ->> 'imported_id' FROM kg_entities
WHERE agent_id = %(agent_id)s::text AND properties ->> 'imported_from' = %(system)s::text
UNION
SELECT 'fact', properties ->> 'imported_id' FROM kg_relationships
WHERE agent_id = %(agent_id)s::text AND properties ->> 'imported_from' = %(system)s::text

-- imported_texts --
-- The places of texts that a living memory has which was imported, under whatever id.
SELECT i.ord::integer - 1 FROM unnest(%(texts)b::text[]) WITH ORDINALITY AS i (text, ord)
JOIN archival_memories m ON m.agent_id = %(agent_id)s::text AND m.normal_hash = memory_text_hash(i.text)
    AND m.superseded_at IS NULL
WHERE m.metadata ? 'imported_id' AND (m.expires_at IS NULL OR m.expires_at > now())
