-- Undoes 004_memory. WARNING: drops the history, the list of agents and of documents.
-- The rows of the six tables stay.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP INDEX IF EXISTS core_memories_shared_with_idx;
DROP INDEX IF EXISTS document_chunks_document_idx;
DROP INDEX IF EXISTS archival_memories_expires_at_idx;
DROP INDEX IF EXISTS archival_memories_tags_idx;
DROP INDEX IF EXISTS archival_memories_created_at_idx;
DROP INDEX IF EXISTS conversations_session_idx;
DROP INDEX IF EXISTS kg_entities_names_idx;
DROP FUNCTION IF EXISTS memory_names(text, text[]);
DROP INDEX IF EXISTS kg_relationships_agent_embedding_idx;
DROP INDEX IF EXISTS kg_entities_agent_embedding_idx;
DROP INDEX IF EXISTS conversations_agent_embedding_idx;
DROP INDEX IF EXISTS kg_relationships_search_idx;
DROP INDEX IF EXISTS conversations_search_idx;
DROP INDEX IF EXISTS document_chunks_search_idx;
DROP INDEX IF EXISTS archival_memories_search_idx;
DROP INDEX IF EXISTS archival_memories_text_key;

DROP TABLE IF EXISTS schema_migration_checksums;
DROP TABLE IF EXISTS embedding_models;
DROP TABLE IF EXISTS memory_history;

ALTER TABLE IF EXISTS document_chunks DROP CONSTRAINT IF EXISTS document_chunks_document_fkey;
DROP TABLE IF EXISTS documents;
DROP TABLE IF EXISTS agents;

DELETE FROM schema_migrations WHERE migration_name = '004_memory';

COMMIT;
