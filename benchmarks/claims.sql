-- drop_vector_index --
DROP INDEX document_chunks_embedding_idx

-- vector_index --
-- As 001 makes it; here after the rows, so that its lists are learned from them.
CREATE INDEX document_chunks_embedding_idx ON document_chunks USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100)

-- copy_chunks --
COPY document_chunks (agent_id, chunk_text, embedding, created_at) FROM STDIN WITH BINARY

-- conversations --
INSERT INTO conversations (agent_id, role, content, created_at)
SELECT agent_id, 'user', 'message ' || id, created_at FROM document_chunks

-- entities --
INSERT INTO kg_entities (agent_id, name) SELECT 'agent 0', 'entity ' || n FROM generate_series(1, 5000) n

-- facts --
-- Some entities have many facts about them, most have few.
INSERT INTO kg_relationships (agent_id, source_id, target_id, type, fact)
SELECT 'agent 0', e.ids[1 + floor(5000 * random() ^ 3)], e.ids[1 + floor(5000 * random())], 'knows', ''
FROM (SELECT array_agg(id ORDER BY id) AS ids FROM kg_entities WHERE agent_id = 'agent 0') e, generate_series(1, 25000)

-- vector --
SELECT id, chunk_text, embedding <=> %(embedding)s::vector AS distance
FROM document_chunks ORDER BY distance LIMIT 10

-- scoped --
SELECT id, chunk_text, embedding <=> %(embedding)s::vector AS distance
FROM document_chunks WHERE agent_id = %(agent_id)s::text ORDER BY distance LIMIT 10

-- exact --
-- The true nearest of an agent: no index gives this order.
SELECT id FROM document_chunks WHERE agent_id = %(agent_id)s::text
ORDER BY (embedding <=> %(embedding)s::vector) + 0 LIMIT 10

-- exact_of_all --
SELECT id FROM document_chunks ORDER BY (embedding <=> %(embedding)s::vector) + 0 LIMIT 10

-- recent_chunks --
SELECT id, chunk_text, created_at FROM document_chunks
WHERE agent_id = %(agent_id)s::text ORDER BY created_at DESC LIMIT 20

-- recent_messages --
SELECT id, content, created_at FROM conversations
WHERE agent_id = %(agent_id)s::text ORDER BY created_at DESC LIMIT 20

-- recent_of_all --
SELECT id, chunk_text, created_at FROM document_chunks ORDER BY created_at DESC LIMIT 20

-- entity --
SELECT id FROM kg_entities WHERE agent_id = %(agent_id)s::text AND name = %(name)s::text

-- neighbours --
SELECT target_id FROM kg_relationships WHERE agent_id = %(agent_id)s::text AND source_id = %(id)s::bigint

-- traversal --
-- Two hops as one statement; UNION removes what was reached before.
WITH RECURSIVE reached AS (
    SELECT e.id, 0 AS depth FROM kg_entities e WHERE e.agent_id = %(agent_id)s::text AND e.name = %(name)s::text
    UNION
    SELECT r.target_id, w.depth + 1
    FROM reached w
    JOIN kg_relationships r ON r.agent_id = %(agent_id)s::text AND r.source_id = w.id
    WHERE w.depth < 2
)
SELECT DISTINCT id FROM reached

-- intent --
SELECT id, content FROM conversations
WHERE agent_id = %(agent_id)s::text AND intent = 'question' ORDER BY created_at DESC LIMIT 20
