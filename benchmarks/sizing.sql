-- copy_archival_memories --
COPY archival_memories (agent_id, text, embedding) FROM STDIN WITH BINARY

-- copy_conversations --
COPY conversations (agent_id, content, embedding, role) FROM STDIN WITH BINARY

-- copy_document_chunks --
COPY document_chunks (agent_id, chunk_text, embedding) FROM STDIN WITH BINARY

-- indexes --
SELECT indexname, indexdef, pg_relation_size(indexname::regclass)
FROM pg_indexes WHERE tablename = %(table)s::text ORDER BY indexname

-- constraint_indexes --
-- Of keys: they cannot be dropped alone.
SELECT conindid::regclass::text FROM pg_constraint WHERE conrelid = %(table)s::regclass AND conindid <> 0

-- table_size --
SELECT pg_table_size(%(table)s::regclass)
