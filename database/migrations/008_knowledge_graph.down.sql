-- Undoes 008_knowledge_graph: which names texts mention (made again from the texts), and which types are functional.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE IF EXISTS kg_mentions;
DROP FUNCTION IF EXISTS memory_mentions(text);

ALTER TABLE IF EXISTS kg_entities RESET (autovacuum_vacuum_insert_scale_factor);
ALTER TABLE IF EXISTS kg_relationships RESET (autovacuum_vacuum_insert_scale_factor);
ALTER TABLE IF EXISTS agents DROP COLUMN IF EXISTS functional_types;

DELETE FROM schema_migrations WHERE migration_name = '008_knowledge_graph';

COMMIT;
