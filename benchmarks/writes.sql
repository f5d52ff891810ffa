-- copy_in --
COPY archival_memories (agent_id, text, importance, metadata, embedding_model, embedding) FROM STDIN WITH BINARY

-- insert --
INSERT INTO archival_memories (agent_id, text, importance, metadata, embedding_model, embedding)
VALUES (%(agent_id)s::text, %(text)s::text, 0.5, '{}', 'none', %(embedding)b::vector)

-- rows --
SELECT count(*) FROM archival_memories WHERE agent_id = %(agent_id)s::text
