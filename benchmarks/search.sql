-- specification --
-- The specification's table as it would be: pgvector's own storage, one column of vectors, agent_id indexed.
CREATE TABLE specification (agent_id text NOT NULL, id bigint NOT NULL, chunk_text text NOT NULL, embedding vector(1536))

-- copy_specification --
INSERT INTO specification SELECT agent_id, id, text, embedding FROM archival_memories

-- agent_idx --
CREATE INDEX specification_agent_id_idx ON specification (agent_id)

-- ivfflat --
CREATE INDEX specification_embedding_idx ON specification USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100)

-- scoped --
SELECT id, chunk_text, 1 - (embedding <=> %(embedding)s::vector) AS similarity
FROM specification
WHERE agent_id = %(agent_id)s::text
ORDER BY embedding <=> %(embedding)s::vector
LIMIT 10

-- use_vector_index --
-- The planner would take the agent_id index and sort, which is an exact scan.
SET enable_bitmapscan = off; SET enable_sort = off

-- use_agent_index --
SET enable_bitmapscan = on; SET enable_sort = on; SET enable_indexscan = off

-- copy_in --
COPY archival_memories (agent_id, text, embedding) FROM STDIN WITH BINARY

-- ids --
SELECT id FROM archival_memories WHERE agent_id = %(agent_id)s::text ORDER BY id

-- sizes --
SELECT count(*), count(DISTINCT agent_id), pg_table_size('archival_memories'),
    pg_relation_size('archival_memories_agent_embedding_idx')
FROM archival_memories
