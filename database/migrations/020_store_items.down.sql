-- Undoes 020_store_items. WARNING: the items are lost, and their history.

BEGIN;

LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE;

-- Its end needs every table with embeddings.
DO $$
BEGIN
    IF to_regclass('embedding_switches') IS NOT NULL
        AND EXISTS (SELECT FROM embedding_switches WHERE state IN ('running', 'switched')) THEN
        RAISE EXCEPTION 'a change of the embedding model is under way'
        USING HINT = 'memgpt reembed --finish keeps the new vectors, memgpt reembed --rollback the old ones.';
    END IF;
END
$$;

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
