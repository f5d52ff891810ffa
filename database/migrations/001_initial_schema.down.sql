-- Undoes 001_initial_schema. WARNING: drops all data!

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS conversations CASCADE;
DROP TABLE IF EXISTS kg_relationships CASCADE;
DROP TABLE IF EXISTS kg_entities CASCADE;
DROP TABLE IF EXISTS archival_memories CASCADE;
DROP TABLE IF EXISTS core_memories CASCADE;
DROP TABLE IF EXISTS document_chunks CASCADE;

DROP FUNCTION IF EXISTS memory_search_vector (text, text);

DELETE FROM schema_migrations WHERE migration_name = '001_initial_schema';

COMMIT;
