CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS memories (
    agent text NOT NULL, text text NOT NULL, embedding vector(DIMENSIONS) STORAGE PLAIN NOT NULL
);
CREATE INDEX IF NOT EXISTS memories_agent_idx ON memories (agent)
;
INSERT INTO memories VALUES (%(agent)s::text, %(text)s::text, %(embedding)b::vector)
;
COPY memories FROM STDIN WITH BINARY
;
SELECT text FROM memories WHERE agent = %(agent)s::text ORDER BY embedding <=> %(embedding)b::vector LIMIT %(limit)s
;
SELECT count(*) FROM memories WHERE agent = %(agent)s::text
;
