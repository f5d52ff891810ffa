-- copy_in --
COPY archival_memories (agent_id, text, embedding) FROM STDIN WITH BINARY

-- tidy --
VACUUM ANALYZE archival_memories
