-- Undoes 020_store_items. WARNING: the items are lost, and their history.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

DROP FUNCTION IF EXISTS memory_matching_item(tsquery);

DROP TABLE IF EXISTS store_vectors;
DROP TABLE IF EXISTS store_items;

-- Where 004 was undone by hand before, there is no history.
DO $$
BEGIN
    IF to_regclass('memory_history') IS NOT NULL THEN
        DELETE FROM memory_history WHERE kind = 'item';
        ALTER TABLE memory_history DROP CONSTRAINT IF EXISTS memory_history_kind_check;
        ALTER TABLE memory_history ADD CONSTRAINT memory_history_kind_check CHECK (
            kind IN ('block', 'archival', 'message', 'document', 'chunk', 'entity', 'fact'));
    END IF;
END
$$;

DELETE FROM schema_migrations WHERE migration_name = '020_store_items';

COMMIT;
