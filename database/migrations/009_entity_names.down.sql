-- Undoes 009_entity_names: names are looked up as arrays again.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DO $$
BEGIN
    IF to_regclass('kg_entities') IS NOT NULL THEN  -- a rollback by hand may have dropped it
        CREATE INDEX IF NOT EXISTS kg_entities_names_idx ON kg_entities USING gin (memory_names(name, aliases));
    END IF;
END
$$;

ALTER TABLE IF EXISTS kg_entities DROP COLUMN IF EXISTS name_keys;
DROP FUNCTION IF EXISTS memory_name_query(text[]);
DROP FUNCTION IF EXISTS memory_name_keys(text, text[]);

DELETE FROM schema_migrations WHERE migration_name = '009_entity_names';

COMMIT;
