-- copy_in --
COPY archival_memories (agent_id, text, embedding) FROM STDIN WITH BINARY

-- ids --
SELECT id FROM archival_memories WHERE agent_id = %(agent_id)s::text ORDER BY id

-- analyze --
ANALYZE archival_memories
