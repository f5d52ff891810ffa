-- rivals --
-- The specification's table as it would be: pgvector's own storage, one column of vectors, agent_id indexed. One for
-- each index, so that the planner has no choice between them.
CREATE TABLE ivfflat (agent_id text NOT NULL, id bigint NOT NULL, chunk_text text NOT NULL, embedding vector(256));
CREATE TABLE hnsw (LIKE ivfflat)

-- fill_ivfflat --
INSERT INTO ivfflat SELECT agent_id, id, text, embedding FROM archival_memories

-- fill_hnsw --
INSERT INTO hnsw SELECT agent_id, id, text, embedding FROM archival_memories

-- agent_of_ivfflat --
CREATE INDEX ivfflat_agent_idx ON ivfflat (agent_id)

-- agent_of_hnsw --
CREATE INDEX hnsw_agent_idx ON hnsw (agent_id)

-- index_ivfflat --
CREATE INDEX ivfflat_idx ON ivfflat USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100)

-- index_hnsw --
CREATE INDEX hnsw_idx ON hnsw USING hnsw (embedding vector_cosine_ops)

-- drop_rivals --
DROP TABLE IF EXISTS ivfflat, hnsw

-- search_ivfflat --
SELECT id, chunk_text, 1 - (embedding <=> %(embedding)s::vector) AS similarity
FROM ivfflat WHERE agent_id = %(agent_id)s::text ORDER BY embedding <=> %(embedding)s::vector LIMIT 10

-- search_hnsw --
SELECT id, chunk_text, 1 - (embedding <=> %(embedding)s::vector) AS similarity
FROM hnsw WHERE agent_id = %(agent_id)s::text ORDER BY embedding <=> %(embedding)s::vector LIMIT 10

-- use_the_index --
-- The planner would take the agent_id index and sort, which is an exact scan.
SET enable_bitmapscan = off; SET enable_sort = off

-- memory --
-- For the builds; without workers where shared memory is too small for them.
SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 2

-- alone --
SET max_parallel_maintenance_workers = 0

-- copy_in --
COPY archival_memories (agent_id, text, embedding) FROM STDIN WITH BINARY

-- many_tenants --
-- Small tenants with the vectors of others, some rows each.
INSERT INTO archival_memories (agent_id, text, embedding)
SELECT 'tenant ' || t, 'memory ' || n || ' of tenant ' || t, p.vectors[1 + (t * 7919 + n * 104729) %% cardinality(p.vectors)]
FROM (SELECT array_agg(embedding) AS vectors
      FROM (SELECT embedding FROM archival_memories WHERE agent_id = 'pool' LIMIT 1000) few) p,
    generate_series(%(first)s::int, %(last)s::int) t, generate_series(1, %(rows)s::int) n

-- ids --
SELECT id FROM archival_memories WHERE agent_id = %(agent_id)s::text ORDER BY id

-- count --
SELECT count(*) FROM archival_memories
